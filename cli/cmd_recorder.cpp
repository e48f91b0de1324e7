#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "vault/recorder.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMaxKeyFile = 16 * 1024;

struct Options {
  std::string name, key_file, customer, category;
  bool own = false;
};

std::string fingerprint(const vault::RecorderRow& row) {
  const auto key = vault::SshKey::parse(row.ssh_key);
  return key ? key->fingerprint() : "(damaged)";
}

Json as_json(const vault::RecorderRow& row) {
  return {{"name", row.name},
          {"state", row.state},
          {"class", row.klass},
          {"customer", row.customer.empty() ? Json(nullptr) : Json(row.customer)},
          {"category", row.category.empty() ? Json(nullptr) : Json(row.category)},
          {"key", row.ssh_key},
          {"fingerprint", fingerprint(row)},
          {"created_at", base::rfc3339(row.created_at)}};
}

std::string as_text(const std::vector<vault::RecorderRow>& all) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& row : all)
    rows.push_back({row.name, row.state, row.customer.empty() ? "own" : row.customer,
                    row.category.empty() ? "-" : row.category, base::rfc3339(row.created_at), fingerprint(row)});
  return table({"NAME", "STATE", "FOR", "CATEGORY", "SINCE", "KEY"}, rows);
}

std::string dumped(const Json& json) { return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n"; }

Result<void> print_one(const Context& context, vault::Vault& vault, const std::string& name) {
  auto row = vault.catalog().recorder(name);
  if (!row) return row.error();
  if (!*row) return Error{Fault::not_found, "no such recorder"};
  return print(context.json ? dumped(as_json(**row)) : as_text({**row}));
}

Result<vault::SshKey> read_key(const std::string& file) {
  auto bytes = base::read_file(file, kMaxKeyFile);
  if (!bytes) return Error{bytes.error().fault, "the file of --ssh-key cannot be read"};
  auto key = vault::SshKey::parse_file(base::as_text(*bytes));
  if (!key) return key.error().at("--ssh-key");
  return key;
}

Result<void> add(Context& context, const Options& options) {
  if (options.own != options.customer.empty()) {
    context.hint = "--customer ID for a recorder of calls held for a customer, --own for the operator's own";
    return Error{Fault::usage, "say whose recordings it brings: either --customer ID or --own"};
  }
  auto key = read_key(options.key_file);
  if (!key) return key.error();
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  const vault::NewRecorder recorder{options.name, std::move(*key), options.own ? "own" : "customer", options.customer,
                                    options.category};
  if (auto r = vault::add_recorder(*vault, *actor, recorder); !r) return r;
  return print_one(context, *vault, options.name);
}

Result<void> remove(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  if (auto r = vault::remove_recorder(*vault, *actor, options.name); !r) return r;
  return print_one(context, *vault, options.name);
}

Result<void> list(Context& context) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto rows = vault->catalog().recorders();
  if (!rows) return rows.error();
  if (!context.json) return print(as_text(*rows));
  Json json = Json::array();
  for (const auto& row : *rows) json.push_back(as_json(row));
  return print(dumped(json));
}

}  // namespace

void add_recorder(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("recorder", "Who brings recordings in over SFTP; it can upload, and nothing else");
  command->require_subcommand(1);
  command->footer("Example:\n  callvault recorder add pbx-1 --ssh-key pbx-1.pub --customer acme");
  auto options = std::make_shared<Options>();

  auto* adding = command->add_subcommand("add", "Let a recorder in; needs an identity");
  adding->add_option("NAME", options->name, "1 to 32 of a-z, 0-9 and -; its account name for SFTP")->required();
  adding->add_option("--ssh-key", options->key_file, "Its public key, as ssh-keygen writes it (FILE.pub)")->required();
  auto* customer = adding->add_option("--customer", options->customer, "What it brings is held for this customer");
  adding->add_flag("--own", options->own, "It brings the operator's own recordings")->excludes(customer);
  adding->add_option("--category", options->category, "The retention rule that applies (default: inbound)");
  adding->footer("Example:\n  callvault recorder add pbx-1 --ssh-key pbx-1.pub --customer acme");
  adding->callback([&context, options] { context.run = [&context, options] { return add(context, *options); }; });

  auto* listing = command->add_subcommand("list", "List all recorders");
  listing->footer("Example:\n  callvault recorder list");
  listing->callback([&context] { context.run = [&context] { return list(context); }; });

  auto* removing = command->add_subcommand("remove", "Let a recorder in no more; what it brought stays");
  removing->add_option("NAME", options->name, "The recorder")->required();
  removing->footer("Example:\n  callvault recorder remove pbx-1");
  removing->callback([&context, options] { context.run = [&context, options] { return remove(context, *options); }; });
}

}  // namespace cli
