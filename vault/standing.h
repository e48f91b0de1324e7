// Step 4 of 7: standing. A customer's own log-in to its live messages: recordings of one category, those that are held
// and each new one as it is sealed (vault/collect.h). It reads as often as it likes and erases nothing; it ends when it
// is revoked, when it expires, or with its customer.
#pragma once

#include <optional>
#include <string>

#include "vault/vault.h"

namespace vault {

struct StandingRequest {
  std::string customer;
  std::string category;
  std::optional<base::Seconds> lasts;  // default from the configuration
};

struct Standing {
  std::string id;
  std::string account;
  base::SecretBytes password;  // shown once; in no other place
  std::size_t recordings = 0;  // that are in it from the beginning
  std::uint64_t bytes = 0;
  base::Seconds expires = 0;
  std::size_t restricted = 0;  // left out, and not added after their release
};

// May be empty. Faults: denied (role, the customer is closed), usage (no category), not_found (no such customer), busy
// (the account has as many accesses open as it can), damaged (a recording does not agree with its record).
base::Result<Standing> add_standing(Vault& vault, const Actor& actor, const StandingRequest& request);

// Ends it; the daemon cuts off who reads. Signed by the actor. Fault::not_found: none of this id, or it has ended.
base::Result<void> revoke_standing(Vault& vault, const Actor& actor, const std::string& id);

}  // namespace vault
