// Rehearsal: one key exchange of the listener with itself, before its first fork. What the libraries look up and set up
// on the way once per process (algorithms, symbols, tables) then lies in memory that all sessions share.
#pragma once

#include "sftp/ssh_policy.h"

namespace sftp {

// Whether it went to its end; when not, sessions only start a little slower.
bool rehearse(const SshPolicy& policy);

}  // namespace sftp
