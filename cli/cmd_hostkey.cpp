#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
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

// For the name's zone: algorithm 4 is Ed25519, type 2 is SHA-256, which the fingerprint shows in base64.
Result<std::string> sshfp(const std::string& host, const std::string& fingerprint) {
  const auto digest = base::unbase64(fingerprint.substr(fingerprint.find(':') + 1), base::Padding::none);
  if (!digest) return digest.error();
  return host + " IN SSHFP 4 2 " + base::hex(*digest);
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
  const auto record = public_host ? sshfp(public_address(*vault).host, *fingerprint) : Result<std::string>("");
  if (!record) return record.error();
  if (!public_host) say_hint("with public_host set in callvault.toml, lines for known_hosts and DNS are printed");
  if (!context.json) return print(*fingerprint + "\n" + (public_host ? line + "\n" + *record : *key) + "\n");
  return print(Json{{"fingerprint", *fingerprint},
                    {"public_key", *key},
                    {"known_hosts", public_host ? Json(line) : Json(nullptr)},
                    {"sshfp", public_host ? Json(*record) : Json(nullptr)}}
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
