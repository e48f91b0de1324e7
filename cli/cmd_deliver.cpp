#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/dates.h"
#include "cli/letter_files.h"
#include "cli/output.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;

namespace {

struct Options {
  std::vector<std::string> words;
  std::string from, to, expires, letters;
  bool all = false, every_customer = false, collect = false, strict = false, any_address = false;
  std::size_t count = 1;
};

struct Chosen {
  std::vector<std::string> customers, recordings;
};

Chosen sort(const std::vector<std::string>& words) {
  Chosen chosen;
  for (const auto& word : words) (vault::valid_id(word) ? chosen.recordings : chosen.customers).push_back(word);
  return chosen;
}

Result<void> check(const Chosen& chosen, const Options& options) {
  const bool period = !options.from.empty() || !options.to.empty();
  if (options.every_customer && !options.words.empty())
    return Error{Fault::usage, "name customers, or say --every-customer; not both"};
  if (!options.every_customer && chosen.customers.empty()) return Error{Fault::usage, "no customer is named"};
  if (chosen.recordings.empty() && !options.all && !period && !options.collect)
    return Error{Fault::usage, "say what to deliver: ids of recordings, --all, --from and --to, or --collect"};
  if (!chosen.recordings.empty() && (options.all || period))
    return Error{Fault::usage, "name recordings, or say --all or --from and --to; not both"};
  if (options.count > 1 && !options.collect) return Error{Fault::usage, "--count goes with --collect"};
  return {};
}

// The named recordings that this customer gets. One that belongs to none of several customers goes to the first, where
// deliver() refuses it by name.
Result<std::vector<std::string>> share(vault::Vault& vault, const Chosen& chosen, const std::string& customer) {
  if (chosen.customers.size() == 1) return chosen.recordings;
  std::vector<std::string> ids;
  for (const auto& id : chosen.recordings) {
    const auto row = vault.catalog().recording(id);
    if (!row) return row.error().at(id);
    const auto& all = chosen.customers;
    const bool known = std::find(all.begin(), all.end(), row->columns.customer) != all.end();
    if (row->columns.customer == customer || (!known && customer == all.front())) ids.push_back(id);
  }
  return ids;
}

Result<std::vector<std::string>> open_customers(vault::Vault& vault) {
  auto rows = vault.catalog().customers();
  if (!rows) return rows.error();
  std::vector<std::string> ids;
  for (const auto& row : *rows) {
    if (row.state == "open") ids.push_back(row.id);
  }
  return ids;
}

// One unlock, a delivery for each customer. What fails for one is said, and does not stop the others.
class Round {
 public:
  Round(vault::Vault& vault, const vault::Actor& actor, const Options& options, vault::DeliveryRequest terms,
        const LetterFolder* letters)
      : vault_(vault), actor_(actor), options_(options), terms_(std::move(terms)), letters_(letters) {}

  Result<void> run(const Chosen& chosen) {
    const bool several = chosen.customers.size() > 1;
    std::size_t failed = 0;
    Fault fault = Fault::failed;
    bool alike = true;
    for (const auto& customer : chosen.customers) {
      const auto known = vault_.catalog().customer(customer);
      const auto r = known ? deliver_to(chosen, customer) : known.error().at("customer " + customer);
      if (r) continue;
      if (!several) return r;
      if (known && r.error().fault == Fault::not_found &&
          chosen.recordings.empty()) {  // nothing to deliver: no failure
        if (!options_.every_customer) say_warning(r.error().what);
        continue;
      }
      say_error(r.error().what);
      alike = failed++ == 0 || (alike && fault == r.error().fault);
      fault = r.error().fault;
    }
    if (failed != 0)
      return Error{made_.empty() && alike ? fault : Fault::failed,
                   std::to_string(failed) + " of " + std::to_string(chosen.customers.size()) + " customers failed"};
    if (made_.empty()) return Error{Fault::not_found, "nothing to deliver"};
    return {};
  }

  const std::vector<vault::Delivery>& made() const { return made_; }
  const std::vector<LetterFiles>& files() const { return files_; }

 private:
  Result<void> deliver_to(const Chosen& chosen, const std::string& customer) {
    auto request = terms_;
    request.customer = customer;
    auto ids = share(vault_, chosen, customer);
    if (!ids) return ids.error();
    if (ids->empty() && !chosen.recordings.empty())
      return Error{Fault::not_found, "none of these recordings is held for " + customer};
    request.recordings = std::move(*ids);
    auto made = make(request);
    if (!made) return made.error();
    return letters_ == nullptr ? keep(std::move(*made), {}) : write(std::move(*made));
  }

  Result<std::vector<vault::Delivery>> make(const vault::DeliveryRequest& request) {
    if (options_.collect) return vault::deliver_collecting(vault_, actor_, request, options_.count);
    auto one = vault::deliver(vault_, actor_, request);
    if (!one) return one.error();
    std::vector<vault::Delivery> made;
    made.push_back(std::move(*one));
    return made;
  }

  Result<void> keep(std::vector<vault::Delivery> made, std::vector<LetterFiles> files) {
    std::ranges::move(made, std::back_inserter(made_));
    std::ranges::move(files, std::back_inserter(files_));
    return {};
  }

  // A delivery whose letter cannot be written is none: its password would be lost.
  Result<void> write(std::vector<vault::Delivery> made) {
    std::vector<LetterFiles> files;
    for (const auto& delivery : made) {
      auto written = letters_->write(vault_, delivery, {options_.strict, options_.any_address});
      if (!written) return undo(made, files, written.error());
      files.push_back(std::move(*written));
    }
    return keep(std::move(made), std::move(files));
  }

  Result<void> undo(const std::vector<vault::Delivery>& made, const std::vector<LetterFiles>& files, const Error& why) {
    for (const auto& delivery : made) {
      if (auto r = vault::revoke_delivery(vault_, actor_, delivery.id); !r) return r.error().at(why.what);
    }
    for (const auto& one : files) {
      for (const auto& path : {one.letter, one.sheet}) (void)base::system_files().remove(path);  // they open nothing
    }
    return Error{Fault::failed, why.what + "; the delivery to " + made.front().account + " was revoked"};
  }

  vault::Vault& vault_;
  const vault::Actor& actor_;
  const Options& options_;
  vault::DeliveryRequest terms_;
  const LetterFolder* letters_;
  std::vector<vault::Delivery> made_;
  std::vector<LetterFiles> files_;
};

Result<void> run(Context& context, const Options& options) {
  Chosen chosen = sort(options.words);
  if (auto r = check(chosen, options); !r) return r;
  vault::DeliveryRequest terms;
  const auto lasts = parse_expires(options.expires);
  if (!lasts) return lasts.error();
  terms.lasts = *lasts;
  terms.strict = options.strict;
  terms.any_address = options.any_address;
  terms.only_new =
      options.collect && !options.all && options.from.empty() && options.to.empty() && chosen.recordings.empty();
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  const auto period = parse_period(options.from, options.to, vault->config().zone);
  if (!period) return period.error();
  terms.from = period->from;
  terms.to = period->to;
  if (options.every_customer) {
    auto all = open_customers(*vault);
    if (!all) return all.error();
    chosen.customers = std::move(*all);
  }
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  std::optional<LetterFolder> letters;
  if (!options.letters.empty()) {
    auto folder = LetterFolder::open(*vault, options.letters);
    if (!folder) return folder.error();
    letters = std::move(*folder);
  }
  Round round(*vault, *actor, options, std::move(terms), letters ? &*letters : nullptr);
  const auto done = round.run(chosen);
  if (!done && done.error().fault == Fault::busy)
    context.hint =
        "see \"callvault delivery list\" and \"callvault standing list\"; one must end, or be reissued, first";
  if (round.made().empty()) return done;
  const auto printed = print_deliveries(*vault, round.made(), context.json, round.files());
  if (printed) return done;
  context.hint =
      "the delivery was made; \"callvault delivery reissue " + round.made().front().id + "\" shows a new password";
  return printed;
}

}  // namespace

void add_deliver(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("deliver", "Put recordings up for customers, each under a new one-time password");
  auto options = std::make_shared<Options>();
  command->add_option("CUSTOMER", options->words, "Customers, and the ids of recordings");
  command->add_flag("--every-customer", options->every_customer, "All customers that are not closed");
  command->add_flag("--all", options->all, "Everything held for them that is in no delivery yet");
  command->add_option("--from", options->from, "Only calls from this day on, like 2026-11-01");
  command->add_option("--to", options->to, "Only calls up to the end of this day");
  command->add_flag("--collect", options->collect, "What comes in from now on, until it is fetched for the first time");
  command->add_option("--count", options->count, "With --collect: so many passwords, which open one after the other")
      ->check(CLI::Range(std::size_t{1}, std::size_t{8}));
  command->add_option("--expires", options->expires, "The first log-in must come within, like 12h or 7d");
  command->add_flag("--strict", options->strict, "One connection at a time");
  command->add_flag("--any-address", options->any_address, "Later connections may come from another network");
  command->add_option("--letters", options->letters, "Write a letter and a sheet with the password into this folder");
  command->footer(
      "Example:\n  callvault deliver acme --from 2026-11-01 --to 2026-11-30 --expires 7d\n"
      "  callvault deliver acme --collect --count 4\n  callvault deliver --every-customer --all --letters letters");
  command->callback([&context, options] { context.run = [&context, options] { return run(context, *options); }; });
}

}  // namespace cli
