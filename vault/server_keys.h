// Server keys: the service key, which signs records and checkpoints, and the SSH host key. Both lie on the server.
#pragma once

#include <string>

#include "vault/vault.h"

namespace vault {

// A new service key. trust.toml names it first and keeps the old ones: what they signed still verifies. Goes on when it
// was cut. A running daemon follows within a second.
base::Result<void> rotate_service_key(Vault& vault, const Actor& actor);

// A next host key beside the one in use, for letters and DNS to announce: its fingerprint. The same one when called
// again. SSH clients learn keys by heart, and libssh offers one Ed25519 key only.
base::Result<std::string> make_next_host_key(Vault& vault, const Actor& actor);
// The next host key becomes the one in use, with the daemon's next start. Fault::not_found: there is none.
base::Result<std::string> switch_host_key(Vault& vault, const Actor& actor);

// "SHA256:..." of the next one; empty: there is none.
base::Result<std::string> next_host_key_fingerprint(const Vault& vault);

}  // namespace vault
