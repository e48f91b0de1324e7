// Sandbox: what the processes that face the network give up before its first byte reaches them. init() is for what
// still needs the file system; then enter_listener() in the listener, and enter() in each session that it forks.
#pragma once

// Builds with sanitizers, whose runtime opens files and maps code, have no seccomp filter. g++ tells of them in one
// way, clang in another.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CALLVAULT_NO_SECCOMP
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CALLVAULT_NO_SECCOMP
#endif
#endif

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
