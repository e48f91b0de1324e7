#include "cli/context.h"

#include "cli/output.h"
#include "cli/prompt.h"
#include "vault/restriction.h"
#include "vault/role.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;

Result<vault::Vault> Context::open_vault() {
  if (vault_folder.empty()) {
    hint = "give --vault DIR, or set CALLVAULT_DIR";
    return Error{Fault::usage, "no vault is named"};
  }
  auto vault = vault::Vault::open(vault_folder, clock);
  opened_ = opened_ || vault;
  return vault;
}

void Context::note_refusal(const std::string& command) {
  if (!opened_) return;
  const auto noted = [&]() -> Result<void> {
    auto vault = open_vault();
    if (!vault) return vault.error();
    const auto* holder = unlocked_ ? vault->roster().holding(*unlocked_) : nullptr;
    return vault->audit().act([&] {
      return vault->audit().note({"act.refused", holder != nullptr ? holder->name : "nobody", {command}, ""});
    });
  }();
  if (!noted) say_warning("the refusal could not be noted: " + noted.error().what);
}

Result<keys::Identity> Context::remember(Result<keys::Identity> identity) {
  if (identity) unlocked_ = identity->recipient();
  return identity;
}

Result<base::SecretBytes> Context::passphrase(std::string_view question) {
  if (!passphrase_file.empty()) return read_passphrase_file(passphrase_file);
  if (!terminal_there()) hint = "give --passphrase-file FILE";
  return ask_passphrase(question);
}

Result<base::SecretBytes> Context::new_passphrase(const std::string& file, std::string_view question) {
  if (!file.empty()) return read_passphrase_file(file);
  if (!terminal_there()) hint = "give --new-passphrase-file FILE";
  return ask_new_passphrase(question);
}

Result<keys::Identity> Context::unlock() {
  if (identity_file.empty()) {
    hint = "give --identity FILE, or set CALLVAULT_IDENTITY";
    return Error{Fault::usage, "this needs an identity"};
  }
  return remember(keys::read_identity(identity_file, [this] { return passphrase("Passphrase of the identity file"); }));
}

Result<vault::Actor> Context::unlock_actor(vault::Vault& vault) {
  auto identity = unlock();
  if (!identity) return identity.error();
  return vault::recognise(vault, std::move(*identity));
}

Result<std::optional<keys::Identity>> Context::unlock_if_named() {
  if (identity_file.empty()) return std::optional<keys::Identity>();
  bool none_to_be_had = false;
  auto identity = remember(keys::read_identity(identity_file, [&]() -> Result<base::SecretBytes> {
    none_to_be_had = passphrase_file.empty() && !terminal_there();
    return passphrase("Passphrase of the identity file");
  }));
  if (identity) return std::optional(std::move(*identity));
  if (!none_to_be_had) return identity.error();
  say_warning("the identity stays locked: it needs a passphrase (--passphrase-file FILE, or a terminal)");
  return std::optional<keys::Identity>();
}

bool Context::Reader::may_read(vault::Vault& vault, const std::string& recording) const {
  return vault::may(role, vault::Action::read_restricted) || vault::unrestricted(vault, recording);
}

Result<std::optional<Context::Reader>> Context::unlock_reader(vault::Vault& vault) {
  auto identity = unlock_if_named();
  if (!identity) return identity.error();
  if (!*identity) return std::optional<Reader>();
  const auto* holder = vault.roster().holding((*identity)->recipient());
  if (holder == nullptr) return Error{Fault::denied, "this identity holds no role in this vault"};
  if (auto r = vault::may(holder->role, vault::Action::read_recording); !r) return r.error();
  return std::optional(Reader{std::move(**identity), holder->role});
}

}  // namespace cli
