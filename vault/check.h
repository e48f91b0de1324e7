// Check: is the vault consistent? The judge in every test of faults.
#pragma once

#include <string>
#include <vector>

#include "vault/vault.h"

namespace vault {

struct Finding {
  enum class Weight { warning, damage };
  Weight weight;
  std::string what;  // ids and fixed words only
};

struct CheckRequest {
  bool repair = false;             // finishes what was begun, removes what nothing refers to
  bool read_objects = false;       // hashes every object
  std::string outside_checkpoint;  // text of a signed checkpoint kept elsewhere
};

// Looks at everything that needs no identity. An error means that the check itself could not go on.
base::Result<std::vector<Finding>> check(Vault& vault, const CheckRequest& request);

}  // namespace vault
