// Step 5 of 7: claim. One password, one claim, its end.
//
// The first log-in with a delivery's password opens the claim, by one conditional change of the catalogue; later ones
// join it from the same network, up to a number of connections at once. Whoever may read without a claim (a grant, a
// standing log-in) comes in as often as he likes, from anywhere, up to the same number at once.
#pragma once

#include <string>
#include <vector>

#include "vault/access.h"

namespace vault {

struct Candidate {
  AccessRow row;
  AccessStatement statement;
};

// The accesses that a password of this account may belong to: open and claimed ones first, then the newest that ended,
// so that only the right password is told why it does not work any more. Those whose statement does not verify are left
// out, with a line in the daemon's log. At most `limit`. However many there are, `limit` statements are verified.
base::Result<std::vector<Candidate>> candidates(Vault& vault, const std::string& account, std::size_t limit);

// claimed, joined: a delivery. reading: a grant or a standing log-in, which nobody claims. The others are refusals.
enum class Entrance { claimed, joined, reading, used, expired, not_yet, revoked, other_address, too_many, strict };

// The password was right (the challenge was answered): may this connection in? `connections` are those that it has now.
// Reads the row anew. An error is a fault of ours, nothing was changed then.
base::Result<Entrance> enter(Vault& vault, const Candidate& candidate, const std::string& address, int connections);

// open or claimed -> `state` (finished, expired, revoked). Its erase secret goes with the next finish_erasures().
base::Result<void> end_access(Vault& vault, const std::string& access, const std::string& state,
                              const std::string& actor);

// Who reads under an access of this kind, as the audit log calls him.
const char* reader_of(std::string_view kind);

// Ends what is over by the clock: open accesses past their expiry, also while somebody reads; claims past their longest
// time or unconnected for too long. `connected` says whether a claim has connections now. Returns the ids that ended.
base::Result<std::vector<std::string>> end_overdue(Vault& vault,
                                                   const std::function<bool(const std::string&)>& connected);

}  // namespace vault
