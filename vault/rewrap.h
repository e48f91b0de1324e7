// Rewrap: brings the headers of everything held in agreement with the roster: after a role was added or removed, or a
// key was replaced. Headers only; no audio is read or written.
//
// Who may open a recording now and has no header gets one, under the erase secret that the recording has. A recording
// with a header for anybody else is moved: a new slot, new headers for all, the headers of running accesses under the
// new secret, a new signed record; then the old slot is erased. What a leaver kept of the old rows opens nothing after
// that.
//
// In batches, each one transaction with its audit entry. Can be stopped at any moment and called again; others may
// ingest, deliver, download and erase meanwhile.
#pragma once

#include <functional>

#include "vault/vault.h"

namespace vault {

struct RewrapProgress {
  std::uint64_t done, all;
};
struct RewrapResult {
  std::uint64_t added, moved, skipped;  // skipped: there was nothing to do
};

// `opener` opens the recordings by its own header rows; it need not be in the roster any more. What it cannot open, or
// what disagrees with its signed record, is left as it is, all others are done, and the error at the end names the
// first ones. Faults: damaged (a recording is), denied (a recording has no header for the opener), busy (the roster was
// changed meanwhile).
base::Result<RewrapResult> rewrap(Vault& vault, const keys::Identity& opener,
                                  const std::function<void(const RewrapProgress&)>& progress);

}  // namespace vault
