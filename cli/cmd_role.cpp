#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/key_file.h"
#include "cli/output.h"
#include "cli/role_report.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using Json = nlohmann::ordered_json;

namespace {

struct Options {
  std::string role, name, key;
};

Result<void> add(Context& context, const Options& options) {
  const auto role = keys::role_named(options.role);
  if (!role) return role.error();
  const auto key = read_key_file(options.key);
  if (!key) return key.error();
  const auto verifier = keys::NoteVerifier::make(options.name, key->signing_key);
  if (!verifier) return Error{Fault::usage, "a name is 1 to 32 of a-z, 0-9 and -"};
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  auto lock = vault::lock_roles(*vault);
  if (!lock) return lock.error();
  const auto done = vault::add_role(*vault, *actor, {*role, options.name, key->recipient, *verifier});
  if (!done) return done.error();
  return finish_role_change(context, *vault, actor->identity, *done, options.name + " is " + options.role);
}

Result<void> remove(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  auto lock = vault::lock_roles(*vault);
  if (!lock) return lock.error();
  const auto done = vault::remove_role(*vault, *actor, options.name);
  if (!done) return done.error();
  return finish_role_change(context, *vault, actor->identity, *done, escaped(options.name) + " holds no role");
}

Result<void> list(Context& context) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  Json json = Json::array();
  std::vector<std::vector<std::string>> lines;
  for (const auto& holder : vault->roster().holders()) {
    const auto& trust = vault->trust();
    const auto& pins = holder.role == keys::Role::recovery ? trust.recovery : trust.it_manager;
    const bool pinned = std::find(pins.begin(), pins.end(), holder.signing_key) != pins.end();
    const std::string role(keys::name_of(holder.role));
    json.push_back({{"name", holder.name},
                    {"role", role},
                    {"recipient", holder.recipient.text()},
                    {"signing_key", base::base64(holder.signing_key.key())},
                    {"pinned", pinned}});
    lines.push_back({holder.name, role, holder.recipient.text(), pinned ? "pinned" : "-"});
  }
  if (context.json) return print(json.dump(2) + "\n");
  return print(table({"NAME", "ROLE", "RECIPIENT", "TRUST.TOML"}, lines));
}

}  // namespace

void add_role(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("role", "Who holds which role, and so opens which recordings");
  command->require_subcommand(1);
  command->footer("Example:\n  callvault role add tech-manager --name tom --key tom.json");
  auto options = std::make_shared<Options>();

  auto* adding = command->add_subcommand("add", "Give a role to somebody; existing recordings get headers for them");
  adding->add_option("ROLE", options->role, "it-manager, tech-manager or recovery")->required();
  adding->add_option("--name", options->name, "1 to 32 of a-z, 0-9 and -; stands in the log with each act")->required();
  adding->add_option("--key", options->key, "Their public keys, as \"callvault key new --json\" printed them")
      ->required();
  adding->footer(
      "Example:\n  callvault key new -o tom.age --json > tom.json     # Tom does this, and keeps tom.age\n"
      "  callvault role add tech-manager --name tom --key tom.json");
  adding->callback([&context, options] { context.run = [&context, options] { return add(context, *options); }; });

  auto* removing =
      command->add_subcommand("remove", "Take a role from somebody: their keys then open nothing that is held");
  removing->add_option("NAME", options->name, "Who")->required();
  removing->footer("Example:\n  callvault role remove tom");
  removing->callback([&context, options] { context.run = [&context, options] { return remove(context, *options); }; });

  auto* listing = command->add_subcommand("list", "List who holds which role; needs no identity");
  listing->footer("Example:\n  callvault role list");
  listing->callback([&context] { context.run = [&context] { return list(context); }; });
}

}  // namespace cli
