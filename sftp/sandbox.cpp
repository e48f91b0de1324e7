#include "sftp/sandbox.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <string>

#include "base/process.h"

namespace sftp {

namespace {

using base::Error;
using base::Fault;

constexpr rlim_t kDescriptors = 1100;  // four channels with 256 open files each, and a few
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CALLVAULT_SHADOW_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CALLVAULT_SHADOW_MEMORY 1
#endif
#endif
#ifdef CALLVAULT_SHADOW_MEMORY
constexpr rlim_t kAddressSpace = RLIM_INFINITY;  // sanitizers map terabytes
#else
constexpr rlim_t kAddressSpace = rlim_t{256} * 1024 * 1024;
#endif

Error failure(const char* step) {
  return {Fault::failed, std::string("sandbox: ") + step + ": " + std::strerror(errno)};
}

base::Result<void> limit(decltype(RLIMIT_AS) what, rlim_t most) {
  rlimit now{};
  if (getrlimit(what, &now) != 0) return failure("read a limit");
  const rlim_t value = std::min(most, now.rlim_max);
  const rlimit next{value, value};
  return setrlimit(what, &next) == 0 ? base::Result<void>() : failure("set a limit");
}

base::Result<void> close_all_but(const std::set<int>& keep) {
  unsigned first = 0;
  for (const int fd : keep) {
    if (static_cast<unsigned>(fd) > first && close_range(first, static_cast<unsigned>(fd) - 1, 0) != 0)
      return failure("close descriptors");
    first = static_cast<unsigned>(fd) + 1;
  }
  return close_range(first, ~0U, 0) == 0 ? base::Result<void>() : failure("close descriptors");
}

}  // namespace

base::Result<Sandbox> Sandbox::init() {
  base::Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return failure("open /dev/null");
  return Sandbox(std::move(null));
}

base::Result<void> Sandbox::enter(std::initializer_list<int> keep) const {
  if (auto r = base::harden_process(); !r) return r;
  if (dup2(null_.get(), STDIN_FILENO) < 0 || dup2(null_.get(), STDOUT_FILENO) < 0) return failure("close stdin");
  std::set<int> kept(keep);
  kept.insert({STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO});
  if (auto r = close_all_but(kept); !r) return r;
  if (auto r = limit(RLIMIT_NOFILE, kDescriptors); !r) return r;
  if (auto r = limit(RLIMIT_AS, kAddressSpace); !r) return r;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failure("give up privileges");
  base::name_process("cv-session");
  return {};
}

}  // namespace sftp
