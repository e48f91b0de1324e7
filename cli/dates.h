// Dates: what people give as --from and --to. YYYY-MM-DD is a whole day in the operator's zone; RFC 3339 in UTC is a
// second. Both ends are included.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace cli {

struct Period {
  std::optional<base::Seconds> from, to;
};

// Empty text: no limit on that side. Fault::usage: not a date, or an end before its beginning.
base::Result<Period> parse_period(const std::string& from, const std::string& to, const std::string& zone);

// Empty: nullopt, the default of the configuration. Fault::usage: not a duration, or none of 1 minute to 10 years.
base::Result<std::optional<base::Seconds>> parse_expires(const std::string& text);

}  // namespace cli
