#include "sftp/admission.h"

#include <gtest/gtest.h>

namespace sftp {
namespace {

ListenerSettings settings() {
  ListenerSettings s;
  s.connections = 8;
  s.unauthenticated = 4;
  s.unauthenticated_per_address = 3;
  s.new_per_minute = 60;
  s.burst = 5;
  return s;
}

// Admits, and opens the connection with this id.
bool admit(Admission& admission, Admission::Id id, const std::string& address, std::int64_t now = 0) {
  if (!admission.arrive(address, now).admitted) return false;
  admission.opened(id, address);
  return true;
}

TEST(Admission, AnAddressHasSoManyUnauthenticated) {
  Admission admission(settings());
  for (Admission::Id id = 1; id <= 3; ++id) EXPECT_TRUE(admit(admission, id, "10.0.0.1"));
  EXPECT_FALSE(admit(admission, 4, "10.0.0.1"));
  EXPECT_TRUE(admit(admission, 4, "10.0.0.2"));
  admission.logged_in(1);
  EXPECT_TRUE(admit(admission, 5, "10.0.0.1"));
}

TEST(Admission, AClosedConnectionMakesRoom) {
  Admission admission(settings());
  for (Admission::Id id = 1; id <= 3; ++id) EXPECT_TRUE(admit(admission, id, "10.0.0.1"));
  admission.closed(2);
  EXPECT_TRUE(admit(admission, 4, "10.0.0.1"));
}

TEST(Admission, WhenFullTheOldestOfTheBusiestAddressGivesWay) {
  Admission admission(settings());
  EXPECT_TRUE(admit(admission, 1, "10.0.0.1"));
  EXPECT_TRUE(admit(admission, 2, "10.0.0.2"));
  EXPECT_TRUE(admit(admission, 3, "10.0.0.2"));
  EXPECT_TRUE(admit(admission, 4, "10.0.0.3"));
  const auto verdict = admission.arrive("10.0.0.4", 0);
  EXPECT_TRUE(verdict.admitted);
  EXPECT_EQ(verdict.give_way, 2);
}

TEST(Admission, LoggedInConnectionsNeverGiveWay) {
  Admission admission(settings());
  for (Admission::Id id = 1; id <= 4; ++id) {
    EXPECT_TRUE(admit(admission, id, "10.0.0." + std::to_string(id)));
    admission.logged_in(id);
  }
  const auto verdict = admission.arrive("10.0.0.9", 0);
  EXPECT_TRUE(verdict.admitted);
  EXPECT_FALSE(verdict.give_way);
}

TEST(Admission, ThereIsALimitForAll) {
  Admission admission(settings());
  for (Admission::Id id = 1; id <= 8; ++id) {
    EXPECT_TRUE(admit(admission, id, "10.0.0." + std::to_string(id)));
    admission.logged_in(id);
  }
  EXPECT_FALSE(admit(admission, 9, "10.0.0.9"));
}

TEST(Admission, ABurstIsSpentAndComesBackWithTime) {
  Admission admission(settings());
  for (Admission::Id id = 1; id <= 5; ++id) {
    EXPECT_TRUE(admit(admission, id, "10.0.0.1"));
    admission.closed(id);
  }
  EXPECT_FALSE(admit(admission, 6, "10.0.0.1", 900));
  EXPECT_TRUE(admit(admission, 6, "10.0.0.1", 1000));
  EXPECT_FALSE(admit(admission, 7, "10.0.0.1", 1000));
  EXPECT_TRUE(admit(admission, 7, "10.0.0.2", 1000));
}

TEST(Admission, NewLimitsHoldForWhoComesThen) {
  Admission admission(settings());
  for (Admission::Id id = 1; id <= 3; ++id) EXPECT_TRUE(admit(admission, id, "10.0.0.1"));
  auto fewer = settings();
  fewer.unauthenticated_per_address = 1;
  auto sent = settings();
  EXPECT_FALSE(take_limits(base::as_bytes("no limits"), sent));
  EXPECT_EQ(sent.unauthenticated_per_address, 3U);
  ASSERT_TRUE(take_limits(encode_limits(fewer), sent));
  admission.change(sent);
  EXPECT_EQ(admission.count(), 3U);
  EXPECT_FALSE(admit(admission, 4, "10.0.0.1"));
  EXPECT_TRUE(admit(admission, 4, "10.0.0.2"));
  EXPECT_FALSE(admit(admission, 5, "10.0.0.2"));
}

}  // namespace
}  // namespace sftp
