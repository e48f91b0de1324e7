#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/dates.h"
#include "cli/letter.h"
#include "cli/output.h"
#include "vault/standing.h"

namespace cli {

using base::Result;
using Json = nlohmann::ordered_json;

namespace {

struct Options {
  std::string customer, category, expires, id;
};

std::string letter(const vault::Standing& s, const std::string& category, const Address& address,
                   const HostKeys& keys) {
  const std::string count = std::to_string(s.recordings) + (s.recordings == 1 ? " recording" : " recordings");
  std::string text = "Standing log-in " + s.id + " for " + s.account + ": category " + category + ", " + count +
                     " until now, " + human_size(s.bytes) + "\n\n";
  text += "  connect   " + sftp_command(s.account, address) + "\n";
  text += "  account   " + s.account + "\n";
  text += "  password  " + std::string(kSecretMark) + "\n";
  text += host_key_lines(keys);
  text += "  until     " + base::rfc3339(s.expires) + "\n\n";
  return text +
         "New recordings of this category show as they come in. They can be read as often as needed, at any\n"
         "hour; reading deletes nothing, and is named in the audit log. Give it to one person, on another way\n"
         "than the rest: the password is shown here only. \"callvault standing revoke " +
         s.id + "\" ends it.\n";
}

Result<void> print_standing(vault::Vault& vault, const vault::Standing& s, const std::string& category, bool json) {
  const Address address = public_address(vault);
  const auto keys = host_keys(vault);
  if (!keys) return keys.error();
  if (s.restricted != 0)
    say_warning("left out because restricted: " + std::to_string(s.restricted) +
                "; after their release they come in with a new standing log-in only");
  hint_about(address);
  if (!json) return print_with_secrets(letter(s, category, address, *keys), {&s.password});
  Json one{{"standing", s.id},
           {"account", s.account},
           {"category", category},
           {"password", kSecretMark},
           {"host", address.host.empty() ? Json(nullptr) : Json(address.host)},
           {"port", address.port == 0 ? Json(nullptr) : Json(address.port)},
           {"fingerprint", keys->present},
           {"recordings", s.recordings},
           {"bytes", s.bytes},
           {"expires", base::rfc3339(s.expires)}};
  if (!keys->next.empty()) one["next_fingerprint"] = keys->next;
  return print_with_secrets(Json::array({one}).dump(2, ' ', true) + "\n", {&s.password});
}

Result<void> add(Context& context, const Options& options) {
  const auto lasts = parse_expires(options.expires);
  if (!lasts) return lasts.error();
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  const auto made = vault::add_standing(*vault, *actor, {options.customer, options.category, *lasts});
  if (!made) return made.error();
  auto printed = print_standing(*vault, *made, options.category, context.json);
  if (!printed) context.hint = "its password is lost: \"callvault standing revoke " + made->id + "\", and add it again";
  return printed;
}

Result<void> list(Context& context) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  const auto rows = vault->catalog().accesses("standing");
  if (!rows) return rows.error();
  Json json = Json::array();
  std::vector<std::vector<std::string>> lines;
  for (const auto& row : *rows) {
    const auto items = vault->catalog().items(row.id);
    if (!items) return items.error();
    const auto held = std::count_if(items->begin(), items->end(),
                                    [](const vault::ItemRow& i) { return i.recording_state == "sealed"; });
    json.push_back({{"standing", row.id},
                    {"account", row.account},
                    {"category", row.takes_in},
                    {"state", row.state},
                    {"created_at", base::rfc3339(row.created_at)},
                    {"expires", base::rfc3339(row.expires)},
                    {"last_login", row.seen_at == 0 ? Json(nullptr) : Json(base::rfc3339(row.seen_at))},
                    {"recordings", held}});
    lines.push_back({row.id, row.account, row.takes_in, row.state, base::rfc3339(row.created_at),
                     base::rfc3339(row.expires), time_or_dash(row.seen_at), std::to_string(held)});
  }
  if (context.json) return print(json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n");
  return print(table({"ID", "ACCOUNT", "CATEGORY", "STATE", "MADE", "EXPIRES", "LAST LOG-IN", "RECORDINGS"}, lines));
}

Result<void> revoke(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  if (auto r = vault::revoke_standing(*vault, *actor, options.id); !r) return r;
  if (context.json) return print(Json{{"standing", options.id}, {"state", "revoked"}}.dump(2) + "\n");
  return print("Revoked " + options.id + ": its password opens nothing any more; the recordings stay as they are\n");
}

}  // namespace

void add_standing(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("standing", "Log-ins of customers to their live messages; reading erases nothing");
  command->require_subcommand(1);
  command->footer("Example:\n  callvault standing add acme --category message");
  auto options = std::make_shared<Options>();

  auto* adding = command->add_subcommand("add", "A new log-in to one category of a customer's recordings");
  adding->add_option("CUSTOMER", options->customer, "The customer, and the account")->required();
  adding->add_option("--category", options->category, "What it shows, also what comes in later")->required();
  adding->add_option("--expires", options->expires, "It ends after, like 90d (default: 365d)");
  adding->footer("Example:\n  callvault standing add acme --category message --expires 90d");
  adding->callback([&context, options] { context.run = [&context, options] { return add(context, *options); }; });

  auto* listing = command->add_subcommand("list", "List all standing log-ins");
  listing->footer("Example:\n  callvault standing list");
  listing->callback([&context] { context.run = [&context] { return list(context); }; });

  auto* revoking = command->add_subcommand("revoke", "End one now; who reads is cut off");
  revoking->add_option("ID", options->id, "The standing log-in")->required();
  revoking->footer("Example:\n  callvault standing revoke s-7h2k9m4p1q8s5t3v");
  revoking->callback([&context, options] { context.run = [&context, options] { return revoke(context, *options); }; });
}

}  // namespace cli
