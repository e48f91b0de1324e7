#include "cli/letter.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "keys/host_key.h"
#include "vault/server_keys.h"

namespace cli {

using base::Result;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMaxAddress = 512;

// A host name or address as it may stand in a letter; what else the file holds is not passed on.
bool plain_host(std::string_view host) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_";
  return !host.empty() && host.find_first_not_of(kAllowed) == std::string_view::npos && host.front() != '-';
}

// "192.0.2.1:2222" or "[2001:db8::1]:2222", one line.
Address parse_address(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  Address address;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data() + colon + 1, end, address.port);
  if (code != std::errc() || stop != end || address.port < 1 || address.port > 65535 || !plain_host(host)) return {};
  address.host = host;
  return address;
}

bool is_wildcard(const std::string& host) { return host == "0.0.0.0" || host == "::"; }

std::string collecting_words(const vault::Delivery& d) {
  const auto number = [](std::size_t n) { return "number " + std::to_string(n); };
  const std::string head = d.of == 1 ? "It" : "This is " + number(d.number) + " of " + std::to_string(d.of) + ". It";
  if (d.number == 1) return head + " takes in what comes, until it is fetched for the first time.\n";
  return head + " takes in what comes once " + number(d.number - 1) + " is fetched, and opens when that has ended.\n";
}

std::string letter(const vault::Delivery& d, const Address& address, const HostKeys& host,
                   const std::string& checkpoint) {
  const std::string count = std::to_string(d.recordings) + (d.recordings == 1 ? " recording" : " recordings");
  std::string text = "Delivery " + d.id + " for " + d.account + ": " + count + ", " + human_size(d.bytes) + "\n\n";
  if (d.collecting) text.insert(text.size() - 1, collecting_words(d));
  text += "  connect   " + sftp_command(d.account, address) + "\n";
  text += "  account   " + d.account + "\n";
  text += "  password  " + std::string(kSecretMark) + "\n";
  text += host_key_lines(host);
  text += "  until     " + base::rfc3339(d.expires) + " for the first log-in\n\n";
  text +=
      "The password works once, for one download session, and is shown here only. Each recording is\n"
      "deleted for good once it has been downloaded. Send the password on another way than the rest.\n\n"
      "Newest checkpoint of the audit log, to be kept by the customer:\n\n";
  return text + indented(checkpoint);
}

}  // namespace

Result<HostKeys> host_keys(const vault::Vault& vault) {
  auto present = keys::host_key_fingerprint(vault.folder() / vault::file::kHostKey);
  if (!present) return present.error();
  auto next = vault::next_host_key_fingerprint(vault);
  if (!next) return next.error();
  return HostKeys{std::move(*present), std::move(*next)};
}

std::string host_key_lines(const HostKeys& keys) {
  const std::string present = "  host key  ED25519 " + keys.present + "\n";
  return keys.next.empty() ? present : present + "  or soon   ED25519 " + keys.next + "\n";
}

std::string sftp_command(const std::string& account, const Address& address) {
  if (address.host.empty()) return "sftp " + account + "@HOST";
  const std::string port = address.port == 0 ? "" : "-P " + std::to_string(address.port) + " ";
  const std::string host = address.host.find(':') == std::string::npos ? address.host : "[" + address.host + "]";
  return "sftp " + port + account + "@" + host;
}

std::string indented(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    out += end == at ? "\n" : "  " + std::string(text.substr(at, end - at)) + "\n";
    at = end + 1;
  }
  return out;
}

void hint_about(const Address& address) {
  if (address.host.empty() || address.port == 0)
    say_hint("the address is not known: set public_host and public_port in callvault.toml, or start callvaultd");
  else if (is_wildcard(address.host))
    say_hint("callvaultd listens on every address: set public_host in callvault.toml to the one that people use");
}

Address public_address(const vault::Vault& vault) {
  Address address;
  if (const auto text = base::read_file(vault.folder() / vault::file::kRun / vault::file::kAddress, kMaxAddress))
    address = parse_address(base::as_text(*text));
  const vault::Config& config = vault.config();
  if (plain_host(config.public_host)) address.host = config.public_host;
  if (config.public_port != 0) address.port = config.public_port;
  return address;
}

namespace {

Json as_json(const vault::Delivery& d, const Address& address, const HostKeys& host, const LetterFiles* files) {
  Json json{{"delivery", d.id},
            {"account", d.account},
            {"password", kSecretMark},
            {"host", address.host.empty() ? Json(nullptr) : Json(address.host)},
            {"port", address.port == 0 ? Json(nullptr) : Json(address.port)},
            {"fingerprint", host.present},
            {"recordings", d.recordings},
            {"bytes", d.bytes},
            {"expires", base::rfc3339(d.expires)}};
  if (!host.next.empty()) json["next_fingerprint"] = host.next;
  if (d.collecting) {
    json["collecting"] = true;
    json["number"] = d.number;
    json["of"] = d.of;
  }
  if (files == nullptr) return json;
  json.erase("password");
  json["letter"] = files->letter;
  json["password_sheet"] = files->sheet;
  return json;
}

}  // namespace

Result<void> print_deliveries(vault::Vault& vault, const std::vector<vault::Delivery>& deliveries, bool json,
                              const std::vector<LetterFiles>& files) {
  const Address address = public_address(vault);
  const auto keys = host_keys(vault);
  if (!keys) return keys.error();
  const auto checkpoint = vault.audit().checkpoint();
  if (!checkpoint) return checkpoint.error();
  std::vector<const base::SecretBytes*> passwords;
  Json all = Json::array();
  std::string letters;
  std::vector<std::vector<std::string>> written;
  for (const auto& d : deliveries) {
    const LetterFiles* in_files = files.empty() ? nullptr : &files[all.size()];
    if (d.restricted != 0)
      say_warning("left out of " + d.id + " because restricted: " + std::to_string(d.restricted) +
                  " (\"callvault list\" names them)");
    all.push_back(as_json(d, address, *keys, in_files));
    if (in_files == nullptr) {
      passwords.push_back(&d.password);
      letters += (letters.empty() ? "" : "\n") + letter(d, address, *keys, *checkpoint);
    } else {
      written.push_back({d.id, d.account, std::to_string(d.recordings), in_files->letter, in_files->sheet});
    }
  }
  hint_about(address);
  const std::string text =
      files.empty() ? letters : table({"ID", "ACCOUNT", "RECORDINGS", "LETTER", "PASSWORD"}, written);
  return print_with_secrets(json ? all.dump(2, ' ', true, Json::error_handler_t::replace) + "\n" : text, passwords);
}

}  // namespace cli
