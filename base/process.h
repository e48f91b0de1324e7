// Process: what every program of callvault does to itself before it touches a secret.
#pragma once

#include <cstddef>

#include "base/result.h"

namespace base {

// No core dumps, not readable by other processes of the same user (PR_SET_DUMPABLE 0), umask 077, SIGPIPE and SIGIO
// ignored.
Result<void> harden_process();

// Fault::failed with a hint when fewer than `bytes` can be locked in memory (RLIMIT_MEMLOCK); root is not limited.
Result<void> require_lockable_memory(std::size_t bytes);

// The name that ps shows for this process (15 characters).
void name_process(const char* name);

}  // namespace base
