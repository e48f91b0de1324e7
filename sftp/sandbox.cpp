#include "sftp/sandbox.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <set>
#include <string>

#include "base/host.h"
#include "base/log.h"
#include "base/process.h"

namespace sftp {

namespace {

using base::Error;
using base::Fault;

constexpr rlim_t kDescriptors = 1100;  // four channels with 256 open files each, and a few
#ifdef CALLVAULT_SANITIZED
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

// --- Landlock: every right that this kernel knows is handled, and no rule gives any back ---------------------------

// As in the kernel's newest header: the one that we are built with may be older than the kernel.
struct LandlockRights {
  std::uint64_t files, network, scoped;
};

LandlockRights rights_of(int abi) {
  const auto low = [](int bits) { return (std::uint64_t{1} << bits) - 1; };
  LandlockRights all{low(13), 0, 0};
  if (abi >= 2) all.files = low(14);  // link and rename across folders
  if (abi >= 3) all.files = low(15);  // truncate: before, seccomp alone refuses it
  if (abi >= 4) all.network = low(2);
  if (abi >= 5) all.files = low(16);  // ioctl on devices
  if (abi >= 6) all.scoped = low(2);  // abstract sockets and signals of others
  return all;
}

base::Result<void> enter_landlock() {
  const int abi = base::landlock_abi();
  if (abi < 1) return {};  // init() has said so
  const LandlockRights all = rights_of(abi);
  const std::size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;  // what this kernel's struct has
  const base::Fd rules(static_cast<int>(syscall(SYS_landlock_create_ruleset, &all, size, 0)));
  if (!rules || syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) return failure("enter Landlock");
  return {};
}

// --- seccomp: what a session calls, and nothing else -----------------------------------------------------------------

#ifndef CALLVAULT_SANITIZED  // a sanitizer's runtime opens files and maps code of its own
// libc and libraries try these and do without. Any other call ends the process: that is no client's fault.
// tgkill is abort()'s; refused, abort() ends the process by itself.
constexpr std::array kRefused = {SCMP_SYS(open),     SCMP_SYS(openat),    SCMP_SYS(stat),     SCMP_SYS(lstat),
                                 SCMP_SYS(access),   SCMP_SYS(faccessat), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
                                 SCMP_SYS(truncate), SCMP_SYS(ftruncate), SCMP_SYS(prctl),    SCMP_SYS(tgkill)};
constexpr std::array kAllowed = {SCMP_SYS(read),
                                 SCMP_SYS(readv),
                                 SCMP_SYS(pread64),
                                 SCMP_SYS(write),
                                 SCMP_SYS(writev),
                                 SCMP_SYS(recvfrom),
                                 SCMP_SYS(recvmsg),
                                 SCMP_SYS(sendto),
                                 SCMP_SYS(sendmsg),
                                 SCMP_SYS(poll),
                                 SCMP_SYS(ppoll),
                                 SCMP_SYS(shutdown),
                                 SCMP_SYS(close),
                                 SCMP_SYS(dup),
                                 SCMP_SYS(fstat),
                                 SCMP_SYS(lseek),
                                 SCMP_SYS(munmap),
                                 SCMP_SYS(mremap),
                                 SCMP_SYS(brk),
                                 SCMP_SYS(madvise),
                                 SCMP_SYS(mlock),
                                 SCMP_SYS(munlock),
                                 SCMP_SYS(futex),
                                 SCMP_SYS(getrandom),
                                 SCMP_SYS(clock_gettime),
                                 SCMP_SYS(gettimeofday),
                                 SCMP_SYS(time),
                                 SCMP_SYS(nanosleep),
                                 SCMP_SYS(clock_nanosleep),
                                 SCMP_SYS(getpid),
                                 SCMP_SYS(gettid),
                                 SCMP_SYS(rt_sigaction),
                                 SCMP_SYS(rt_sigprocmask),
                                 SCMP_SYS(rt_sigreturn),
                                 SCMP_SYS(sched_yield),
                                 SCMP_SYS(restart_syscall),
                                 SCMP_SYS(getsockopt),
                                 SCMP_SYS(exit),
                                 SCMP_SYS(exit_group)};

// What the listener calls beyond that, and what its children call until they are in their own fence: filters add up.
constexpr std::array kAllowedToListener = {SCMP_SYS(accept4),
                                           SCMP_SYS(pipe2),
                                           SCMP_SYS(wait4),
                                           SCMP_SYS(signalfd4),
                                           SCMP_SYS(dup2),
                                           SCMP_SYS(dup3),
                                           SCMP_SYS(umask),
                                           SCMP_SYS(getppid),
                                           SCMP_SYS(getrlimit),
                                           SCMP_SYS(setrlimit),
                                           SCMP_SYS(seccomp),
                                           SCMP_SYS(landlock_create_ruleset),
                                           SCMP_SYS(close_range),
                                           SCMP_SYS(set_robust_list),
                                           SCMP_SYS(landlock_restrict_self)};

enum class Process { listener, session };

base::Result<void> enter_seccomp(Process process) {
  if (!base::has_seccomp()) return {};  // init() has said so
  const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_KILL_PROCESS), &seccomp_release);
  if (!filter) return failure("make a filter");
  bool ok = true;
  const auto rule = [&](std::uint32_t action, int call, std::initializer_list<scmp_arg_cmp> arguments) {
    ok = ok && seccomp_rule_add_array(filter.get(), action, call, static_cast<unsigned>(arguments.size()),
                                      arguments.begin()) == 0;
  };
  const auto allow = [&](int call, std::initializer_list<scmp_arg_cmp> arguments) {
    rule(SCMP_ACT_ALLOW, call, arguments);
  };
  for (const int call : kAllowed) allow(call, {});
  for (const int call : kRefused) {
    if (process == Process::listener && call == SCMP_SYS(prctl)) continue;  // below
    rule(SCMP_ACT_ERRNO(EPERM), call, {});
  }
  constexpr scmp_datum_t kExec = PROT_EXEC;
  allow(SCMP_SYS(mmap), {{2, SCMP_CMP_MASKED_EQ, kExec, 0}});
  allow(SCMP_SYS(mprotect), {{2, SCMP_CMP_MASKED_EQ, kExec, 0}});
  allow(SCMP_SYS(newfstatat), {{3, SCMP_CMP_EQ, AT_EMPTY_PATH, 0}});  // how libc spells fstat
  rule(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(newfstatat), {{3, SCMP_CMP_NE, AT_EMPTY_PATH, 0}});
  rule(SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), {{1, SCMP_CMP_EQ, TCGETS, 0}});  // the log asks for a terminal
  for (const scmp_datum_t what : {scmp_datum_t{SIOCOUTQ}, scmp_datum_t{FIONREAD}, scmp_datum_t{FIONBIO}})
    allow(SCMP_SYS(ioctl), {{1, SCMP_CMP_EQ, what, 0}});
  for (const int what : {F_GETFL, F_SETFL, F_GETFD, F_SETFD})
    allow(SCMP_SYS(fcntl), {{1, SCMP_CMP_EQ, static_cast<scmp_datum_t>(what), 0}});
  for (const int what : {TCP_QUICKACK, TCP_NODELAY})
    allow(SCMP_SYS(setsockopt),
          {{1, SCMP_CMP_EQ, IPPROTO_TCP, 0}, {2, SCMP_CMP_EQ, static_cast<scmp_datum_t>(what), 0}});
  if (process == Process::listener) {
    constexpr scmp_datum_t kFork = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;  // as libc spells it
    for (const int call : kAllowedToListener) allow(call, {});
    allow(SCMP_SYS(clone), {{0, SCMP_CMP_EQ, kFork, 0}});
    allow(SCMP_SYS(socketpair), {{0, SCMP_CMP_EQ, AF_UNIX, 0}});
    allow(SCMP_SYS(prlimit64), {{0, SCMP_CMP_EQ, 0, 0}});
    for (const int signal : {SIGTERM, SIGKILL})
      allow(SCMP_SYS(kill), {{1, SCMP_CMP_EQ, static_cast<scmp_datum_t>(signal), 0}});
    for (const int what : {TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT})
      allow(SCMP_SYS(setsockopt),
            {{1, SCMP_CMP_EQ, IPPROTO_TCP, 0}, {2, SCMP_CMP_EQ, static_cast<scmp_datum_t>(what), 0}});
    allow(SCMP_SYS(setsockopt), {{1, SCMP_CMP_EQ, SOL_SOCKET, 0}, {2, SCMP_CMP_EQ, SO_KEEPALIVE, 0}});
    // Not to end it: what this filter ends, the session's own could not merely refuse.
    allow(SCMP_SYS(prctl), {{0, SCMP_CMP_NE, PR_SET_DUMPABLE, 0}});
    allow(SCMP_SYS(prctl), {{0, SCMP_CMP_EQ, PR_SET_DUMPABLE, 0}, {1, SCMP_CMP_EQ, 0, 0}});
    rule(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), {{0, SCMP_CMP_EQ, PR_SET_DUMPABLE, 0}, {1, SCMP_CMP_NE, 0, 0}});
  }
  if (!ok) return failure("fill the filter");
  return seccomp_load(filter.get()) == 0 ? base::Result<void>() : failure("enter seccomp");
}
#else
enum class Process { listener, session };
base::Result<void> enter_seccomp(Process) { return {}; }
#endif

}  // namespace

base::Result<Sandbox> Sandbox::init() {
  base::Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return failure("open /dev/null");
  tzset();  // reads the time zone, for the log
  if (base::landlock_abi() < 1) base::log_warning("this kernel has no Landlock: sessions run without it");
  if (!base::has_seccomp()) base::log_warning("this kernel has no seccomp: sessions run without it");
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
  if (auto r = enter_landlock(); !r) return r;
  return enter_seccomp(Process::session);
}

base::Result<void> Sandbox::enter_listener() const {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failure("give up privileges");
  if (auto r = enter_landlock(); !r) return r;
  return enter_seccomp(Process::listener);
}

}  // namespace sftp
