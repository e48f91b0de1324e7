// Time zone: local time -> UTC by the system's zone files, for names that carry local time without a zone. Pure but for
// reading those files; safe with threads.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace vault {

struct LocalTime {
  int year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0;
};

bool exists(const LocalTime& local);  // a day of the calendar and a time of day; years 1970 to 2099

struct UtcTime {
  base::Seconds time = 0;
  bool uncertain = false;
};

// In the doubled hour of autumn the later instant, and in the missing hour of spring what the clock before the change
// means; both are marked uncertain. `zone`: an IANA name ("Europe/London"). Fault::usage: no such zone or time.
base::Result<UtcTime> to_utc(const LocalTime& local, const std::string& zone);

}  // namespace vault
