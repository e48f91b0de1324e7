// Sandbox: what the processes that face the network give up before its first byte reaches them. init() is for what
// still needs the file system; then enter_listener() in the listener, and enter() in each session that it forks.
#pragma once

#include <initializer_list>

#include "base/files.h"
#include "base/result.h"

namespace sftp {

class Sandbox {
 public:
  static base::Result<Sandbox> init();
  // Hardened, no new privileges, little memory, few descriptors; everything but stderr and `keep` is closed; Landlock
  // without any rule; seccomp: no open, socket, exec, fork, ptrace, truncate or signal (not in sanitizer builds).
  // What fails here must end the process.
  base::Result<void> enter(std::initializer_list<int> keep) const;
  // The same Landlock, and what a session may call, beyond which the listener accepts connections, forks, waits for its
  // children, ends them, and puts them into their fence. No open, connect, bind, exec or ptrace.
  base::Result<void> enter_listener() const;

 private:
  explicit Sandbox(base::Fd null) : null_(std::move(null)) {}
  base::Fd null_;  // /dev/null, for stdin and stdout
};

}  // namespace sftp
