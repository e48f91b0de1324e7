// Ends: whether the audit log says that a recording was delivered, or that an access has ended. A state that was
// written by hand has no entry: nothing is erased for it, and no certificate names a reason that nobody gave.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "vault/audit.h"

namespace vault {

// The recording or the access whose end this entry is.
std::optional<std::string> ended_by(const Audit::Entry& entry);

class Ends {
 public:
  Ends(Audit& audit, Catalog& catalog) : audit_(&audit), catalog_(&catalog) {}  // both outlive it

  // Those of `ids` (recordings and accesses) whose end the log does not know. It is read from its newest entry back, as
  // far as it must be: an end is there shortly before it is asked for. What was searched in vain is remembered.
  base::Result<std::set<std::string>> unknown(std::set<std::string> ids);

 private:
  Audit* audit_;
  Catalog* catalog_;
  std::map<std::string, std::uint64_t> searched_;  // so many of the first entries do not name its end
};

}  // namespace vault
