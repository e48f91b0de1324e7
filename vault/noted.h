// Noted: what the audit log says that there is. A row that a stolen signing key signed is well signed; that nobody ever
// made it, tells the log alone.
#pragma once

#include <map>
#include <set>
#include <string>

#include "vault/vault.h"

namespace vault {

struct Noted {
  struct Recording {
    bool sealed = false, quarantined = false;  // how it came in
    bool delivered = false, erased = false;
  };
  std::map<std::string, Recording> recordings;
  std::set<std::string> accesses;                // made, whatever became of them
  std::set<std::string> ended;                   // of those
  std::set<std::string> customers;               // added
  std::set<std::string> closed;                  // of those
  std::map<std::string, std::string> recorders;  // id -> name, of those that were not removed
  std::uint64_t roster_version = 0;              // the newest
};

// The whole log is read, and not verified: Audit::verify() does that. Fault::damaged: an entry is none.
base::Result<Noted> noted(Vault& vault);

}  // namespace vault
