#include "base/clock.h"

#include <limits>

#include "tests/testkit/expect.h"
#include "tests/testkit/fake_clock.h"

namespace base {
namespace {

using testkit::must;

TEST(ClockRfc3339, KnownTimesBothWays) {
  const std::pair<Seconds, const char*> known[] = {
      {0, "1970-01-01T00:00:00Z"},          {-1, "1969-12-31T23:59:59Z"},
      {951827696, "2000-02-29T12:34:56Z"},  {1795339815, "2026-11-22T09:30:15Z"},
      {4107542400, "2100-03-01T00:00:00Z"}, {253402300799, "9999-12-31T23:59:59Z"}};
  for (const auto& [time, text] : known) {
    EXPECT_EQ(rfc3339(time), text);
    EXPECT_EQ(must(parse_rfc3339(text)), time);
  }
}

TEST(ClockRfc3339, TimesThatDoNotExistAreRefused) {
  for (const char* bad :
       {"2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-02-31T00:00:00Z", "2026-04-31T00:00:00Z",
        "2026-00-10T00:00:00Z", "2026-13-10T00:00:00Z", "2026-11-00T00:00:00Z", "2026-11-32T00:00:00Z",
        "2026-11-22T24:00:00Z", "2026-11-22T23:60:00Z", "2026-11-22T23:59:60Z"})
    EXPECT_FAULT(Fault::usage, parse_rfc3339(bad)) << bad;
}

TEST(ClockRfc3339, OtherFormsAreRefused) {
  for (const char* bad :
       {"", "2026-11-22", "2026-11-22T09:30:15", "2026-11-22T09:30:15z", "2026-11-22t09:30:15Z", "2026-11-22 09:30:15Z",
        "2026-11-22T09:30:15+00:00", "2026-11-22T09:30:15.0Z", "2026-11-22T09:30:15Z ", " 2026-11-22T09:30:15Z",
        "2026-11-22T9:30:15Z", "+026-11-22T09:30:15Z", "2026-1a-22T09:30:15Z", "2026/11/22T09:30:15Z",
        "2026-11-22T09-30-15Z"})
    EXPECT_FAULT(Fault::usage, parse_rfc3339(bad)) << bad;
}

TEST(ClockDuration, NumbersWithOneUnit) {
  EXPECT_EQ(must(parse_duration("0s")), 0);
  EXPECT_EQ(must(parse_duration("90s")), 90);
  EXPECT_EQ(must(parse_duration("15m")), 900);
  EXPECT_EQ(must(parse_duration("12h")), 43200);
  EXPECT_EQ(must(parse_duration("7d")), 604800);
  EXPECT_EQ(must(parse_duration("3650d")), 315360000);
}

TEST(ClockDuration, EverythingElseIsRefused) {
  for (const char* bad : {"",
                          "s",
                          "d",
                          "7",
                          "7 d",
                          " 7d",
                          "7d ",
                          "7D",
                          "7w",
                          "7y",
                          "7dd",
                          "1h30m",
                          "-7d",
                          "+7d",
                          "7.5d",
                          "0x7d",
                          "7d\n",
                          "99999999999999999999s",
                          "9223372036854775807s",
                          "9223372036854775807d",
                          "106751991167301d"})
    EXPECT_FAULT(Fault::usage, parse_duration(bad)) << bad;
}

TEST(ClockDuration, WhatIsAcceptedCanBeAddedToATime) {
  for (const char* text : {"2305843009213693951s", "26687997791593d"}) {
    const auto duration = parse_duration(text);
    if (!duration) continue;  // refusing is as good
    EXPECT_LT(*duration, std::numeric_limits<Seconds>::max() - 253402300799) << text;
  }
}

TEST(ClockFake, MovesOnlyWhenTold) {
  testkit::FakeClock clock(100);
  EXPECT_EQ(clock.now(), 100);
  clock.advance(-30);
  EXPECT_EQ(clock.now(), 70);
}

TEST(ClockSystem, IsInThisCentury) {
  EXPECT_GT(SystemClock().now(), must(parse_rfc3339("2024-01-01T00:00:00Z")));
  const auto before = monotonic_ms();
  EXPECT_LE(before, monotonic_ms());
}

}  // namespace
}  // namespace base
