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

// What customers and the name's zone need of one key.
struct Shown {
  std::string fingerprint, key, known_hosts, sshfp;  // the last two empty without a public host
};

Result<Shown> shown(const vault::Vault& vault, const base::Path& file) {
  const auto fingerprint = keys::host_key_fingerprint(file);
  if (!fingerprint) return fingerprint.error();
  const auto key = keys::host_key_public_line(file);
  if (!key) return key.error();
  if (vault.config().public_host.empty()) return Shown{*fingerprint, *key, "", ""};
  const Address address = public_address(vault);
  const auto record = sshfp(address.host, *fingerprint);
  if (!record) return record.error();
  return Shown{*fingerprint, *key, known_host(address) + " " + *key, *record};
}

std::string as_text(const Shown& s) {
  return s.fingerprint + "\n" + (s.known_hosts.empty() ? s.key : s.known_hosts + "\n" + s.sshfp) + "\n";
}

Json as_json(const Shown& s) {
  return {{"fingerprint", s.fingerprint},
          {"public_key", s.key},
          {"known_hosts", s.known_hosts.empty() ? Json(nullptr) : Json(s.known_hosts)},
          {"sshfp", s.sshfp.empty() ? Json(nullptr) : Json(s.sshfp)}};
}

Result<void> run(Context& context) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  const auto present = shown(*vault, vault->folder() / vault::file::kHostKey);
  if (!present) return present.error();
  const base::Path next_file = vault->folder() / vault::file::kNextHostKey;
  std::optional<Shown> next;
  if (base::exists(next_file)) {
    auto read = shown(*vault, next_file);
    if (!read) return read.error();
    next = std::move(*read);
  }
  if (present->known_hosts.empty())
    say_hint("with public_host set in callvault.toml, lines for known_hosts and DNS are printed");
  if (!context.json)
    return print(as_text(*present) + (next ? "\nThe next one, not in use yet:\n" + as_text(*next) : ""));
  Json json = as_json(*present);
  if (next) json["next"] = as_json(*next);
  return print(json.dump(2, ' ', true) + "\n");
}

}  // namespace

void add_hostkey(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("hostkey", "Show the SSH host key, for customers to compare");
  command->footer("Example:\n  callvault hostkey");
  command->callback([&context] { context.run = [&context] { return run(context); }; });
}

}  // namespace cli
