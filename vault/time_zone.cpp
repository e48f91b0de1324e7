#include "vault/time_zone.h"

#include <date/tz.h>

#include <exception>

namespace vault {

namespace {

date::year_month_day day_of(const LocalTime& local) {
  return {date::year(local.year), date::month(static_cast<unsigned>(local.month)),
          date::day(static_cast<unsigned>(local.day))};
}

}  // namespace

bool exists(const LocalTime& local) {
  const auto in = [](int value, int first, int last) { return value >= first && value <= last; };
  return in(local.year, 1970, 2099) && in(local.month, 1, 12) && in(local.day, 1, 31) && day_of(local).ok() &&
         in(local.hour, 0, 23) && in(local.minute, 0, 59) && in(local.second, 0, 59);
}

base::Result<UtcTime> to_utc(const LocalTime& local, const std::string& zone) try {
  if (!exists(local)) return base::Error{base::Fault::usage, "no such day or time of day"};
  const auto wall = date::local_days(day_of(local)) + std::chrono::hours(local.hour) +
                    std::chrono::minutes(local.minute) + std::chrono::seconds(local.second);
  const auto info = date::locate_zone(zone)->get_info(wall);
  // Doubled hour: `second` is the offset after the change, and gives the later instant. Missing hour: `first` does.
  const auto offset = info.result == date::local_info::ambiguous ? info.second.offset : info.first.offset;
  return UtcTime{(wall.time_since_epoch() - offset).count(), info.result != date::local_info::unique};
} catch (const std::exception&) {  // the library's way to say that it has no such zone, or no zones at all
  return base::Error{base::Fault::usage, "no such time zone, or the system has no zone files (package tzdata)"};
}

}  // namespace vault
