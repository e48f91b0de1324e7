#include "base/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/log.h"

namespace base {

namespace {

std::optional<std::string> take_out(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  std::string copy = value;
  unsetenv(name);
  return copy;
}

std::int64_t number(const std::optional<std::string>& text) {
  std::int64_t out = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), out);
  return out;
}

Fd connect_to(const std::string& address) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (address.size() < 2 || address.size() >= sizeof to.sun_path) return {};
  std::memcpy(to.sun_path, address.data(), address.size());
  if (address.front() == '@') to.sun_path[0] = '\0';  // abstract
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket || connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), size) != 0) return {};
  return socket;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  ServiceManager manager;
  const auto address = take_out("NOTIFY_SOCKET");
  const std::int64_t watchdog_us = number(take_out("WATCHDOG_USEC"));
  const std::int64_t for_pid = number(take_out("WATCHDOG_PID"));
  if (!address) return manager;
  manager.socket_ = connect_to(*address);
  if (!manager.socket_) log_warning("the service manager cannot be reached: NOTIFY_SOCKET");
  if (watchdog_us > 0 && (for_pid == 0 || for_pid == getpid()))
    manager.every_ms_ = std::max<std::int64_t>(watchdog_us / 2000, 1);
  return manager;
}

void ServiceManager::ready() { tell("READY=1"); }

void ServiceManager::stopping() { tell("STOPPING=1"); }

void ServiceManager::reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.tv_sec * 1'000'000 + now.tv_nsec / 1000));
}

void ServiceManager::alive(std::int64_t now_ms) {
  if (!next_ms() || now_ms < next_ms_) return;
  next_ms_ = now_ms + every_ms_;
  tell("WATCHDOG=1", MSG_DONTWAIT);  // a lost one is followed by the next
}

std::optional<std::int64_t> ServiceManager::next_ms() const {
  return socket_ && every_ms_ > 0 ? std::optional(next_ms_) : std::nullopt;
}

void ServiceManager::tell(std::string_view what, int flags) {
  if (socket_) (void)send(socket_.get(), what.data(), what.size(), MSG_NOSIGNAL | flags);
}

}  // namespace base
