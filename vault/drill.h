// Drill: does the recovery identity open what it must open one day? A random sample of recordings is opened with it and
// read to the end: header, commitment, metadata, the hash of all the audio. No audio leaves.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "vault/vault.h"

namespace vault {

struct Drill {
  std::size_t held = 0;  // recordings that there are
  std::vector<std::string> opened;
  std::vector<base::Error> failed;  // each names its recording
};

// At most `sample` recordings; `step` after each. The audit log says how many opened and failed. Faults: denied (role),
// not_found (no recording is held).
base::Result<Drill> drill_recovery(Vault& vault, const Actor& recovery, std::size_t sample,
                                   const std::function<void()>& step);

}  // namespace vault
