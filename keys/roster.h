// Roster: recipients.note, who holds which role with which recipient and signing key. Signed by the IT Manager; its
// version only rises; without a recovery entry it is not valid.
#pragma once

#include <string>
#include <vector>

#include "keys/note.h"
#include "keys/recipient.h"

namespace keys {

enum class Role { it_manager, tech_manager, recovery };
std::string_view name_of(Role role);  // "it-manager", "tech-manager", "recovery"
base::Result<Role> role_named(std::string_view name);

// The id under which header rows name a role's recipient: "r-" and the first 16 hex digits of SHA-256(recipient key).
std::string recipient_id(const Recipient& recipient);

struct RoleHolder {
  Role role;
  std::string name;  // [a-z0-9-]{1,32}; also the name of the signing key
  Recipient recipient;
  NoteVerifier signing_key;

  std::string recipient_id() const { return keys::recipient_id(recipient); }
};

// The signing keys of trust.toml. The recovery's may only name a new IT Manager: a roster it signed holds one IT
// Manager, whose key is not pinned yet, the pinned recovery, and nobody else; the new IT Manager then signs the next
// version.
struct PinnedKeys {
  std::vector<NoteVerifier> it_managers;
  std::vector<NoteVerifier> recovery;
};

class Roster {
 public:
  // Fault::damaged: signature, unknown line, no IT Manager or no recovery entry, doubled names or keys.
  // Fault::denied: signed by nobody pinned, or by the recovery under more than it may. Fault::expired: version below
  // `at_least`.
  static base::Result<Roster> verify(std::string_view note, const PinnedKeys& pinned, std::uint64_t at_least);
  // A new note, signed. Fault::usage without an IT Manager or a recovery entry, and for doubled or bad names and keys.
  static base::Result<std::string> make(std::uint64_t version, const std::vector<RoleHolder>& holders,
                                        const NoteSigner& signer);

  std::uint64_t version() const { return version_; }
  const std::vector<RoleHolder>& holders() const { return holders_; }
  std::vector<RoleHolder> with(Role role) const;
  const RoleHolder* holding(const Recipient& recipient) const;  // nullptr: nobody
  std::vector<NoteVerifier> signing_keys() const;

 private:
  std::uint64_t version_ = 0;
  std::vector<RoleHolder> holders_;
};

}  // namespace keys
