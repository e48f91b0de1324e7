// callvaultd: the SFTP front end of a vault. This process binds the socket, forks the listener before any secret is
// read, and then becomes the keeper.
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/log.h"
#include "base/process.h"
#include "base/user.h"
#include "keys/host_key.h"
#include "sftp/keeper.h"
#include "sftp/listener.h"

namespace {

using base::Error;
using base::Fault;
using base::Result;

constexpr std::size_t kLockedMemory = std::size_t{512} * 1024;
constexpr std::size_t kLockedMemoryFromRoot = std::size_t{8} * 1024 * 1024;
constexpr const char* kSessionUser = "callvault-session";

struct Bound {
  base::Fd socket;
  std::string address;  // HOST:PORT, or [HOST]:PORT
};

Result<Bound> bind_to(const std::string& listen) {
  const Error bad{Fault::usage, "--listen takes ADDRESS:PORT, e.g. 127.0.0.1:2222 or [::]:22"};
  const auto colon = listen.rfind(':');
  if (colon == std::string::npos) return bad;
  std::string host = listen.substr(0, colon);
  const std::string port = listen.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found) != 0) return bad;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  base::Fd socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
    return Error{Fault::failed, std::string("socket: ") + std::strerror(errno)};
  if (::bind(socket.get(), found->ai_addr, found->ai_addrlen) != 0) {
    const int code = errno;
    return Error{code == EADDRINUSE ? Fault::busy
                 : code == EACCES   ? Fault::denied
                                    : Fault::failed,
                 "cannot listen on " + listen + ": " + std::strerror(code)};
  }
  if (::listen(socket.get(), 128) != 0)
    return Error{Fault::busy, "cannot listen on " + listen + ": " + std::strerror(errno)};
  sockaddr_storage actual{};
  socklen_t size = sizeof actual;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&actual), &size);
  std::array<char, NI_MAXHOST> name{};
  std::array<char, NI_MAXSERV> service{};
  if (::getnameinfo(reinterpret_cast<sockaddr*>(&actual), size, name.data(), name.size(), service.data(),
                    service.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return Error{Fault::failed, "cannot tell the address that was bound"};
  const bool six = actual.ss_family == AF_INET6;
  return Bound{std::move(socket), (six ? "[" : "") + std::string(name.data()) + (six ? "]:" : ":") + service.data()};
}

// Signals as something to poll. Blocked before the fork: the listener unblocks them again.
Result<base::Fd> watch(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  if (sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return Error{Fault::failed, "cannot block signals"};
  base::Fd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return Error{Fault::failed, "cannot watch signals"};
  return fd;
}

// Whom this daemon becomes that was started as root; all empty when it was not.
struct Users {
  std::optional<base::User> owner;    // of the vault's folder: the keeper
  std::optional<base::User> session;  // listener and sessions
};

// Files are the owner's from here on: what root made, the keeper could not open later.
Result<Users> begin_as_root(const base::Path& folder) {
  if (!base::is_root()) return Users{};
  auto owner = base::owner_of(folder);
  if (!owner) return owner.error();
  if (owner->uid == 0) base::log_warning("the vault's folder belongs to root: the keeper runs as root");
  if (auto r = base::allow_locked_memory(kLockedMemoryFromRoot); !r) return r.error();
  if (auto r = base::use_files_as(*owner); !r) return r.error();
  return Users{std::move(*owner), {}};
}

Result<void> choose_session_user(Users& users, const std::string& configured) {
  if (!users.owner) {
    if (!configured.empty()) base::log_warning("not started as root: sessions run as this user, not as session_user");
    return {};
  }
  users.session = base::user_named(configured.empty() ? kSessionUser : configured);
  if (!users.session) {
    if (!configured.empty()) return Error{Fault::usage, "callvault.toml: [sftp] session_user: no such user"};
    base::log_warning(std::string("there is no user ") + kSessionUser + ": sessions run as " +
                      (users.owner->uid == 0 ? "root, and only the fence holds them" : "the vault's owner"));
    users.session = users.owner;
    return {};
  }
  if (users.session->uid == 0 || users.session->uid == users.owner->uid)
    return Error{Fault::usage, "callvault.toml: [sftp] session_user must be neither root nor the vault's owner"};
  return {};
}

[[noreturn]] void become_listener(Bound bound, base::Fd socket, const sftp::ListenerSettings& settings) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  std::signal(SIGHUP, SIG_IGN);  // to a whole terminal or group: the keeper reloads, nobody ends
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  base::name_process("cv-listener");
  std::_Exit(sftp::run_listener(std::move(bound.socket), std::move(socket), settings));
}

Result<int> serve(const base::Path& folder, const std::string& listen) {
  auto users = begin_as_root(folder);
  if (!users) return users.error();
  if (!base::exists(folder / "callvault.toml"))
    return Error{Fault::not_found, "no vault in " + folder.string() + " (callvault init makes one)"};
  auto config = vault::read_config(folder);
  if (!config) return config.error();
  auto lock = base::FileLock::take(folder / vault::file::kRun / vault::file::kDaemonLock, 0);
  if (!lock)
    return lock.error().fault == Fault::busy ? Error{Fault::busy, "another callvaultd serves this vault"}
                                             : lock.error();
  auto fingerprint = keys::host_key_fingerprint(folder / vault::file::kHostKey);
  if (!fingerprint) return fingerprint.error();
  if (auto r = choose_session_user(*users, config->session_user); !r) return r.error();
  auto bound = bind_to(listen);
  if (!bound) return bound.error();
  auto stop = watch({SIGTERM, SIGINT});
  if (!stop) return stop.error();
  auto reload = watch({SIGHUP});
  if (!reload) return reload.error();
  auto manager = base::ServiceManager::from_environment();

  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return Error{Fault::failed, "cannot make a socket pair"};
  base::Fd mine(pair[0]);
  base::Fd listeners(pair[1]);
  const std::string address = bound->address;
  const pid_t child = ::fork();
  if (child < 0) return Error{Fault::failed, "cannot start the listener"};
  if (child == 0) {
    mine = base::Fd();
    stop = base::Fd();
    reload = base::Fd();
    manager = base::ServiceManager();
    { const auto closed_now = std::move(lock); }
    auto settings = sftp::listener_settings(folder, *config);
    settings.user = std::move(users->session);
    become_listener(std::move(*bound), std::move(listeners), settings);
  }
  listeners = base::Fd();
  bound = Bound{};
  if (users->owner) {
    auto r = base::become(*users->owner);
    if (r) r = base::require_lockable_memory(kLockedMemory);
    if (!r) return r.error();
  }

  const base::SystemClock clock;
  auto vault = vault::Vault::open(folder, clock);
  if (!vault) return vault.error();
  if (const auto level = vault->slots().level(); level.level < 2)
    base::log_warning("erasures are certified at level 1 only: " + level.reason);
  sftp::Keeper keeper(std::move(*vault), std::move(mine), std::move(*stop), std::move(*reload), std::move(manager));
  if (auto r = keeper.start(); !r) return r.error();
  const base::Path address_file = folder / vault::file::kRun / vault::file::kAddress;
  if (auto r = base::system_files().replace_whole(address_file, base::as_bytes(address + "\n")); !r) return r.error();
  std::printf("listening on %s %s\n", address.c_str(), fingerprint->c_str());
  std::fflush(stdout);
  const int code = keeper.run();
  (void)base::system_files().remove(address_file);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"callvaultd: hands recordings out over SFTP, once"};
  std::string folder;
  std::string listen = "0.0.0.0:2222";
  app.add_option("--vault", folder, "the vault's folder")->envname("CALLVAULT_DIR")->required();
  app.add_option("--listen", listen, "ADDRESS:PORT; port 0 picks one")->capture_default_str();
  app.set_version_flag("--version", "callvaultd 0.1.0");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : static_cast<int>(Fault::usage);
  }
  auto r = base::harden_process();
  if (r) r = base::require_lockable_memory(kLockedMemory);
  auto served = r ? serve(base::Path(folder), listen) : Result<int>(r.error());
  if (served) return *served;
  std::fprintf(stderr, "callvaultd: error: %s\n", served.error().what.c_str());
  return static_cast<int>(served.error().fault);
}
