// Signed anew: what somebody signed whose key counts no more. Customers, recorders, accesses and restrictions are
// believed only under the signature of somebody who holds a role today; so when a key leaves, somebody who stays takes
// over what it signed, in the same transaction.
#pragma once

#include "vault/vault.h"

namespace vault {

// What a leaver made and what still lets somebody in: whoever made it has seen the password, or chosen the key.
struct TakenOver {
  std::string kind;     // "delivery", "standing", "grant" or "recorder"
  std::string id;       // of an access; the name of a recorder
  std::string account;  // whose it is; a recorder's is its customer, or empty
};

struct SignedAnew {
  std::size_t statements = 0;
  std::vector<TakenOver> running;  // of those
  // Do not say what their rows say, were signed by nobody known, or are unknown to the audit log: `check` names them.
  std::size_t left = 0;
};

// Inside an act, while the leavers still hold their roles: each statement that one of them signed and that is in force
// (also those of closed restrictions, and of ended accesses whose secret must still go) is verified, and then signed by
// `successor`. Nothing that does not verify is signed.
base::Result<SignedAnew> sign_anew(Vault& vault, const std::vector<keys::NoteVerifier>& leavers,
                                   const keys::NoteSigner& successor);

}  // namespace vault
