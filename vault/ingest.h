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
  bool watched = false;  // the caller saw that the files stayed as they are: their own times do not count
};

// One source. `below` is the folder that was given (for conventions that live in the path), or empty.
struct SourceFile {
  base::Path path, below;
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
  // The error is the vault's (a full disk, a busy catalogue), not the file's: the same file can be taken in later.
  bool vault_failed = false;
};

// What shares a transaction: enough to make its syncs cheap, few enough that others come to their turn soon, and that a
// crash repeats little. Each file holds two descriptors. The last file may be of any size.
constexpr std::size_t kBatchFiles = 256;
constexpr std::uint64_t kBatchBytes = std::uint64_t{64} << 20;

// Called once for each file, in their order.
using IngestDone = std::function<void(const IngestOutcome&)>;

// One regular file. When the roster was changed since `vault` was opened, here and in all below, `vault` is opened
// anew: keep nothing that points into it.
IngestOutcome ingest_file(Vault& vault, const base::Path& source, const base::Path& below,
                          const IngestRequest& request);

// Several files share one transaction and one sync, and the ingest lock is held for these few only: several programs
// can ingest at the same time, in turn. A crash leaves each file as a source, in the vault, or both: then it is a
// duplicate next time.
base::Result<void> ingest_files(Vault& vault, const std::vector<SourceFile>& files, const IngestRequest& request,
                                const IngestDone& done);

// Files as they are, folders walked in order without following links. What waits for its rename (vault/file_name.h) is
// left alone.
base::Result<void> ingest(Vault& vault, const std::vector<base::Path>& sources, const IngestRequest& request,
                          const IngestDone& done);

// What is wrong with the request itself: its category, its customer.
base::Result<void> check_request(Vault& vault, const IngestRequest& request);

// Removes what an ingest left that was ended in the middle. At start, under the ingest lock.
base::Result<int> drop_unfinished(Vault& vault);

}  // namespace vault
