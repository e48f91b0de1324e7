// Rewrap: brings the headers of recordings in agreement with who holds which role.
#pragma once

#include <functional>

#include "vault/vault.h"

namespace vault {

struct RewrapProgress {
  std::uint64_t done, all;
};
struct RewrapResult {
  std::uint64_t added, moved, skipped;  // skipped: nothing to do for them
};

base::Result<RewrapResult> rewrap(Vault& vault, const keys::Identity& opener,
                                  const std::function<void(const RewrapProgress&)>& progress);

}  // namespace vault
