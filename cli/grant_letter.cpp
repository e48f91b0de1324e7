#include "cli/grant_letter.h"

#include <nlohmann/json.hpp>

#include "cli/letter.h"
#include "cli/output.h"

namespace cli {

using base::Result;
using Json = nlohmann::ordered_json;

namespace {

std::string head(const vault::Grant& grant) {
  const std::string count = std::to_string(grant.recordings) + (grant.recordings == 1 ? " recording" : " recordings");
  return "Grant " + grant.id + " for " + grant.account + ": " + count + ", " + human_size(grant.bytes) + "\n\n";
}

std::string folder_letter(const vault::Grant& grant, const Address& address, const HostKeys& keys,
                          const std::string& checkpoint) {
  std::string text = head(grant);
  text += "  connect   " + sftp_command(grant.account, address) + "\n";
  text += "  account   " + grant.account + "\n";
  text += "  password  " + std::string(kSecretMark) + "\n";
  text += host_key_lines(keys);
  text += "  until     " + base::rfc3339(grant.expires) + "\n\n";
  text +=
      "With WinSCP or FileZilla: protocol SFTP, this host and port, this account as user name. At the first\n"
      "connection compare the host key with the one above. With OpenSSH: the command above, then \"get -r .\"\n\n"
      "Until then the recordings can be read as often as needed; reading deletes nothing. Each log-in, and each\n"
      "recording that is read, is named in the audit log. The password is shown here only: send it on another\n"
      "way than the rest.\n\n"
      "Newest checkpoint of the audit log, to be kept:\n\n";
  return text + indented(checkpoint);
}

std::string file_letter(const vault::Grant& grant, const std::string& file) {
  const std::string name = base::Path(file).filename().string();
  const bool ends = name.size() > 4 && name.ends_with(".age");
  const std::string opened = ends ? name.substr(0, name.size() - 4) : name + ".opened";
  std::string text = head(grant);
  text += "  file      " + escaped(name) + "\n";
  text += "  password  " + std::string(kSecretMark) + "\n\n";
  text += "To open it, with age (https://age-encryption.org) or with callvault:\n\n";
  text += "  age -d -o \"" + escaped(opened) + "\" \"" + escaped(name) + "\"\n";
  text += "  callvault open \"" + escaped(name) + "\" -o \"" + escaped(opened) + "\"\n\n";
  text +=
      "Type the password as it stands, in capitals and with the dashes. It is shown here only: send it on another\n"
      "way than the file. The file cannot be recalled: whoever has it and the password can open it, also after\n"
      "the recording is erased here. Delete it when it is not needed any more.\n";
  return text;
}

}  // namespace

Result<void> print_grant(vault::Vault& vault, const vault::Grant& grant, const std::string& file, bool json) {
  const bool is_file = !file.empty();
  const Address address = is_file ? Address() : public_address(vault);
  const auto keys = host_keys(vault);
  if (!keys) return keys.error();
  const auto checkpoint = vault.audit().checkpoint();
  if (!checkpoint) return checkpoint.error();
  if (!is_file) hint_about(address);
  if (!json) {
    const std::string letter = is_file ? file_letter(grant, file) : folder_letter(grant, address, *keys, *checkpoint);
    return print_with_secrets(letter, {&grant.password});
  }
  Json one{{"grant", grant.id},
           {"account", grant.account},
           {"password", kSecretMark},
           {"host", address.host.empty() ? Json(nullptr) : Json(address.host)},
           {"port", address.port == 0 ? Json(nullptr) : Json(address.port)},
           {"fingerprint", is_file ? Json(nullptr) : Json(keys->present)},
           {"recordings", grant.recordings},
           {"bytes", grant.bytes},
           {"expires", is_file ? Json(nullptr) : Json(base::rfc3339(grant.expires))}};
  if (is_file) one["file"] = file;
  if (!is_file && !keys->next.empty()) one["next_fingerprint"] = keys->next;
  const std::string text = Json::array({one}).dump(2, ' ', true, Json::error_handler_t::replace);
  return print_with_secrets(text + "\n", {&grant.password});
}

}  // namespace cli
