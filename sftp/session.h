// Session: one connection, in a process of its own. libssh carries it; log-in, requests and streaming are ours. It
// opens no file and no socket: what it serves comes from the keeper.
#pragma once

#include <cstdint>

#include "base/files.h"
#include "sftp/ssh_policy.h"

namespace sftp {

struct SessionSettings {
  std::int64_t grace_ms = 30'000;   // from the connection to the log-in
  std::int64_t idle_ms = 600'000;   // without a request or progress
  int tries = 6;                    // passwords; none and publickey do not count
  std::int64_t failure_ms = 1'000;  // how long each failed try takes at least
  std::size_t channels = 4;         // at once
};

// Serves the connection until it ends. `logged_in` gets one byte at the log-in. Returns the process's exit code.
int run_session(base::Fd connection, base::Fd keeper, base::Fd logged_in, const SshPolicy& policy,
                const SessionSettings& settings);

}  // namespace sftp
