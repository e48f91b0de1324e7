// Step 1 of 7: ingest. Takes recordings in from files and folders; needs no passphrase, and keeps nothing that opens
// them.
//
// The source is removed only after the durable commit, and only when asked to. What cannot be a recording is sealed all
// the same, but quarantined with a reason: never dropped, never delivered.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "vault/vault.h"

namespace vault {

struct IngestRequest {
  std::string klass;     // "own" or "customer"
  std::string customer;  // for class customer
  std::string category;  // empty: what the name says, else "inbound"
  base::Path meta;       // JSON side file for exactly one source; empty: none
  bool remove_source = false;
};

struct IngestOutcome {
  std::string id;    // empty when nothing was taken in
  std::string name;  // of the source; personal data, for the caller's eyes
  std::uint64_t size = 0;
  std::string sha256;      // of the plaintext
  bool duplicate = false;  // the same path and content is in the vault already
  bool quarantined = false;
  std::vector<std::string> left_out;  // why accesses that take it in did not get it; it is sealed and held all the same
  std::optional<base::Error> error;   // also the reason of a quarantine
};

bool valid_category(std::string_view text);  // 1 to 32 of a-z, 0-9 and -

// One regular file. `below` is the folder that was given (for conventions that live in the path), or empty.
IngestOutcome ingest_file(Vault& vault, const base::Path& source, const base::Path& below,
                          const IngestRequest& request);

// Files as they are, folders walked in order without following links. Hidden files and the temporary names of uploaders
// (.part .filepart .tmp) are left alone. Calls `done` after each file.
base::Result<void> ingest(Vault& vault, const std::vector<base::Path>& sources, const IngestRequest& request,
                          const std::function<void(const IngestOutcome&)>& done);

// Removes what an ingest left that was ended in the middle. At start, under the ingest lock.
base::Result<int> drop_unfinished(Vault& vault);

}  // namespace vault
