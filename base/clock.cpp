#include "base/clock.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <limits>

namespace base {

Seconds SystemClock::now() const {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string rfc3339(Seconds time) {
  const std::time_t t = time;
  std::tm parts{};
  gmtime_r(&t, &parts);
  std::array<char, 32> out{};
  const auto size = std::strftime(out.data(), out.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {out.data(), size};
}

Result<Seconds> parse_rfc3339(std::string_view text) {
  const Error bad{Fault::usage, "not a time of the form 2026-11-22T09:30:15Z"};
  constexpr std::string_view shape = "dddd-dd-ddTdd:dd:ddZ";
  if (text.size() != shape.size()) return bad;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (shape[i] == 'd' ? !digit : text[i] != shape[i]) return bad;
  }
  const auto number = [&](std::size_t at, std::size_t size) {
    int v = 0;
    for (const char c : text.substr(at, size)) v = v * 10 + (c - '0');
    return v;
  };
  std::tm parts{};
  parts.tm_year = number(0, 4) - 1900;
  parts.tm_mon = number(5, 2) - 1;
  parts.tm_mday = number(8, 2);
  parts.tm_hour = number(11, 2);
  parts.tm_min = number(14, 2);
  parts.tm_sec = number(17, 2);
  const std::time_t t = timegm(&parts);
  if (rfc3339(t) != text) return bad;  // 31 February and its like
  return Seconds{t};
}

Result<Seconds> parse_duration(std::string_view text) {
  const Error bad{Fault::usage, "not a duration like 90s, 15m, 12h or 7d"};
  if (text.size() < 2) return bad;
  Seconds unit = 0;
  switch (text.back()) {
    case 's': unit = 1; break;
    case 'm': unit = 60; break;
    case 'h': unit = 3600; break;
    case 'd': unit = 86400; break;
    default: return bad;
  }
  text.remove_suffix(1);
  Seconds count = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (code != std::errc{} || end != text.data() + text.size() || count < 0) return bad;
  if (count > std::numeric_limits<Seconds>::max() / unit / 4) return bad;
  return count * unit;
}

std::int64_t monotonic_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace base
