// Context: what every command shares: the global options, and the way from them to a vault and to an identity.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "vault/vault.h"

namespace cli {

struct Context {
  std::string vault_folder, identity_file, passphrase_file;
  bool json = false;

  std::function<base::Result<void>()> run;  // the command that the command line names
  std::string hint;                         // what to do about the error that run() returns; empty: none
  base::SystemClock clock;

  base::Result<vault::Vault> open_vault();

  // A refusal of a command that opened a vault is an entry of its audit log: who, and which command.
  void note_refusal(const std::string& command);

  // From the file of --passphrase-file, or the terminal.
  base::Result<base::SecretBytes> passphrase(std::string_view question);

  // Of a new or changed identity file: from `file` if one is given, else asked for twice.
  base::Result<base::SecretBytes> new_passphrase(const std::string& file, std::string_view question);

  // Fault::usage when no identity is named. Fault::denied: wrong passphrase, or none to be had.
  base::Result<keys::Identity> unlock();
  base::Result<vault::Actor> unlock_actor(vault::Vault& vault);

  // For commands that do more with an identity and work without one too. Nothing, with a warning, when one is named but
  // there is no passphrase to be had; a wrong passphrase is an error.
  base::Result<std::optional<keys::Identity>> unlock_if_named();

  // The same, for what recordings and customers are called: somebody with a role in this vault. Fault::denied: nobody.
  struct Reader {
    keys::Identity identity;
    keys::Role role;
    bool may_read(vault::Vault& vault, const std::string& recording) const;  // false: restricted, and not for this role
  };
  base::Result<std::optional<Reader>> unlock_reader(vault::Vault& vault);

 private:
  base::Result<keys::Identity> remember(base::Result<keys::Identity> identity);

  bool opened_ = false;                      // the vault
  std::optional<keys::Recipient> unlocked_;  // the last identity
};

}  // namespace cli
