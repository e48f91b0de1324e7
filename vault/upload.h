// Step 1 of 7, over the network: one file that a recorder uploads. It is sealed piece by piece as it comes, so that no
// byte of it lies on a disk in the clear; only its end, and its name, make it a recording.
// Belongs to the daemon, of which there is one: what it has not held when it ends is gone.
#pragma once

#include <string>

#include "vault/recorder.h"
#include "vault/seal.h"

namespace vault {

class Upload {
 public:
  // Faults: busy (the disk is too full), failed.
  static base::Result<Upload> begin(Vault& vault);
  Upload(Upload&&) noexcept = default;
  Upload& operator=(Upload&&) noexcept = default;
  ~Upload();

  // The next bytes. After an error (also: longer than a recording may be, or the disk is too full) every later call
  // fails.
  base::Result<void> add(Vault& vault, base::ByteView plain);
  std::uint64_t size() const { return sealer_.size(); }
  // Nothing more comes: once it returns, the recording is held, durably, or what it would be is held already, and
  // whole: the same path and content from the same recorder. `path`: as the recorder named it, below its folder; data
  // only. What cannot be a recording is quarantined, as in vault/ingest.h. After an error nothing is held; drop() then.
  // Fault::denied: the recorder may not any more.
  base::Result<void> hold(Vault& vault, const RecorderRow& recorder, const std::string& path);
  void drop(Vault& vault);  // leaves nothing behind

 private:
  Upload(std::string id, base::Fd object, Sealer sealer, std::uint64_t most)
      : id_(std::move(id)), object_(std::move(object)), sealer_(std::move(sealer)), most_(most) {}

  std::string id_;
  base::Fd object_;
  Sealer sealer_;
  std::uint64_t most_;
  base::Bytes head_{};  // the first bytes, for what looks at the kind of file; wiped
  bool broken_ = false;
};

// After a crash, before the first upload of this daemon: held ones move to their place, the others go.
base::Result<void> finish_uploads(Vault& vault);

}  // namespace vault
