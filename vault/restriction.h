// Restriction: a hold on a recording (GDPR Art. 18). While it is open the recording is kept and nothing else: it is not
// delivered, and nothing erases it. Opening and release are signed statements of somebody who may.
//
// A restricted recording is always sealed. What a customer has downloaded all the same is marked as delivered, and the
// release begins its erasure.
#pragma once

#include "vault/vault.h"

namespace vault {

// `reason` goes into the audit log's sealed details; it may be empty. A recording that lingers is held again. Faults:
// denied (role), usage (the reason is too long), not_found (no such recording, it is restricted already, or its keys
// are going).
base::Result<void> restrict_recording(Vault& vault, const Actor& actor, const std::string& id,
                                      const std::string& reason);

enum class Released {
  to_be_delivered,  // it was never downloaded
  to_be_erased      // it was: it is erased now, or when its time to linger is over
};
// Faults as above; not_found also when it is not restricted.
base::Result<Released> release_recording(Vault& vault, const Actor& actor, const std::string& id,
                                         const std::string& reason);

// Asked before anything is delivered, sent or erased: Fault::restricted when the recording is. An open restriction
// holds whoever wrote it, and one that says it is closed holds until somebody who may has signed its release.
base::Result<void> unrestricted(Vault& vault, const std::string& recording);

// Opening, and release if there is one, are statements of somebody who may, and say what the row says. Fault::damaged,
// Fault::denied.
base::Result<void> verified_restriction(const Vault& vault, const RestrictionRow& row);

// For a change of roles: the row with those of its statements that `signers` signed, verified and under another
// signature; the others as they are.
base::Result<RestrictionRow> restriction_signed_anew(const Vault& vault, const RestrictionRow& row,
                                                     const std::vector<keys::NoteVerifier>& signers,
                                                     const keys::NoteSigner& signer);

}  // namespace vault
