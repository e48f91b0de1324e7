// FakeClock: a clock that stands still until a test moves it.
#pragma once

#include "base/clock.h"

namespace testkit {

class FakeClock final : public base::Clock {
 public:
  explicit FakeClock(base::Seconds now = 1795339815) : now_(now) {}  // 2026-11-22T09:30:15Z
  base::Seconds now() const override { return now_; }
  void advance(base::Seconds by) { now_ += by; }

 private:
  base::Seconds now_;
};

}  // namespace testkit
