// What a session process that was taken over tries, inside its fence: each attempt is refused, or ends the process.
#include "sftp/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/host.h"
#include "base/log.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/temp_folder.h"

namespace sftp {
namespace {

constexpr int kDone = 100;  // the attempt worked

// How a child ends that makes the attempt inside the fence: kDone, its errno, or -1 times the signal that ended it.
template <class Attempt>
int inside(Attempt attempt, bool listener = false) {
  const auto sandbox = testkit::must(Sandbox::init());
  const pid_t child = fork();
  if (child == 0) {
    if (!(listener ? sandbox.enter_listener() : sandbox.enter({}))) _exit(101);
    _exit(attempt() >= 0 ? kDone : errno);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) return 102;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

template <class Attempt>
int inside_listener(Attempt attempt) {
  return inside(attempt, true);
}

void need_seccomp() {
#ifdef CALLVAULT_SANITIZED
  GTEST_SKIP() << "SKIPPED: sanitizer builds have no seccomp filter";
#endif
}

#define NEED_SECCOMP() \
  need_seccomp();      \
  if (IsSkipped()) return

TEST(Sandbox, WhatASessionNeedsWorks) {
  EXPECT_EQ(inside([] { return close(dup(STDERR_FILENO)); }), kDone);
  EXPECT_EQ(
      inside([] { return mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0; }),
      kDone);
}

TEST(Sandbox, TheLogGoesOn) {
  EXPECT_EQ(inside([] {
              base::log_warning("from inside the fence");
              return 0;
            }),
            kDone);
}

TEST(Sandbox, NoFileOpensAndNoneIsTruncated) {
  testkit::TempFolder folder;
  const std::string path = (folder / "object").string();
  testkit::must(base::system_files().create_whole(folder / "object", base::as_bytes("sound")));
  for (const int flags : {O_RDONLY, O_WRONLY, O_RDONLY | O_TRUNC, O_RDWR | O_CREAT}) {
    const int end = inside([&] { return open(path.c_str(), flags, 0600); });
    EXPECT_TRUE(end == EPERM || end == EACCES) << end;
  }
  NEED_SECCOMP();
  EXPECT_EQ(inside([&] { return truncate(path.c_str(), 0); }), EPERM);
  EXPECT_EQ(testkit::must(base::read_file(folder / "object", 10)), base::to_bytes("sound"));
}

TEST(Sandbox, WhatOnlyAnAttackerCallsEndsTheProcess) {
  NEED_SECCOMP();
  const pid_t us = getpid();
  EXPECT_EQ(inside([] { return socket(AF_INET, SOCK_STREAM, 0); }), -SIGSYS);
  EXPECT_EQ(inside([] { return execl("/bin/true", "true", nullptr); }), -SIGSYS);
  EXPECT_EQ(inside([] { return fork(); }), -SIGSYS);
  EXPECT_EQ(inside([&] { return ptrace(PTRACE_ATTACH, us, nullptr, nullptr) == 0 ? 0 : -1; }), -SIGSYS);
  EXPECT_EQ(inside([&] { return kill(us, 0); }), -SIGSYS);
  EXPECT_EQ(inside([] { return unlink("/nothing"); }), -SIGSYS);
  EXPECT_EQ(inside([&] {
              char byte = 0;
              const iovec here{&byte, 1};
              return static_cast<int>(process_vm_readv(us, &here, 1, &here, 1, 0));
            }),
            -SIGSYS);
}

TEST(Sandbox, NoCodeIsMappedAndTheProcessStaysUnreadable) {
  NEED_SECCOMP();
  const auto mapped = [](int protection) {
    return mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
  };
  EXPECT_EQ(inside([&] { return mapped(PROT_READ | PROT_EXEC); }), -SIGSYS);
  EXPECT_EQ(inside([] { return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }), EPERM);
}

// A kernel without either, as far as a process can tell.
bool hide_fences() {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  const scmp_arg_cmp asks{0, SCMP_CMP_EQ, PR_GET_SECCOMP, 0};
  return filter != nullptr &&
         seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset), 0) == 0 &&
         seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1, &asks) == 0 &&
         seccomp_load(filter) == 0;
}

TEST(Sandbox, AKernelWithoutFencesIsToldAtStartAndServes) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    if (!hide_fences() || base::landlock_abi() != 0 || base::has_seccomp()) _exit(1);
    const auto sandbox = Sandbox::init();
    _exit(sandbox && sandbox->enter_listener() && sandbox->enter({}) ? kDone : 2);
  }
  close(ends[1]);
  std::string said;
  char part[4096];
  for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;) said.append(part, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), kDone);
  EXPECT_NE(said.find("warning: this kernel has no Landlock"), std::string::npos) << said;
  EXPECT_NE(said.find("warning: this kernel has no seccomp"), std::string::npos) << said;
}

// What it does for each connection, up to a session in its own fence, and to its end.
TEST(Sandbox, WhatTheListenerNeedsWorks) {
  const auto sandbox = testkit::must(Sandbox::init());
  EXPECT_EQ(inside_listener([&] {
              int pair[2];
              int pipes[2];
              if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0 || pipe2(pipes, O_CLOEXEC) != 0)
                return -1;
              const pid_t session = fork();
              if (session == 0) _exit(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && sandbox.enter({pair[1]}) ? 7 : 8);
              int status = 0;
              return waitpid(session, &status, 0) == session && WEXITSTATUS(status) == 7 ? 0 : -1;
            }),
            kDone);
  EXPECT_EQ(inside_listener([] {
              const pid_t session = fork();
              if (session == 0) pause();
              int status = 0;
              kill(session, SIGKILL);
              return waitpid(session, &status, 0) == session && WIFSIGNALED(status) ? 0 : -1;
            }),
            kDone);
}

// A session inherits the listener's fence: its own must not be any wider.
TEST(Sandbox, WhatOnlyAnAttackerCallsEndsTheListener) {
  NEED_SECCOMP();
  const pid_t us = getpid();
  EXPECT_EQ(inside_listener([] { return socket(AF_INET, SOCK_STREAM, 0); }), -SIGSYS);
  EXPECT_EQ(inside_listener([] { return socket(AF_UNIX, SOCK_STREAM, 0); }), -SIGSYS);
  EXPECT_EQ(inside_listener([] {
              int pair[2];
              return socketpair(AF_INET, SOCK_STREAM, 0, pair);
            }),
            -SIGSYS);
  const sockaddr any{};
  EXPECT_EQ(inside_listener([&] { return connect(0, &any, sizeof any); }), -SIGSYS);
  EXPECT_EQ(inside_listener([&] { return bind(0, &any, sizeof any); }), -SIGSYS);
  EXPECT_EQ(inside_listener([] { return execl("/bin/true", "true", nullptr); }), -SIGSYS);
  EXPECT_EQ(inside_listener([&] { return ptrace(PTRACE_ATTACH, us, nullptr, nullptr) == 0 ? 0 : -1; }), -SIGSYS);
  EXPECT_EQ(inside_listener([&] { return kill(us, 0); }), -SIGSYS);
  EXPECT_EQ(inside_listener([] { return unlink("/nothing"); }), -SIGSYS);
  EXPECT_EQ(inside_listener([] { return setuid(0); }), -SIGSYS);
  EXPECT_EQ(inside_listener([] { return static_cast<int>(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)); }),
            -SIGSYS);
  EXPECT_EQ(inside_listener([] { return static_cast<int>(syscall(SYS_memfd_create, "x", 0)); }), -SIGSYS);
  EXPECT_EQ(inside_listener([] { return setsockopt(0, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3); }), -SIGSYS);
  EXPECT_EQ(inside_listener([] {
              return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
                                                                                                                  : 0;
            }),
            -SIGSYS);
  EXPECT_EQ(inside_listener([] { return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }), EPERM);
}

TEST(Sandbox, TheListenerOpensNoFileAndEndsNoProcessButItsOwn) {
  testkit::TempFolder folder;
  const std::string path = (folder / "object").string();
  testkit::must(base::system_files().create_whole(folder / "object", base::as_bytes("sound")));
  for (const int flags : {O_RDONLY, O_WRONLY, O_RDWR | O_CREAT}) {
    const int end = inside_listener([&] { return open(path.c_str(), flags, 0600); });
    EXPECT_TRUE(end == EPERM || end == EACCES) << end;
  }
  if (syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U) < 6)
    GTEST_SKIP() << "SKIPPED: this kernel's Landlock does not keep signals in (ABI 6, Linux 6.12)";
  const pid_t stranger = fork();
  if (stranger == 0) {
    pause();
    _exit(0);
  }
  EXPECT_EQ(inside_listener([&] { return kill(stranger, SIGKILL); }), EPERM);
  kill(stranger, SIGKILL);
  waitpid(stranger, nullptr, 0);
}

}  // namespace
}  // namespace sftp
