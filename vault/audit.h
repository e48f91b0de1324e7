// Audit: the log of every act. A Merkle tree (RFC 6962) whose newest checkpoint the service key signs in the same
// transaction as the act: no audit entry, no act.
//
// A leaf holds time, event, role, random ids and a salted commitment to its details, never personal data. Details
// (names, addresses) are sealed to the IT Manager under an erase secret per month, and are erased after 365 days.
// Layout: docs/format.md, "Audit log".
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "keys/identity.h"
#include "keys/note.h"
#include "keys/slots.h"
#include "vault/catalog.h"

namespace vault {

struct Event {
  std::string name;                   // "recording.sealed", "delivery.claimed", ...
  std::string actor;                  // a role holder's name, "service", "customer", "grantee", "recorder" or "nobody"
  std::vector<std::string> subjects;  // random ids, or short fixed words
  std::string details;                // JSON with what may not stand in the leaf; empty: none
};

class Audit {
 public:
  struct Keys {
    std::string origin;
    const keys::NoteSigner* service;          // outlives the Audit
    std::vector<keys::Recipient> details_to;  // the IT Managers
    std::uint64_t roster;                     // version of the roster that names them
  };
  Audit(Catalog& catalog, keys::Slots& slots, const base::Clock& clock, Keys keys)
      : catalog_(&catalog), slots_(&slots), clock_(&clock), keys_(std::move(keys)) {}

  // One act: a transaction in which `work` changes the catalogue and calls note() for each event; then the checkpoint
  // is signed and all is committed together. An act without an event is our own mistake (the process stops).
  // Fault::busy: roles were changed since the vault was opened. Whoever left must not act or be sealed to any more:
  // open the vault anew and repeat.
  base::Result<void> act(const std::function<base::Result<void>()>& work);
  base::Result<void> note(const Event& event);  // only inside act()

  base::Result<std::string> checkpoint();  // the newest, signed

  // Computes the whole tree anew and compares it with the newest checkpoint, and with an older one from outside.
  // Fault::damaged names the first thing that does not fit. Returns the number of entries.
  base::Result<std::uint64_t> verify(const std::vector<keys::NoteVerifier>& service,
                                     const std::string& outside_checkpoint = "");

  struct Entry {
    std::uint64_t seq = 0;
    base::Seconds time = 0;
    std::string name, actor;
    std::vector<std::string> subjects;
    std::string details;  // opened with the identity, else empty
  };
  // Entries from `from` on. With an identity their details are opened, unless the month's secret is gone, or it was not
  // an IT Manager's yet.
  base::Result<std::vector<Entry>> entries(std::uint64_t from, std::size_t limit, const keys::Identity* identity);

 private:
  struct Open;  // the tree while an act runs
  base::Result<std::string> seal_details(const std::string& month, base::ByteView text);

  Catalog* catalog_;
  keys::Slots* slots_;
  const base::Clock* clock_;
  Keys keys_;
  Open* open_ = nullptr;
};

}  // namespace vault
