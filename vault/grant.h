// Step 4 of 7: grant. Recordings for somebody else to read: over SFTP as often as wished until a time, or one of them
// as a file under a password. Nothing is erased by reading.
//
// The grantee's account is a name of its own: never a customer's. A recording that is erased meanwhile is gone from its
// grants too. Needs an unlocked identity that opens the recordings.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "keys/age_stream.h"
#include "vault/vault.h"

namespace vault {

struct GrantRequest {
  std::vector<std::string> recordings;  // ids, of either class
  std::string account;                  // [a-z0-9-]{1,32}
  std::optional<base::Seconds> lasts;   // default from the configuration
};

struct Grant {
  std::string id;
  std::string account;
  base::SecretBytes password;  // shown once; in no other place
  std::size_t recordings = 0;
  std::uint64_t bytes = 0;
  base::Seconds expires = 0;  // 0: a file, which cannot expire
};

// Faults: denied (role, no header for the actor, quarantined), usage (no account, a customer's, no id, one id twice),
// not_found, busy (the account has as many accesses open as it can), restricted, damaged.
base::Result<Grant> grant(Vault& vault, const Actor& actor, const GrantRequest& request);

// A new age file under the password, scrypt work factor 2^log_n, that stock age opens: into `out`, all of it before
// anything is noted, so that the caller can make it durable or throw it away. When this has succeeded, the log says
// that the file was given: give it its name then. It cannot be recalled. Faults as above, and those of `out`.
base::Result<Grant> grant_file(Vault& vault, const Actor& actor, const std::string& recording,
                               const std::string& account, const keys::StreamWriter::Sink& out, unsigned log_n = 18);

// Ends it; the daemon cuts off who reads. Signed by the actor. Fault::not_found: no grant, or it has ended.
base::Result<void> revoke_grant(Vault& vault, const Actor& actor, const std::string& id);

// An ended grant that was a file from the beginning.
bool was_file(const AccessRow& grant);

}  // namespace vault
