// Recorder: who may bring recordings in over SFTP, each for one customer or for the operator, with an SSH key of its
// own. It can write, and nothing else. A column of its row counts only if the signed statement says the same.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vault/ssh_key.h"
#include "vault/vault.h"

namespace vault {

struct NewRecorder {
  std::string name;  // an account: customers, grantees and recorders share one namespace
  SshKey key;
  std::string klass;     // "own" or "customer"
  std::string customer;  // for class customer
  std::string category;  // empty: what the names of its files say, else "inbound"
};

// Faults: denied (role, customer closed), usage (name taken or no account name, category), not_found (customer). The
// name of a recorder that was removed can be given again.
base::Result<void> add_recorder(Vault& vault, const Actor& actor, const NewRecorder& recorder);
// From then on its log-ins are refused, and what it uploads at this moment is not taken in. Fault::not_found.
base::Result<void> remove_recorder(Vault& vault, const Actor& actor, const std::string& name);

// Signed by somebody who may, and says what the row says. Fault::damaged, Fault::denied.
base::Result<void> verified_recorder(const Vault& vault, const RecorderRow& row);
// The row under another's signature, once its own was verified (vault/signed_anew.h). Errors as above.
base::Result<RecorderRow> recorder_signed_anew(const Vault& vault, RecorderRow row, const keys::NoteSigner& successor);

// The recorder of this account with this key (as over the wire), if there is one that may upload now. Looks for both at
// once, so that who does not know the key learns nothing of the account. A row that does not verify is no recorder, and
// is named in the log.
base::Result<std::optional<RecorderRow>> recorder_with(Vault& vault, const std::string& account, base::ByteView key);
// May it still bring in? Reads its row anew, and its customer's. Fault::denied.
base::Result<void> still_takes(Vault& vault, const RecorderRow& recorder);

}  // namespace vault
