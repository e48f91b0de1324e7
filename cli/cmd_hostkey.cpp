#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/letter.h"
#include "cli/output.h"
#include "keys/host_key.h"

namespace cli {

using base::Result;
using Json = nlohmann::ordered_json;

namespace {

// As a line of known_hosts begins: the port stands there only when it is not 22.
std::string known_host(const Address& address) {
  return address.port == 0 || address.port == 22 ? address.host
                                                 : "[" + address.host + "]:" + std::to_string(address.port);
}

Result<void> run(Context& context) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  const base::Path file = vault->folder() / vault::file::kHostKey;
  const auto fingerprint = keys::host_key_fingerprint(file);
  if (!fingerprint) return fingerprint.error();
  const auto key = keys::host_key_public_line(file);
  if (!key) return key.error();
  const bool public_host = !vault->config().public_host.empty();
  const std::string line = public_host ? known_host(public_address(*vault)) + " " + *key : "";
  if (!public_host) say_hint("with public_host set in callvault.toml, a line for known_hosts is printed");
  if (!context.json) return print(*fingerprint + "\n" + (public_host ? line : *key) + "\n");
  return print(Json{{"fingerprint", *fingerprint},
                    {"public_key", *key},
                    {"known_hosts", public_host ? Json(line) : Json(nullptr)}}
                   .dump(2, ' ', true) +
               "\n");
}

}  // namespace

void add_hostkey(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("hostkey", "Show the SSH host key, for customers to compare");
  command->footer("Example:\n  callvault hostkey");
  command->callback([&context] { context.run = [&context] { return run(context); }; });
}

}  // namespace cli
