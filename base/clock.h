// Clock: wall time in seconds since 1970 (UTC). Production has one, tests have a fake (tests/testkit/fake_clock.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace base {

using Seconds = std::int64_t;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Seconds now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Seconds now() const override;
};

// RFC 3339 in UTC, whole seconds: "2026-11-22T09:30:15Z".
std::string rfc3339(Seconds time);
Result<Seconds> parse_rfc3339(std::string_view text);

// "90s", "15m", "12h", "7d": digits, then one unit. Fault::usage on anything else or on overflow.
Result<Seconds> parse_duration(std::string_view text);

// Time for deadlines: milliseconds that never jump back.
std::int64_t monotonic_ms();

}  // namespace base
