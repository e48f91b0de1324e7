#include "cli/dates.h"

#include "vault/time_zone.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using base::Seconds;

namespace {

constexpr Seconds kDay = 86400;

// The first second of the day that begins `days` after the date. The time of day is taken from RFC 3339, which knows
// the calendar.
Result<Seconds> day_begins(const std::string& date, int days, const std::string& zone) {
  const auto noon = base::parse_rfc3339(date + "T12:00:00Z");
  if (!noon) return Error{Fault::usage, "not a date like 2026-11-22, nor a time like 2026-11-22T09:30:15Z"};
  const std::string day = base::rfc3339(*noon + days * kDay);
  const auto utc = vault::to_utc(
      {std::stoi(day.substr(0, 4)), std::stoi(day.substr(5, 2)), std::stoi(day.substr(8, 2)), 0, 0, 0}, zone);
  if (!utc) return utc.error();
  return utc->time;
}

}  // namespace

Result<Period> parse_period(const std::string& from, const std::string& to, const std::string& zone) {
  Period period;
  if (!from.empty()) {
    const auto time = base::parse_rfc3339(from);
    const auto begins = time ? time : day_begins(from, 0, zone);
    if (!begins) return begins.error().at("--from");
    period.from = *begins;
  }
  if (!to.empty()) {
    const auto time = base::parse_rfc3339(to);
    const auto next = time ? time : day_begins(to, 1, zone);
    if (!next) return next.error().at("--to");
    period.to = time ? *next : *next - 1;
  }
  if (period.from && period.to && *period.from > *period.to) return Error{Fault::usage, "--to lies before --from"};
  return period;
}

Result<std::optional<Seconds>> parse_expires(const std::string& text) {
  if (text.empty()) return std::optional<Seconds>();
  const auto lasts = base::parse_duration(text);
  if (!lasts) return lasts.error().at("--expires");
  if (*lasts < 60 || *lasts > 3650 * kDay) return Error{Fault::usage, "--expires is 1m to 3650d"};
  return std::optional(*lasts);
}

}  // namespace cli
