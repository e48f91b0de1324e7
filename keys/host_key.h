// SSH host key: an Ed25519 key file in OpenSSH's format, and its fingerprint as clients show it.
#pragma once

#include <string>

#include "base/files.h"

namespace keys {

base::Result<void> make_host_key(const base::Path& file,
                                 base::Files& files = base::system_files());  // fails when it exists
base::Result<std::string> host_key_fingerprint(const base::Path& file);       // "SHA256:..." without padding
base::Result<std::string> host_key_public_line(const base::Path& file);       // "ssh-ed25519 AAAA..."

}  // namespace keys
