#include "vault/claim.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "tests/testkit/expect.h"
#include "tests/testkit/temp_vault.h"
#include "vault/erase.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must, testkit::TempVault;

constexpr base::Seconds kDay = 86400;

class Claim : public ::testing::Test {
 protected:
  Candidate candidate() {
    for (auto& c : must(candidates(*v, "acme", 8)))
      if (c.row.id == delivery.id) return std::move(c);
    std::abort();
  }
  Entrance enter_from(const std::string& address, int connections = 0) {
    return must(enter(*v, candidate(), address, connections));
  }
  std::string state() { return v.sql("SELECT state FROM access WHERE id = '" + delivery.id + "'"); }
  int entries(const std::string& event) {
    return std::stoi(v.sql("SELECT count(*) FROM audit WHERE leaf LIKE '%event: " + event + "%'"));
  }
  void deliver_anew(bool strict, bool any_address) {
    DeliveryRequest request;
    request.customer = "acme";
    request.recordings = {v.recording(50)};
    request.strict = strict;
    request.any_address = any_address;
    delivery = must(vault::deliver(*v, v.actor(), request));
  }
  TempVault v;
  std::string id = v.recording(1);
  Delivery delivery = v.deliver({id});
};

TEST_F(Claim, OpensOnceAndIsJoinedFromTheSameNetwork) {
  EXPECT_EQ(enter_from("203.0.113.7"), Entrance::claimed);
  EXPECT_EQ(state(), "claimed");
  EXPECT_EQ(enter_from("203.0.113.7"), Entrance::joined);
  EXPECT_EQ(enter_from("203.0.113.250", 1), Entrance::joined);
  EXPECT_EQ(enter_from("::ffff:203.0.113.9"), Entrance::joined);
  EXPECT_EQ(entries("delivery.claimed"), 1);
}

TEST_F(Claim, RefusesAnotherNetworkAndLeavesNoTrace) {
  ASSERT_EQ(enter_from("203.0.113.7"), Entrance::claimed);
  const auto before = v.sql("SELECT * FROM access");
  EXPECT_EQ(enter_from("203.0.114.7"), Entrance::other_address);
  EXPECT_EQ(enter_from("2001:db8::1"), Entrance::other_address);
  EXPECT_EQ(enter_from(""), Entrance::other_address);
  EXPECT_EQ(v.sql("SELECT * FROM access"), before);
}

TEST_F(Claim, KnowsIpv6NetworksBy64Bits) {
  ASSERT_EQ(enter_from("2001:db8:1:2::1"), Entrance::claimed);
  EXPECT_EQ(enter_from("2001:db8:1:2:ffff:ffff:ffff:ffff"), Entrance::joined);
  EXPECT_EQ(enter_from("2001:db8:1:3::1"), Entrance::other_address);
}

TEST_F(Claim, KeepsNoAddressInTheClear) {
  v.clock.advance(1);
  ASSERT_EQ(enter_from("203.0.113.77"), Entrance::claimed);
  EXPECT_FALSE(v.holds(base::as_bytes("203.0.113")));
}

TEST_F(Claim, OnAnyAddressIsJoinedFromElsewhere) {
  deliver_anew(false, true);
  ASSERT_EQ(enter_from("203.0.113.7"), Entrance::claimed);
  EXPECT_EQ(enter_from("198.51.100.7"), Entrance::joined);
}

TEST_F(Claim, WhenStrictHasOneConnection) {
  deliver_anew(true, false);
  ASSERT_EQ(enter_from("203.0.113.7"), Entrance::claimed);
  EXPECT_EQ(enter_from("203.0.113.7", 1), Entrance::strict);
  EXPECT_EQ(enter_from("203.0.113.7", 0), Entrance::joined);  // the line was lost
}

TEST_F(Claim, HasEightConnectionsAtMost) {
  ASSERT_EQ(enter_from("203.0.113.7"), Entrance::claimed);
  EXPECT_EQ(enter_from("203.0.113.7", 7), Entrance::joined);
  EXPECT_EQ(enter_from("203.0.113.7", 8), Entrance::too_many);
}

TEST_F(Claim, ComesTooLateAtTheVerySecond) {
  v.clock.advance(7 * kDay - 1);
  const auto c = candidate();
  v.clock.advance(1);
  EXPECT_EQ(must(enter(*v, c, "203.0.113.7", 0)), Entrance::expired);
  EXPECT_EQ(state(), "open");
}

TEST_F(Claim, ComesInTimeAtTheLastSecondAndThenOutlivesTheExpiry) {
  v.clock.advance(7 * kDay - 1);
  EXPECT_EQ(enter_from("203.0.113.7"), Entrance::claimed);
  v.clock.advance(3600);
  EXPECT_EQ(enter_from("203.0.113.7"), Entrance::joined);  // the expiry limits the first log-in only
}

TEST_F(Claim, ComesTooEarly) {
  v.clock.advance(-1);
  EXPECT_EQ(enter_from("203.0.113.7"), Entrance::not_yet);
  EXPECT_EQ(state(), "open");
}

TEST_F(Claim, IsOverAfterItsLongestTime) {
  ASSERT_EQ(enter_from("203.0.113.7"), Entrance::claimed);
  v.clock.advance(kDay);
  EXPECT_EQ(enter_from("203.0.113.7"), Entrance::joined);
  v.clock.advance(1);
  EXPECT_EQ(enter_from("203.0.113.7"), Entrance::used);
}

TEST_F(Claim, OnceEndedSaysWhy) {
  for (const auto& [ended, answer] : {std::pair<std::string, Entrance>{"finished", Entrance::used},
                                      {"expired", Entrance::expired},
                                      {"revoked", Entrance::revoked}}) {
    delivery = v.deliver({v.recording(static_cast<unsigned>(ended.size()) * 31 + static_cast<unsigned>(ended[0]))});
    must(end_access(*v, delivery.id, ended, "service"));
    EXPECT_EQ(enter_from("203.0.113.7"), answer);
    must(finish_erasures(*v));
    EXPECT_EQ(enter_from("203.0.113.7"), answer);  // also without its erase secret
    EXPECT_EQ(state(), ended);
  }
}

TEST_F(Claim, WhoseStatementChangedMeanwhileIsDamaged) {
  const auto c = candidate();
  v.sql("UPDATE access SET statement = statement || 'x'");
  EXPECT_FAULT(Fault::damaged, enter(*v, c, "203.0.113.7", 0));
  EXPECT_EQ(state(), "open");
}

TEST_F(Claim, ThatCannotBeLoggedIsNotOpened) {
  const auto c = candidate();
  v.sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END");
  EXPECT_FAULT(Fault::failed, enter(*v, c, "203.0.113.7", 0));
  EXPECT_EQ(state(), "open");
  v.sql("DROP TRIGGER full");
  EXPECT_EQ(enter_from("203.0.113.7"), Entrance::claimed);
}

TEST_F(Claim, WithoutItsEraseSecretIsAnErrorAndNoClaim) {
  const auto c = candidate();
  must(v->slots().erase({c.row.slot}));
  EXPECT_FALSE(enter(*v, c, "203.0.113.7", 0));
  EXPECT_EQ(state(), "open");
}

// A hundred processes with the right password at one instant, from two networks.
TEST_F(Claim, OfAHundredProcessesAtOnceOpensForOne) {
  const int kProcesses = 100;
  v.close();
  int ready[2];
  int go[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(go), 0);
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = fork();
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    ::close(go[1]);
    auto mine = must(v.try_open());
    const auto all = must(candidates(mine, "acme", 8));
    char byte = 0;
    if (write(ready[1], &byte, 1) != 1) _exit(99);
    if (read(go[0], &byte, 1) != 0) _exit(98);  // until the parent closes its end
    const auto entrance = enter(mine, all.at(0), i % 2 == 0 ? "203.0.113.7" : "198.51.100.7", 0);
    _exit(entrance ? static_cast<int>(*entrance) : 97);
  }
  for (int i = 0; i < kProcesses; ++i) {
    char byte = 0;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
  }
  ::close(go[0]);
  ::close(go[1]);
  std::map<int, int> answers;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    ++answers[WIFEXITED(status) ? WEXITSTATUS(status) : -1];
  }
  ::close(ready[0]);
  ::close(ready[1]);
  const auto times = [&](Entrance e) { return answers[static_cast<int>(e)]; };
  EXPECT_EQ(times(Entrance::claimed), 1);
  EXPECT_EQ(times(Entrance::claimed) + times(Entrance::joined) + times(Entrance::used) + times(Entrance::other_address),
            kProcesses);
  EXPECT_EQ(entries("delivery.claimed"), 1);
  EXPECT_EQ(v.damage(false), "");
}

// Two deliveries of one customer: each has its own claim.
TEST_F(Claim, OfOneDeliveryLeavesTheOtherOpen) {
  const auto other = v.deliver({v.recording(2)});
  ASSERT_EQ(enter_from("203.0.113.7"), Entrance::claimed);
  EXPECT_EQ(v.sql("SELECT state FROM access WHERE id = '" + other.id + "'"), "open");
}

// end_access() and end_overdue()
TEST_F(Claim, EndsOnceAndWithdrawsWhatWasNotFetched) {
  must(end_access(*v, delivery.id, "finished", "service"));
  EXPECT_FAULT(Fault::not_found, end_access(*v, delivery.id, "expired", "service"));
  EXPECT_FAULT(Fault::not_found, end_access(*v, "d-0000000000000000", "expired", "service"));
  EXPECT_EQ(state(), "finished");
  EXPECT_EQ(must(v->catalog().items(delivery.id)).front().state, "withdrawn");
  EXPECT_EQ(v.sql("SELECT count(*) FROM header WHERE recipient = '" + delivery.id + "'"), "0");
  EXPECT_TRUE(v.whole(id));
  EXPECT_EQ(entries("access.finished"), 1);
}

TEST_F(Claim, NeverOpenedEndsAtItsExpiry) {
  const auto nobody = [](const std::string&) { return false; };
  v.clock.advance(7 * kDay - 1);
  EXPECT_TRUE(must(end_overdue(*v, nobody)).empty());
  v.clock.advance(1);
  EXPECT_EQ(must(end_overdue(*v, nobody)), std::vector<std::string>{delivery.id});
  EXPECT_EQ(state(), "expired");
  EXPECT_TRUE(must(end_overdue(*v, nobody)).empty());
  EXPECT_TRUE(v.whole(id));
}

TEST_F(Claim, LeftAloneEndsAfterTwelveHours) {
  ASSERT_EQ(enter_from("203.0.113.7"), Entrance::claimed);
  v.clock.advance(3600);
  ASSERT_EQ(enter_from("203.0.113.7"), Entrance::joined);
  v.clock.advance(12 * 3600);
  EXPECT_TRUE(must(end_overdue(*v, [](const std::string&) { return false; })).empty());
  v.clock.advance(1);
  EXPECT_TRUE(must(end_overdue(*v, [](const std::string&) { return true; })).empty());  // somebody is connected
  EXPECT_EQ(must(end_overdue(*v, [](const std::string&) { return false; })).size(), 1U);
  EXPECT_EQ(state(), "finished");
}

TEST_F(Claim, ConnectedAllTheTimeEndsAfterADay) {
  ASSERT_EQ(enter_from("203.0.113.7"), Entrance::claimed);
  v.clock.advance(kDay);
  EXPECT_TRUE(must(end_overdue(*v, [](const std::string&) { return true; })).empty());
  v.clock.advance(1);
  EXPECT_EQ(must(end_overdue(*v, [](const std::string&) { return true; })).size(), 1U);
  EXPECT_EQ(state(), "finished");
}

// candidates()
TEST_F(Claim, CandidatesAreOpenOnesFirstAndAtMostTheLimit) {
  for (unsigned i = 10; i < 20; ++i) {
    v.clock.advance(1);
    const auto ended = v.deliver({v.recording(i)});
    must(end_access(*v, ended.id, "finished", "service"));
  }
  const auto all = must(candidates(*v, "acme", 8));
  ASSERT_EQ(all.size(), 8U);
  EXPECT_EQ(all.front().row.id, delivery.id);  // the oldest, but open
  for (std::size_t i = 2; i < all.size(); ++i) EXPECT_GE(all[i - 1].row.created_at, all[i].row.created_at);
}

TEST_F(Claim, CandidatesOfUnknownAccountsAreNone) {
  for (const std::string account : {"", "nobody", "ACME", "acme ", "acme' OR '1'='1", "%"})
    EXPECT_TRUE(must(candidates(*v, account, 8)).empty()) << account;
}

}  // namespace
}  // namespace vault
