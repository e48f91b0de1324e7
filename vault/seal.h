// Step 2 of 7: seal. One recording: a file key of its own, the object under it, a header for each recipient, the
// metadata as a second payload, and the record that the service key signs over all of it.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "keys/roster.h"
#include "vault/catalog.h"
#include "vault/metadata.h"
#include "vault/record.h"

namespace vault {

struct SealJob {
  Columns columns;    // size is not known yet: it comes from the source
  Metadata metadata;  // name, parties, ...; what repeats the columns is filled in here
  int source = -1;    // descriptor to read from, from offset 0 to its end
  int object = -1;    // descriptor to append the object to
  std::vector<keys::RoleHolder> recipients;
};

struct Sealed {
  Columns columns;  // with the size
  Metadata metadata;
  std::vector<Catalog::Header> headers;
  std::string metadata_payload;  // base64
  std::string record;            // signed
  base::SecretBytes file_key;    // of class customer only, for what takes it in (vault/collect.h); else nothing
};

// The object is written but not synced. Nothing that opens it stays in memory but the key in the result: let it go
// soon.
base::Result<Sealed> seal(const SealJob& job, const base::SecretBytes& erase_secret, const keys::NoteSigner& service,
                          base::Files& files);

// Who gets a header: IT Managers and recovery for all, Tech Managers for class customer only.
std::vector<keys::RoleHolder> recipients_for(const keys::Roster& roster, std::string_view klass);

}  // namespace vault
