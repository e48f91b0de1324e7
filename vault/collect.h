// Collect: what takes recordings in as they are sealed, with nobody unlocking anything. Adding to an access needs only
// the public half of its key, which stands in its statement.
//
// A collecting delivery takes in everything of its customer until it is claimed; of several only the first in turn
// that has room. A standing log-in takes in one category of its customer, as long as it lives.
#pragma once

#include "vault/access.h"
#include "vault/seal.h"

namespace vault {

constexpr const char* kEverything = "*";  // what a collecting delivery takes in; a standing log-in: a category

bool collects(const AccessRow& row);  // a collecting delivery, whatever its state

// Puts a recording into what takes it in: inside the transaction that seals it, behind set_sealed(). Not for
// quarantined ones. Returns why accesses that it belongs into did not get it, since they are not what was signed; it is
// held all the same. An error: nothing may be kept.
base::Result<std::vector<std::string>> collect(Vault& vault, const Sealed& sealed);

// The same with somebody's identity, for recordings that are held already, in acts of its own. What is in it already,
// or in another delivery, or restricted, or gone meanwhile, is passed over. Faults: damaged, denied (no header for the
// actor).
struct Added {
  std::size_t recordings = 0;
  std::uint64_t bytes = 0;
};
base::Result<Added> add_held(Vault& vault, const Actor& actor, const std::string& access,
                             const std::vector<std::string>& recordings);

// May this collecting delivery be claimed now? Fault::denied: one before it has not ended, or nothing is in it yet.
// Inside the transaction that claims it.
base::Result<void> its_turn(Vault& vault, const AccessRow& row);

// The name that a standing log-in shows: with the number of its arrival in front. What was there before may be erased
// by now, so that no later look could tell a name apart in the same way again.
std::string numbered_name(std::uint32_t position, const std::string& original);

}  // namespace vault
