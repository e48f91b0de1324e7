#include "sftp/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "sftp/admission.h"
#include "sftp/packet_socket.h"
#include "sftp/rehearsal.h"
#include "sftp/sandbox.h"

namespace sftp {

namespace {

using base::Error;
using base::Fault;

constexpr int kKeepaliveS = 10;
constexpr int kKeepalives = 3;

struct Address {
  std::string text;   // as people write it
  std::string limit;  // what limits count by: an IPv4 address, or the first 64 bits of an IPv6 address
};

Address address_of(const sockaddr_storage& peer) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  in6_addr six{};
  if (peer.ss_family == AF_INET) {
    in_addr four{};
    std::memcpy(&four, &reinterpret_cast<const sockaddr_in&>(peer).sin_addr, sizeof four);
    inet_ntop(AF_INET, &four, text.data(), text.size());
    return {text.data(), text.data()};
  }
  std::memcpy(&six, &reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr, sizeof six);
  if (IN6_IS_ADDR_V4MAPPED(&six)) {
    inet_ntop(AF_INET, six.s6_addr + 12, text.data(), text.size());
    return {text.data(), text.data()};
  }
  inet_ntop(AF_INET6, &six, text.data(), text.size());
  const Address whole{text.data(), {}};
  std::fill(six.s6_addr + 8, six.s6_addr + 16, std::uint8_t{0});
  inet_ntop(AF_INET6, &six, text.data(), text.size());
  return {whole.text, text.data()};
}

// A line that dies without a reset gives up its session soon, so that the client can resume.
void prepare(int connection) {
  const int on = 1;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(connection, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(connection, IPPROTO_TCP, TCP_KEEPIDLE, &kKeepaliveS, sizeof kKeepaliveS);
  setsockopt(connection, IPPROTO_TCP, TCP_KEEPINTVL, &kKeepaliveS, sizeof kKeepaliveS);
  setsockopt(connection, IPPROTO_TCP, TCP_KEEPCNT, &kKeepalives, sizeof kKeepalives);
}

class Listener {
 public:
  Listener(base::Fd listening, base::Fd keeper, const ListenerSettings& settings, SshPolicy policy, Sandbox sandbox)
      : listening_(std::move(listening)),
        keeper_(std::move(keeper)),
        settings_(settings),
        policy_(std::move(policy)),
        sandbox_(std::move(sandbox)),
        admission_(settings) {}

  int run();

 private:
  bool hear_keeper();  // false: it is gone
  void accept_all();
  void start(base::Fd connection, const Address& address);
  [[noreturn]] void become_session(base::Fd connection, base::Fd keeper, base::Fd logged_in, pid_t parent);
  void take_log_ins();
  void reap(int options);
  void end_sessions();

  base::Fd listening_;
  base::Fd keeper_;
  ListenerSettings settings_;
  SshPolicy policy_;
  Sandbox sandbox_;
  Admission admission_;
  std::map<pid_t, base::Fd> sessions_;  // and the pipe that tells of the log-in, until it has
  bool over_ = false;
};

int Listener::run() {
  sigset_t child_ended;
  sigemptyset(&child_ended);
  sigaddset(&child_ended, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child_ended, nullptr);
  const base::Fd ended(signalfd(-1, &child_ended, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!ended) return 1;
  std::array<pollfd, 3> watched{{{listening_.get(), POLLIN, 0}, {keeper_.get(), POLLIN, 0}, {ended.get(), POLLIN, 0}}};
  while (!over_) {
    if (poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) break;
    if (watched[2].revents != 0) {
      signalfd_siginfo info;
      while (read(ended.get(), &info, sizeof info) > 0) {
      }
      reap(WNOHANG);
    }
    if (watched[1].revents != 0 && !hear_keeper()) break;
    if (watched[0].revents != 0) accept_all();
  }
  end_sessions();
  return 0;
}

bool Listener::hear_keeper() {
  const auto limits = receive_packet(keeper_.get(), 256, Wait::no);
  if (!limits) return false;
  if (*limits && take_limits((*limits)->bytes, settings_)) admission_.change(settings_);
  return true;
}

void Listener::accept_all() {
  for (int i = 0; i < 64 && !over_; ++i) {  // then look at the keeper again
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    base::Fd connection(
        accept4(listening_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!connection) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) poll(nullptr, 0, 100);
      return;
    }
    const Address address = address_of(peer);
    take_log_ins();
    reap(WNOHANG);
    const auto [admitted, give_way] = admission_.arrive(address.limit, base::monotonic_ms());
    if (!admitted) continue;
    if (give_way) {
      kill(static_cast<pid_t>(*give_way), SIGKILL);  // ours, and not reaped yet
      admission_.closed(*give_way);
    }
    prepare(connection.get());
    start(std::move(connection), address);
  }
}

void Listener::start(base::Fd connection, const Address& address) {
  std::array<int, 2> pair{};
  std::array<int, 2> pipes{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) return;
  base::Fd ours(pair[0]);
  const base::Fd keepers(pair[1]);
  if (pipe2(pipes.data(), O_NONBLOCK | O_CLOEXEC) != 0) return;
  base::Fd tells(pipes[0]);
  base::Fd logged_in(pipes[1]);
  if (auto r = send_packet(keeper_.get(), base::as_bytes(address.text), Wait::yes, &keepers); !r) {
    over_ = r.error().fault != base::Fault::busy;
    if (!over_) base::log_warning("a connection is refused: too many descriptors are on their way");
    return;
  }
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) become_session(std::move(connection), std::move(ours), std::move(logged_in), parent);
  if (child < 0) return base::log_error("cannot fork a session");
  admission_.opened(child, address.limit);
  sessions_.emplace(child, std::move(tells));
}

void Listener::become_session(base::Fd connection, base::Fd keeper, base::Fd logged_in, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  if (auto r = sandbox_.enter({connection.get(), keeper.get(), logged_in.get()}); !r) {
    base::log_error(r.error().what);
    _exit(1);
  }
  _exit(run_session(std::move(connection), std::move(keeper), std::move(logged_in), policy_, settings_.session));
}

void Listener::take_log_ins() {
  for (auto& [session, tells] : sessions_) {
    char byte;
    if (!tells || read(tells.get(), &byte, 1) != 1) continue;
    admission_.logged_in(session);
    tells = base::Fd();
  }
}

void Listener::reap(int options) {
  for (;;) {
    int status = 0;
    const pid_t session = waitpid(-1, &status, options);
    if (session <= 0) return;
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL && WTERMSIG(status) != SIGTERM)
      base::log_error(WTERMSIG(status) == SIGSYS
                          ? "a session called what its fence forbids, and was ended: it may have been taken over"
                          : "a session crashed with signal " + std::to_string(WTERMSIG(status)));
    admission_.closed(session);
    sessions_.erase(session);
  }
}

void Listener::end_sessions() {
  reap(WNOHANG);
  for (const auto& [session, tells] : sessions_) kill(session, SIGTERM);
  reap(0);
}

}  // namespace

base::Bytes encode_limits(const ListenerSettings& s) {
  base::Bytes out;
  for (const std::uint64_t limit :
       {s.connections, s.unauthenticated, s.unauthenticated_per_address, static_cast<std::size_t>(s.new_per_minute),
        static_cast<std::size_t>(s.burst), static_cast<std::size_t>(s.session.grace_ms),
        static_cast<std::size_t>(s.session.idle_ms), static_cast<std::size_t>(s.session.tries),
        static_cast<std::size_t>(s.session.failure_ms)})
    base::put_u64(out, limit);
  return out;
}

bool take_limits(base::ByteView packet, ListenerSettings& settings) {
  base::Reader in(packet);
  std::array<std::uint64_t, 9> all{};
  for (auto& limit : all) limit = in.u64().value_or(0);
  if (!in.done()) return false;
  settings.connections = all[0];
  settings.unauthenticated = all[1];
  settings.unauthenticated_per_address = all[2];
  settings.new_per_minute = static_cast<double>(all[3]);
  settings.burst = static_cast<double>(all[4]);
  settings.session.grace_ms = static_cast<std::int64_t>(all[5]);
  settings.session.idle_ms = static_cast<std::int64_t>(all[6]);
  settings.session.tries = static_cast<int>(all[7]);
  settings.session.failure_ms = static_cast<std::int64_t>(all[8]);
  return true;
}

int run_listener(base::Fd listening, base::Fd keeper, const ListenerSettings& settings) {
  base::name_process("cv-listener");
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (auto r = base::harden_process(); !r) {
    base::log_error(r.error().at("listener").what);
    return 1;
  }
  auto policy = SshPolicy::create(settings.host_key);
  auto sandbox = Sandbox::init();
  if (!policy || !sandbox) {
    base::log_error((policy ? sandbox.error() : policy.error()).at("listener").what);
    return 1;
  }
  if (!rehearse(*policy)) base::log_warning("no key exchange was rehearsed: sessions start slower");
  if (settings.user) {
    if (auto r = base::become(*settings.user); !r) {
      base::log_error(r.error().at("listener").what);
      return 1;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);  // reaches it from a keeper of the same user only; the socket's end always does
  }
  if (auto r = sandbox->enter_listener(); !r) {
    base::log_error(r.error().at("listener").what);
    return 1;
  }
  return Listener(std::move(listening), std::move(keeper), settings, std::move(*policy), std::move(*sandbox)).run();
}

}  // namespace sftp
