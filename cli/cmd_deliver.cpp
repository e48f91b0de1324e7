#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/dates.h"
#include "cli/letter.h"
#include "cli/output.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;

namespace {

struct Options {
  std::vector<std::string> words;
  std::string from, to, expires;
  bool all = false, strict = false, any_address = false;
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
  if (chosen.customers.empty()) return Error{Fault::usage, "no customer is named"};
  if (chosen.recordings.empty() && !options.all && !period)
    return Error{Fault::usage, "say what to deliver: ids of recordings, --all, or --from and --to"};
  if (!chosen.recordings.empty() && (options.all || period))
    return Error{Fault::usage, "name recordings, or say --all or --from and --to; not both"};
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

Result<std::vector<vault::Delivery>> deliver_all(vault::Vault& vault, const vault::Actor& actor, const Chosen& chosen,
                                                 const vault::DeliveryRequest& terms) {
  std::vector<vault::Delivery> made;
  const auto each = [&](const std::string& customer) -> Result<void> {
    auto request = terms;
    request.customer = customer;
    auto ids = share(vault, chosen, customer);
    if (!ids) return ids.error();
    if (ids->empty() && !chosen.recordings.empty())
      return Error{Fault::not_found, "none of these recordings is held for " + customer};
    request.recordings = std::move(*ids);
    if (auto known = vault.catalog().customer(customer); !known) return known.error().at("customer " + customer);
    auto delivery = vault::deliver(vault, actor, request);
    if (delivery) {
      made.push_back(std::move(*delivery));
      return {};
    }
    // With --all for several customers one that has nothing is no reason to leave the others out.
    if (delivery.error().fault != Fault::not_found || !request.recordings.empty() || chosen.customers.size() == 1)
      return delivery.error();
    say_warning(delivery.error().what);
    return {};
  };
  for (const auto& customer : chosen.customers) {
    if (auto r = each(customer); !r) {  // one bad recording: nothing is made
      for (const auto& delivery : made) {
        if (auto undone = vault::revoke_delivery(vault, actor, delivery.id); !undone) return undone.error();
      }
      return r.error();
    }
  }
  if (made.empty()) return Error{Fault::not_found, "nothing to deliver"};
  return made;
}

Result<void> run(Context& context, const Options& options) {
  const Chosen chosen = sort(options.words);
  if (auto r = check(chosen, options); !r) return r;
  vault::DeliveryRequest terms;
  const auto lasts = parse_expires(options.expires);
  if (!lasts) return lasts.error();
  terms.lasts = *lasts;
  terms.strict = options.strict;
  terms.any_address = options.any_address;
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  const auto period = parse_period(options.from, options.to, vault->config().zone);
  if (!period) return period.error();
  terms.from = period->from;
  terms.to = period->to;
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  const auto made = deliver_all(*vault, *actor, chosen, terms);
  if (!made) {
    if (made.error().fault == Fault::busy)
      context.hint =
          "a recording is in one delivery at a time; see \"callvault delivery list\", then revoke or reissue";
    return made.error();
  }
  auto printed = print_deliveries(*vault, *made, context.json);
  if (!printed)
    context.hint =
        "the delivery was made; \"callvault delivery reissue " + made->front().id + "\" shows a new password";
  return printed;
}

}  // namespace

void add_deliver(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("deliver", "Put recordings up for customers, each under a new one-time password");
  auto options = std::make_shared<Options>();
  command->add_option("CUSTOMER", options->words, "Customers, and the ids of recordings")->required();
  command->add_flag("--all", options->all, "Everything held for them that is in no delivery yet");
  command->add_option("--from", options->from, "Only calls from this day on, like 2026-11-01");
  command->add_option("--to", options->to, "Only calls up to the end of this day");
  command->add_option("--expires", options->expires, "The first log-in must come within, like 12h or 7d");
  command->add_flag("--strict", options->strict, "One connection at a time");
  command->add_flag("--any-address", options->any_address, "Later connections may come from another network");
  command->footer("Example:\n  callvault deliver acme --from 2026-11-01 --to 2026-11-30 --expires 7d");
  command->callback([&context, options] { context.run = [&context, options] { return run(context, *options); }; });
}

}  // namespace cli
