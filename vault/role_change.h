// Role change: who holds which role, and with which keys. Each change is a new version of recipients.note.
//
// One transaction of the catalogue is the change: the new note, what the leavers had signed under another signature,
// customers' names sealed to the new set, the audit entry. The file recipients.note and the pins of trust.toml follow
// it; a crash between is gone on from by repeating the command, and the vault opens all the time. Headers of recordings
// are another matter (vault/rewrap.h): the caller brings them in agreement afterwards, under the same lock.
//
// Each function replaces `vault` by one that has the new roster open. Faults: denied (role; the actor's key is not
// pinned), usage (names and keys), busy (another change came first).
#pragma once

#include <string>

#include "vault/signed_anew.h"
#include "vault/vault.h"

namespace vault {

// Held over the whole of a change, headers included. Fault::busy: another command changes roles.
base::Result<base::FileLock> lock_roles(const Vault& vault);

struct RoleChange {
  bool anything = false;  // false: all of it stood like that already
  std::size_t signed_anew = 0;
  std::vector<TakenOver> taken_over;  // of somebody who left: revoke what he should not know
  std::size_t left = 0;               // statements and names that could not be taken over: `check` names them
  bool pins_changed = false;          // copies of trust.toml kept elsewhere are old now
};

// The very same holder again is no fault: what was cut goes on. Fault::usage: the name or a key is taken.
base::Result<RoleChange> add_role(Vault& vault, const Actor& actor, const keys::RoleHolder& holder);

// A name that nobody holds is no fault either. Fault::denied: the actor's own role (whoever stays must sign what it
// signed), or the last recovery.
base::Result<RoleChange> remove_role(Vault& vault, const Actor& actor, const std::string& name);

// Other keys for somebody else under the same name. Fault::not_found: nobody has this name.
base::Result<RoleChange> replace_keys(Vault& vault, const Actor& actor, const std::string& name,
                                      const keys::Recipient& recipient, base::ByteView signing_key);

// The actor's own keys. Again after a cut: `old` holds no role any more and `next` does. Both with a signing seed.
base::Result<RoleChange> rotate_identity(Vault& vault, const keys::Identity& old, const keys::Identity& next);

// The recovery identity names a new IT Manager in the place of all role holders but the recovery.
base::Result<RoleChange> recover(Vault& vault, const keys::Identity& recovery, const keys::Identity& next,
                                 const std::string& name);

// The file and the pins follow the roster that is in force: the end of each change above, and of a cut one.
base::Result<RoleChange> settle_roles(Vault& vault);

// Writes recipients.note when the catalogue holds a newer one. True in `anything`: it did.
base::Result<RoleChange> write_roster_file(Vault& vault);

// Pins and roster name the same people; otherwise what is wrong, for `check`.
std::vector<std::string> unsettled_roles(const Vault& vault);

}  // namespace vault
