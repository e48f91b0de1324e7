// Key file: the public half of an identity, as "key new --json" prints it and "role add --key" reads it. Both ways go
// through people's hands: what is read is judged.
#pragma once

#include <string>

#include "keys/identity.h"

namespace cli {

struct PublicKeys {
  keys::Recipient recipient;
  base::Bytes signing_key;  // Ed25519, 32 bytes; it gets its name with the role
};

// {"recipient": "age1...", "signing_key": base64}. Fault::denied: the identity has no signing seed.
base::Result<std::string> print_keys(const keys::Identity& identity);
// Fault::usage: not such a file, or a key that nobody can have.
base::Result<PublicKeys> read_key_file(const std::string& path);

}  // namespace cli
