// ServiceManager: what a program tells the one that started it (systemd's notify protocol, sd_notify(3)): that it
// serves, reloads, stops, is alive. Without one, nothing is said.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/files.h"

namespace base {

class ServiceManager {
 public:
  ServiceManager() = default;  // there is none
  // Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment: children shall not speak for us.
  static ServiceManager from_environment();

  void ready();
  void reloading();
  void stopping();
  void alive(std::int64_t now_ms);              // tells so when it is time again
  std::optional<std::int64_t> next_ms() const;  // when that is; nullopt: nobody waits for it

 private:
  void tell(std::string_view what, int flags = 0);

  Fd socket_;
  std::int64_t every_ms_ = 0;  // 0: no watchdog
  std::int64_t next_ms_ = 0;
};

}  // namespace base
