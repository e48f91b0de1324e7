// Intake: what every way in shares, the files of `ingest` and the uploads of recorders: what a name says becomes
// columns and metadata, and the one transaction that makes a recording held.
#pragma once

#include <string>
#include <string_view>

#include "vault/pbx_name.h"
#include "vault/seal.h"
#include "vault/vault.h"

namespace vault {

// 1 to 32 of a-z, 0-9 and -.
bool valid_category(std::string_view text);

// Category, call time and all texts but the name. `category`: the one that was asked for; empty: what the facts say,
// else "inbound". Without a call time it is `now`, and marked.
void describe(const CallFacts& facts, const std::string& category, base::Seconds now, Columns& columns,
              Metadata& metadata);

// Inside vault.audit().act(): the row goes from writing to sealed, with everything that belongs to it and its entry in
// the log. Fault::busy: the roster was changed since the vault was opened. `quarantine`: reason, or empty.
// `source_key`: vault.source_key(). `recorder`: who uploaded it, or empty. Returns why accesses that take it in did not
// get it (vault/collect.h); it is held all the same.
base::Result<std::vector<std::string>> hold(Vault& vault, const Sealed& sealed, const std::string& quarantine,
                                            const std::string& source_key, const std::string& recorder = "");

}  // namespace vault
