#include "vault/drill.h"

#include <set>

#include "tests/testkit/expect.h"
#include "tests/testkit/temp_vault.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must;
using testkit::TempVault;

Actor recovery_of(TempVault& v) { return must(recognise(*v, v.recovery())); }

TEST(Drill, OpensASampleOfAllClassesAndSaysSoInTheLog) {
  TempVault v;
  const std::set<std::string> ids{v.recording(1), v.recording(2, 200'000), v.recording(3, 100, "")};
  int steps = 0;
  const auto some = must(drill_recovery(*v, recovery_of(v), 2, [&] { ++steps; }));
  EXPECT_EQ(some.held, 3u);
  EXPECT_EQ(std::set<std::string>(some.opened.begin(), some.opened.end()).size(), 2u);
  EXPECT_EQ(steps, 2);
  const auto all = must(drill_recovery(*v, recovery_of(v), 100, [] {}));
  EXPECT_EQ(std::set<std::string>(all.opened.begin(), all.opened.end()), ids);
  EXPECT_TRUE(all.failed.empty());
  const auto entry = must(v->audit().entries(0, 1000, nullptr)).back();
  EXPECT_EQ(entry.name, "recovery.drilled");
  EXPECT_EQ(entry.subjects, (std::vector<std::string>{"opened-3", "failed-0"}));
}

TEST(Drill, FindsWhatTheRecoveryDoesNotOpen) {
  TempVault v;
  const auto a = v.recording(1);
  const auto b = v.recording(2);
  const std::string recipient = must(recognise(*v, v.recovery())).holder.recipient_id();
  v.sql("UPDATE header SET sealed = (SELECT sealed FROM header WHERE recording = '" + b + "' AND recipient = '" +
        recipient + "') WHERE recording = '" + a + "' AND recipient = '" + recipient + "'");
  const auto drilled = must(drill_recovery(*v, recovery_of(v), 10, [] {}));
  EXPECT_EQ(drilled.opened, std::vector<std::string>{b});
  ASSERT_EQ(drilled.failed.size(), 1u);
  EXPECT_EQ(drilled.failed.front().fault, Fault::damaged);
  EXPECT_NE(drilled.failed.front().what.find(a), std::string::npos);
}

TEST(Drill, IsForTheRecoveryOnlyAndNeedsRecordings) {
  TempVault v;
  EXPECT_FAULT(Fault::denied, drill_recovery(*v, v.actor(), 1, [] {}));
  EXPECT_FAULT(Fault::not_found, drill_recovery(*v, recovery_of(v), 1, [] {}));
}

}  // namespace
}  // namespace vault
