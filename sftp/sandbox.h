// Sandbox: what a session process gives up before the first byte of the network reaches it. Two calls: init() before
// the fork, for what still needs the file system, and enter() in the child.
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

 private:
  explicit Sandbox(base::Fd null) : null_(std::move(null)) {}
  base::Fd null_;  // /dev/null, for stdin and stdout
};

}  // namespace sftp
