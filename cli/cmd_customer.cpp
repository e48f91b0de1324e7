#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "vault/customer.h"

namespace cli {

using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

namespace {

struct Options {
  std::string id, name;
  long long linger = 0;
};

struct Shown {
  vault::CustomerRow row;
  std::optional<std::string> name;  // with an identity only
};

Json as_json(const Shown& shown) {
  Json json{{"id", shown.row.id},
            {"state", shown.row.state},
            {"created_at", base::rfc3339(shown.row.created_at)},
            {"linger", shown.row.linger}};
  if (shown.name) json["name"] = *shown.name;
  return json;
}

std::string as_text(const std::vector<Shown>& all) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& shown : all)
    rows.push_back({shown.row.id, shown.row.state, base::rfc3339(shown.row.created_at),
                    std::to_string(shown.row.linger) + " min", shown.name.value_or("(needs an identity)")});
  return table({"ID", "STATE", "SINCE", "LINGER", "NAME"}, rows);
}

Result<Shown> shown(vault::CustomerRow row, const std::optional<Context::Reader>& reader) {
  if (!reader) return Shown{std::move(row), std::nullopt};
  auto name = vault::customer_name(row, reader->identity);
  if (!name) return name.error().at("name of customer " + row.id);
  return Shown{std::move(row), std::move(*name)};
}

Result<void> print_one(const Context& context, const Shown& one) {
  if (!context.json) return print(as_text({one}));
  return print(as_json(one).dump(2, ' ', true, Json::error_handler_t::replace) + "\n");
}

Result<void> add(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  if (auto r = vault::add_customer(*vault, *actor, options.id, options.name, options.linger); !r) return r;
  auto row = vault->catalog().customer(options.id);
  if (!row) return row.error();
  return print_one(context, {std::move(*row), options.name});
}

Result<void> close(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  if (auto r = vault::close_customer(*vault, *actor, options.id); !r) return r.error().at("customer " + options.id);
  auto row = vault->catalog().customer(options.id);
  if (!row) return row.error();
  return print_one(context, {std::move(*row), std::nullopt});
}

Result<void> show(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto row = vault->catalog().customer(options.id);
  if (!row) return row.error().at("customer " + options.id);
  auto reader = context.unlock_reader(*vault);
  if (!reader) return reader.error();
  auto one = shown(std::move(*row), *reader);
  if (!one) return one.error();
  return print_one(context, *one);
}

Result<void> list(Context& context) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto rows = vault->catalog().customers();
  if (!rows) return rows.error();
  auto reader = context.unlock_reader(*vault);
  if (!reader) return reader.error();
  std::vector<Shown> all;
  for (auto& row : *rows) {
    auto one = shown(std::move(row), *reader);
    if (!one) return one.error();
    all.push_back(std::move(*one));
  }
  if (!context.json) return print(as_text(all));
  Json json = Json::array();
  for (const auto& one : all) json.push_back(as_json(one));
  return print(json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n");
}

}  // namespace

void add_customer(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("customer", "The business customers that recordings are held for");
  command->require_subcommand(1);
  command->footer("Example:\n  callvault customer add acme --name \"Acme Ltd\"");
  auto options = std::make_shared<Options>();

  auto* adding = command->add_subcommand("add", "Add a customer; needs an identity");
  adding->add_option("ID", options->id, "1 to 32 of a-z, 0-9 and -; also the account name for SFTP")->required();
  adding->add_option("--name", options->name, "The customer's name; kept encrypted");
  adding->add_option("--linger", options->linger, "Minutes for which a delivered file can still be opened (0: none)");
  adding->footer("Example:\n  callvault customer add acme --name \"Acme Ltd\"");
  adding->callback([&context, options] { context.run = [&context, options] { return add(context, *options); }; });

  auto* listing = command->add_subcommand("list", "List all customers; their names only with an identity");
  listing->footer("Example:\n  callvault customer list --identity ~/it-manager.age");
  listing->callback([&context] { context.run = [&context] { return list(context); }; });

  auto* showing = command->add_subcommand("show", "Show one customer; its name only with an identity");
  showing->add_option("ID", options->id, "The customer")->required();
  showing->footer("Example:\n  callvault customer show acme");
  showing->callback([&context, options] { context.run = [&context, options] { return show(context, *options); }; });

  auto* closing = command->add_subcommand("close", "Close a customer: nothing more is taken in for it");
  closing->add_option("ID", options->id, "The customer")->required();
  closing->footer("Example:\n  callvault customer close acme");
  closing->callback([&context, options] { context.run = [&context, options] { return close(context, *options); }; });
}

}  // namespace cli
