#include "base/process.h"

#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

namespace base {

Result<void> harden_process() {
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0)
    return Error{Fault::failed, std::string("cannot turn core dumps off: ") + std::strerror(errno)};
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return Error{Fault::failed, std::string("cannot protect the process's memory: ") + std::strerror(errno)};
  umask(077);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGIO, SIG_IGN);  // a file that we look at with a lease is opened: by default that ends a process
  if (sodium_init() < 0) return Error{Fault::failed, "libsodium does not start: no random source"};
  return {};
}

Result<void> require_lockable_memory(std::size_t bytes) {
  void* probe = sodium_malloc(bytes);
  const bool locked = probe != nullptr && sodium_mlock(probe, bytes) == 0;
  sodium_free(probe);
  if (locked) return {};
  return Error{Fault::failed,
               "cannot lock " + std::to_string(bytes / 1024) +
                   " KiB of memory for secrets; raise the limit (ulimit -l, or LimitMEMLOCK= of the service)"};
}

void name_process(const char* name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

}  // namespace base
