#include "vault/time_zone.h"

#include <thread>
#include <vector>

#include "tests/testkit/expect.h"

namespace {

using base::Fault;
using vault::LocalTime;
using vault::to_utc;

void expect(const LocalTime& local, const std::string& zone, std::string_view utc, bool uncertain) {
  const auto result = to_utc(local, zone);
  ASSERT_TRUE(testkit::is_ok(result)) << zone;
  EXPECT_EQ(base::rfc3339(result->time), utc) << zone;
  EXPECT_EQ(result->uncertain, uncertain) << zone;
}

TEST(TimeZone, WinterAndSummer) {
  expect({2026, 11, 22, 9, 30, 15}, "Europe/London", "2026-11-22T09:30:15Z", false);
  expect({2026, 7, 1, 9, 30, 15}, "Europe/London", "2026-07-01T08:30:15Z", false);
  expect({2026, 11, 22, 9, 30, 15}, "Europe/Berlin", "2026-11-22T08:30:15Z", false);
  expect({2026, 11, 22, 9, 30, 15}, "Asia/Kolkata", "2026-11-22T04:00:15Z", false);
  expect({2026, 11, 22, 9, 30, 15}, "UTC", "2026-11-22T09:30:15Z", false);
}

TEST(TimeZone, TheDoubledHourOfAutumnIsTheLaterInstant) {
  expect({2026, 10, 25, 0, 59, 59}, "Europe/London", "2026-10-24T23:59:59Z", false);
  expect({2026, 10, 25, 1, 0, 0}, "Europe/London", "2026-10-25T01:00:00Z", true);
  expect({2026, 10, 25, 1, 59, 59}, "Europe/London", "2026-10-25T01:59:59Z", true);
  expect({2026, 10, 25, 2, 0, 0}, "Europe/London", "2026-10-25T02:00:00Z", false);
  expect({2026, 11, 1, 1, 30, 0}, "America/New_York", "2026-11-01T06:30:00Z", true);
}

TEST(TimeZone, TheMissingHourOfSpringIsMarked) {
  expect({2026, 3, 29, 0, 59, 59}, "Europe/London", "2026-03-29T00:59:59Z", false);
  expect({2026, 3, 29, 1, 0, 0}, "Europe/London", "2026-03-29T01:00:00Z", true);
  expect({2026, 3, 29, 1, 30, 0}, "Europe/London", "2026-03-29T01:30:00Z", true);
  expect({2026, 3, 29, 2, 0, 0}, "Europe/London", "2026-03-29T01:00:00Z", false);
}

TEST(TimeZone, RulesHoldFarAhead) { expect({2036, 7, 1, 12, 0, 0}, "Europe/London", "2036-07-01T11:00:00Z", false); }

TEST(TimeZone, UnknownZonesAreRefused) {
  for (const std::string zone : {"", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe/../Europe/London",
                                 "europe/london ", "Europe/London\n", "Europe"})
    EXPECT_FAULT(Fault::usage, to_utc({2026, 11, 22, 9, 30, 15}, zone)) << zone;
}

TEST(TimeZone, TimesThatDoNotExistAreRefused) {
  for (const LocalTime& local :
       {LocalTime{2026, 2, 29, 0, 0, 0}, LocalTime{2026, 4, 31, 0, 0, 0}, LocalTime{2026, 13, 1, 0, 0, 0},
        LocalTime{2026, 0, 1, 0, 0, 0}, LocalTime{2026, 1, 0, 0, 0, 0}, LocalTime{2026, 1, 1, 24, 0, 0},
        LocalTime{2026, 1, 1, 0, 60, 0}, LocalTime{2026, 1, 1, 0, 0, 60}, LocalTime{2026, 1, 1, -1, 0, 0},
        LocalTime{1969, 1, 1, 0, 0, 0}, LocalTime{2100, 1, 1, 0, 0, 0}})
    EXPECT_FAULT(Fault::usage, to_utc(local, "UTC")) << local.year << "-" << local.month << "-" << local.day;
  EXPECT_OK(to_utc({2028, 2, 29, 0, 0, 0}, "UTC"));
}

TEST(TimeZone, ThreadsMayAskAtOnce) {
  std::vector<std::thread> threads;
  std::vector<base::Seconds> times(8);
  for (std::size_t i = 0; i < times.size(); ++i)
    threads.emplace_back([&times, i] {
      times[i] = testkit::must(to_utc({2026, 7, 1, 0, 0, 0}, i % 2 == 0 ? "Europe/Paris" : "Europe/Madrid")).time;
    });
  for (auto& thread : threads) thread.join();
  for (const auto time : times) EXPECT_EQ(time, times[0]);
}

}  // namespace
