// Step 7 of 7: erase. The order of docs/design.md: mark, destroy the erase secrets, delete, certify; what a crash
// leaves is finished by the same function that does it in the first place.
#pragma once

#include <string>
#include <vector>

#include "vault/vault.h"

namespace vault {

struct DeliveredItem {
  std::string access;
  std::uint32_t position = 0;
  std::string recording;
  base::Seconds linger_until = 0;  // 0: its keys go at once
};

// Step 1, for downloads: items offered -> delivered, recordings sealed -> erasing, an audit entry each, in one
// transaction. Those that are not offered any more are passed over; a restricted recording stays sealed until its
// release. After an error nothing is marked, and the customer
// can fetch again.
base::Result<void> mark_delivered(Vault& vault, const std::vector<DeliveredItem>& items);

// The customer has removed a file that lingers: it is due now.
base::Result<void> end_linger(Vault& vault, const std::string& access, const std::string& recording);

struct Erased {
  std::size_t recordings = 0;
  std::size_t accesses = 0;
  std::size_t old_slots = 0;
  bool log_emptied = true;  // false: call Catalog::empty_log() again later
};

// Steps 2 to 4 for every recording in state erasing that does not linger, the erase secrets of accesses that have
// ended, and those of slots that recordings were moved out of: one commit of the key-slot store for all of them. Can be
// repeated; two processes may do it at once. Rows that disagree with their signed record or statement are left out, and
// so is what is restricted.
base::Result<Erased> finish_erasures(Vault& vault);

// The recording that `old` names lay in that slot, lies in a later one now, and nothing else uses it. Fault::damaged.
base::Result<void> verified_old_slot(Vault& vault, const OldSlot& old);

}  // namespace vault
