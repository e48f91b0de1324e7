#include "vault/restriction.h"

#include <thread>

#include "tests/testkit/expect.h"
#include "tests/testkit/temp_vault.h"
#include "vault/claim.h"
#include "vault/erase.h"
#include "vault/schema.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must, testkit::TempVault;

class Restriction : public ::testing::Test {
 protected:
  base::Result<void> restrict(const std::string& recording, const std::string& reason = "") {
    return restrict_recording(*v, v.actor(), recording, reason);
  }
  base::Result<Released> release(const std::string& recording) {
    return release_recording(*v, v.actor(), recording, "");
  }
  base::Result<Delivery> try_deliver(const std::vector<std::string>& ids) {
    DeliveryRequest request;
    request.customer = "acme";
    request.recordings = ids;
    return deliver(*v, v.actor(), request);
  }
  bool is_restricted(const std::string& recording) {
    const auto r = unrestricted(*v, recording);
    if (!r && r.error().fault != Fault::restricted) ADD_FAILURE() << r.error().what;
    return !r;
  }
  std::string state() { return must(v->catalog().recording(id)).state; }
  std::string item() { return v.sql("SELECT state FROM item WHERE recording = '" + id + "'"); }
  int entries(const std::string& event) {
    return std::stoi(v.sql("SELECT count(*) FROM audit WHERE leaf LIKE '%event: " + event + "\n%'"));
  }
  // Sealed, readable, and stays so whatever is finished.
  ::testing::AssertionResult held() {
    if (must(finish_erasures(*v)).recordings != 0) return ::testing::AssertionFailure() << "something was erased";
    if (state() != "sealed") return ::testing::AssertionFailure() << "state " << state();
    if (!v.whole(id)) return ::testing::AssertionFailure() << "it does not open";
    if (const auto damage = v.damage(); !damage.empty()) return ::testing::AssertionFailure() << damage;
    return ::testing::AssertionSuccess();
  }
  TempVault v;
  std::string id = v.recording(1), other = v.recording(2);
};

TEST_F(Restriction, HoldsUntilItsRelease) {
  EXPECT_FALSE(is_restricted(id));
  EXPECT_OK(restrict(id, "accuracy is contested"));
  EXPECT_TRUE(is_restricted(id));
  EXPECT_FALSE(is_restricted(other));
  EXPECT_EQ(must(v->catalog().recording(id)).restricted_at, v.clock.now());
  EXPECT_EQ(must(v->catalog().recording(other)).restricted_at, 0);
  EXPECT_TRUE(held());
  v.clock.advance(1000);
  EXPECT_EQ(must(release(id)), Released::to_be_delivered);
  EXPECT_FALSE(is_restricted(id));
  EXPECT_EQ(must(v->catalog().recording(id)).restricted_at, 0);
  EXPECT_TRUE(held());
  EXPECT_EQ(entries("recording.restricted"), 1);
  EXPECT_EQ(entries("recording.released"), 1);
  EXPECT_EQ(entries("erasure.begun"), 0);
}

TEST_F(Restriction, IsOpenedAndReleasedByTheItManagerAlone) {
  EXPECT_OK(restrict(other));
  auto tech = v.add_tech_manager();
  const auto tech_manager = must(recognise(*v, std::move(tech)));
  const auto recovery = must(recognise(*v, v.recovery()));
  const auto before = v.sql("SELECT * FROM restriction; SELECT count(*) FROM audit");
  for (const auto* actor : {&tech_manager, &recovery}) {
    EXPECT_FAULT(Fault::denied, restrict_recording(*v, *actor, id, ""));
    EXPECT_FAULT(Fault::denied, release_recording(*v, *actor, other, ""));
  }
  EXPECT_EQ(v.sql("SELECT * FROM restriction; SELECT count(*) FROM audit"), before);
  EXPECT_FALSE(is_restricted(id));
  EXPECT_TRUE(is_restricted(other));
}

TEST_F(Restriction, RefusalsLeaveNoTrace) {
  EXPECT_OK(restrict(other));
  const std::string all = "SELECT * FROM restriction; SELECT count(*) FROM audit; SELECT state FROM recording";
  const auto before = v.sql(all);
  for (const std::string unknown : {"r-0123456789abcdef", "", "'", "acme"}) {
    EXPECT_FAULT(Fault::not_found, restrict(unknown));
    EXPECT_FAULT(Fault::not_found, release(unknown));
  }
  EXPECT_FAULT(Fault::not_found, restrict(other));  // it is already
  EXPECT_FAULT(Fault::not_found, release(id));      // it is not
  EXPECT_FAULT(Fault::usage, restrict(id, std::string(4097, 'x')));
  EXPECT_FAULT(Fault::usage, release_recording(*v, v.actor(), other, std::string(4097, 'x')));
  EXPECT_EQ(v.sql(all), before);
  EXPECT_OK(release(other));
  EXPECT_FAULT(Fault::not_found, release(other));
}

TEST_F(Restriction, AnErasedRecordingCannotBeRestricted) {
  v.mark_delivered(v.deliver({id}));
  must(finish_erasures(*v));
  EXPECT_FAULT(Fault::not_found, restrict(id));
  EXPECT_EQ(v.sql("SELECT count(*) FROM restriction"), "0");
  EXPECT_TRUE(v.gone(id));
}

TEST_F(Restriction, TheReasonIsForTheItManager) {
  EXPECT_OK(restrict(id, "asked by \"Jo\nBrightwater\""));
  EXPECT_FALSE(v.holds(base::as_bytes("Brightwater")));
  const auto identity = v.it_manager();
  const auto entry = must(v->audit().entries(0, 1000, &identity)).back();
  EXPECT_EQ(entry.name, "recording.restricted");
  EXPECT_EQ(entry.details, R"({"reason":"asked by \"Jo\nBrightwater\""})");
  ASSERT_EQ(entry.subjects.size(), 2U);
  EXPECT_EQ(entry.subjects[0], id);
}

TEST_F(Restriction, CanBeOpenedAgainAfterItsRelease) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_OK(restrict(id));
    EXPECT_TRUE(held());
    EXPECT_OK(release(id));
  }
  EXPECT_EQ(must(v->catalog().restrictions(id)).size(), 3U);
  EXPECT_TRUE(held());
}

// Deliveries.

TEST_F(Restriction, IsRefusedByNameAndDeliveredAfterItsRelease) {
  EXPECT_OK(restrict(id));
  const auto refused = try_deliver({other, id});
  EXPECT_FAULT(Fault::restricted, refused);
  EXPECT_NE(refused.error().what.find(id), std::string::npos);
  EXPECT_EQ(v.sql("SELECT count(*) FROM access"), "0");
  EXPECT_OK(release(id));
  EXPECT_OK(try_deliver({other, id}));
}

TEST_F(Restriction, IsLeftOutOfWhatIsChosenAndCounted) {
  EXPECT_OK(restrict(id));
  const auto delivery = must(try_deliver({}));
  EXPECT_EQ(delivery.recordings, 1U);
  EXPECT_EQ(delivery.restricted, 1U);
  const auto nothing = try_deliver({});
  EXPECT_FAULT(Fault::not_found, nothing);
  EXPECT_NE(nothing.error().what.find("restricted: 1"), std::string::npos);
  EXPECT_OK(release(id));
  EXPECT_EQ(must(try_deliver({})).restricted, 0U);
}

TEST_F(Restriction, IsLeftOutOfAReissue) {
  const auto old = v.deliver({id, other});
  EXPECT_OK(restrict(id));
  const auto anew = must(reissue_delivery(*v, v.actor(), old.id, std::nullopt));
  EXPECT_EQ(anew.recordings, 1U);
  EXPECT_EQ(anew.restricted, 1U);
  EXPECT_OK(restrict(other));
  EXPECT_FAULT(Fault::not_found, reissue_delivery(*v, v.actor(), anew.id, std::nullopt));
  EXPECT_EQ(must(v->catalog().access(anew.id)).state, "open");  // nothing was ended for nothing
  EXPECT_TRUE(held());
}

// The moment between opening the recordings and the transaction: a restriction that comes then wins.
TEST_F(Restriction, StopsADeliveryThatIsBeingMade) {
  v.sql(
      "CREATE TRIGGER meanwhile AFTER INSERT ON access BEGIN INSERT INTO restriction (id, recording, opened_at, "
      "opening)"
      " VALUES ('x-0123456789abcdef', '" +
      id + "', 1, ''); END");
  EXPECT_FAULT(Fault::restricted, try_deliver({other, id}));
  EXPECT_EQ(v.sql("SELECT count(*) FROM access"), "0");
}

// Downloads and restrictions of the same moment, in both orders.

TEST_F(Restriction, BeforeTheMarkItHoldsAndItsReleaseErases) {
  const auto delivery = v.deliver({id, other});
  EXPECT_OK(restrict(id));
  v.mark_delivered(delivery);
  EXPECT_EQ(item(), "delivered");
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 1U);
  EXPECT_TRUE(v.gone(other));
  EXPECT_TRUE(held());
  must(end_access(*v, delivery.id, "finished", "service"));
  EXPECT_TRUE(held());
  EXPECT_FAULT(Fault::not_found, reissue_delivery(*v, v.actor(), delivery.id, std::nullopt));
  EXPECT_EQ(must(release(id)), Released::to_be_erased);
  EXPECT_TRUE(v.gone(id));
  EXPECT_EQ(v.damage(), "");
  EXPECT_EQ(v.sql("SELECT reason FROM recording WHERE id = '" + id + "'"), "delivered");
}

TEST_F(Restriction, AfterTheMarkItComesTooLate) {
  const auto delivery = v.deliver({id});
  v.mark_delivered(delivery);
  EXPECT_FAULT(Fault::not_found, restrict(id));
  EXPECT_FALSE(is_restricted(id));
  must(finish_erasures(*v));
  EXPECT_TRUE(v.gone(id));
}

TEST_F(Restriction, WhatWasNotDownloadedIsOfferedAgainAfterTheRelease) {
  const auto delivery = v.deliver({id});
  EXPECT_OK(restrict(id));
  EXPECT_EQ(item(), "offered");
  EXPECT_EQ(must(release(id)), Released::to_be_delivered);
  EXPECT_EQ(item(), "offered");
  v.mark_delivered(delivery);
  must(finish_erasures(*v));
  EXPECT_TRUE(v.gone(id));
}

TEST_F(Restriction, TheEndOfADeliveryErasesNothingThatIsRestricted) {
  const auto delivery = v.deliver({id});
  EXPECT_OK(restrict(id));
  EXPECT_OK(revoke_delivery(*v, v.actor(), delivery.id));
  EXPECT_TRUE(held());
  EXPECT_EQ(must(release(id)), Released::to_be_delivered);
  EXPECT_TRUE(held());
}

// Nothing else may begin an erasure either.
TEST_F(Restriction, NoMarkForAnyReasonTakes) {
  EXPECT_OK(restrict(id));
  must(v->catalog().change([&]() -> base::Result<void> {
    EXPECT_EQ(must(v->catalog().mark_erasing(id, "due", 0)), 0);
    return {};
  }));
  EXPECT_TRUE(held());
}

// A release that is interrupted before the keys are destroyed is finished like every erasure.
TEST_F(Restriction, AReleaseIsFinishedLater) {
  const auto delivery = v.deliver({id});
  EXPECT_OK(restrict(id));
  v.mark_delivered(delivery);
  v.sql(
      "CREATE TRIGGER full BEFORE INSERT ON audit WHEN NEW.leaf LIKE '%erasure.done%'"
      " BEGIN SELECT RAISE(ABORT, 'full'); END");
  EXPECT_FAULT(Fault::failed, release(id));
  EXPECT_EQ(state(), "erasing");
  v.sql("DROP TRIGGER full");
  EXPECT_FAULT(Fault::not_found, restrict(id));
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 1U);
  EXPECT_TRUE(v.gone(id));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Restriction, AReleaseThatCannotBeLoggedReleasesNothing) {
  const auto delivery = v.deliver({id});
  EXPECT_OK(restrict(id));
  v.mark_delivered(delivery);
  v.sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END");
  EXPECT_FAULT(Fault::failed, release(id));
  EXPECT_FAULT(Fault::failed, restrict(other));
  v.sql("DROP TRIGGER full");
  EXPECT_TRUE(held());
  EXPECT_FALSE(is_restricted(other));
  EXPECT_TRUE(is_restricted(id));
}

// What lingers can still be held: only the end of its time, or of its claim, begins to destroy its keys.
class RestrictedLinger : public Restriction {
 protected:
  Delivery delivery = v.deliver({id});
  base::Seconds until = v.clock.now() + 600;
};

TEST_F(RestrictedLinger, IsHeldBeyondItsTimeAndErasedByTheRelease) {
  v.mark_delivered(delivery, until);
  EXPECT_EQ(state(), "erasing");
  EXPECT_OK(restrict(id));
  EXPECT_TRUE(held());
  EXPECT_FAULT(Fault::restricted, try_deliver({id}));
  v.clock.advance(10'000);
  EXPECT_TRUE(held());
  EXPECT_EQ(must(release(id)), Released::to_be_erased);
  EXPECT_TRUE(v.gone(id));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(RestrictedLinger, GoesOnAfterAnEarlyRelease) {
  v.mark_delivered(delivery, until);
  EXPECT_OK(restrict(id));
  v.clock.advance(599);
  EXPECT_EQ(must(release(id)), Released::to_be_erased);
  EXPECT_EQ(state(), "erasing");
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 0U);
  EXPECT_EQ(v.damage(), "");
  v.clock.advance(1);
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 1U);
  EXPECT_TRUE(v.gone(id));
}

TEST_F(RestrictedLinger, IsKeptFromADownloadDuringTheRestriction) {
  EXPECT_OK(restrict(id));
  v.mark_delivered(delivery, until);
  EXPECT_TRUE(held());
  EXPECT_EQ(must(release(id)), Released::to_be_erased);
  EXPECT_EQ(must(v->catalog().recording(id)).linger_until, until);
  EXPECT_EQ(state(), "erasing");
}

TEST_F(RestrictedLinger, TheCustomersRemoveWaitsForTheRelease) {
  v.mark_delivered(delivery, until);
  EXPECT_OK(restrict(id));
  must(end_linger(*v, delivery.id, id));
  EXPECT_TRUE(held());
  EXPECT_EQ(must(release(id)), Released::to_be_erased);
  EXPECT_TRUE(v.gone(id));
}

TEST_F(RestrictedLinger, TheEndOfTheClaimWaitsForTheRelease) {
  v.mark_delivered(delivery, until);
  EXPECT_OK(restrict(id));
  must(end_access(*v, delivery.id, "finished", "service"));
  EXPECT_TRUE(held());
  EXPECT_EQ(must(release(id)), Released::to_be_erased);
  EXPECT_TRUE(v.gone(id));
}

TEST_F(RestrictedLinger, AfterItsTimeTheFirstOfTheTwoTransactionsWins) {
  v.mark_delivered(delivery, until);
  v.clock.advance(601);
  EXPECT_OK(restrict(id));  // nobody has begun to erase it
  EXPECT_TRUE(held());
  EXPECT_OK(release(id));
  EXPECT_TRUE(v.gone(id));
}

TEST_F(RestrictedLinger, AfterItsEndItComesTooLate) {
  v.mark_delivered(delivery, until);
  v.clock.advance(601);
  // What finish_erasures() does before it touches a key.
  must(v->catalog().change([&] { return v->catalog().end_due_lingers(v.clock.now()); }));
  EXPECT_FAULT(Fault::not_found, restrict(id));
  must(finish_erasures(*v));
  EXPECT_TRUE(v.gone(id));
}

// Two processes: whichever restriction was answered with a success has held.
TEST_F(RestrictedLinger, AtOnceWithAnErasureEitherHoldsOrComesTooLate) {
  for (unsigned round = 0; round < 30; ++round) {
    const auto one = v.recording(100 + round, 500);
    const auto made = v.deliver({one});
    v.mark_delivered(made, v.clock.now() + 10);
    v.clock.advance(20);
    auto eraser = must(v.try_open());
    base::Result<Erased> erased = Erased{};
    std::thread other_process([&] { erased = finish_erasures(eraser); });
    const auto done = restrict(one);
    other_process.join();
    EXPECT_OK(erased);
    EXPECT_OK(finish_erasures(*v));
    if (done) {
      EXPECT_TRUE(v.whole(one));
      EXPECT_TRUE(is_restricted(one));
    } else {
      EXPECT_EQ(done.error().fault, Fault::not_found);
      EXPECT_TRUE(v.gone(one));
    }
    must(end_access(*v, made.id, "finished", "service"));
  }
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Restriction, AtOnceWithADownloadEitherHoldsOrComesTooLate) {
  for (unsigned round = 0; round < 30; ++round) {
    const auto one = v.recording(100 + round, 500);
    const auto made = v.deliver({one});
    auto keeper = must(v.try_open());
    base::Result<void> marked;
    std::thread other_process([&] {
      marked = mark_delivered(keeper, {{made.id, 0, one}});
      if (marked) {
        if (auto r = finish_erasures(keeper); !r) marked = r.error();
      }
    });
    const auto done = restrict(one);
    other_process.join();
    EXPECT_OK(marked);
    if (done) {
      EXPECT_TRUE(v.whole(one));
      EXPECT_EQ(must(release(one)), Released::to_be_erased);
    } else {
      EXPECT_EQ(done.error().fault, Fault::not_found);
    }
    EXPECT_TRUE(v.gone(one));
    must(end_access(*v, made.id, "finished", "service"));
  }
  EXPECT_EQ(v.damage(), "");
}

// Edited rows: check finds each, and none of them lets the recording go.
struct Edit {
  const char* name;
  const char* sql;  // ID is the restricted recording, OTHER one that is not, OLD a restriction of ID that was released
  bool holds;
};
void PrintTo(const Edit& edit, std::ostream* out) { *out << edit.name; }
class EditedRestriction : public Restriction, public ::testing::WithParamInterface<Edit> {};
INSTANTIATE_TEST_SUITE_P(
    Row, EditedRestriction,
    ::testing::Values(
        Edit{"closed_without_a_statement", "UPDATE restriction SET closed_at = 1 WHERE closed_at = 0", true},
        Edit{"closed_with_the_opening", "UPDATE restriction SET closed_at = opened_at, release = opening", true},
        Edit{"closed_with_an_earlier_release",
             "UPDATE restriction SET (closed_at, release) = (SELECT o.closed_at, o.release FROM restriction o WHERE "
             "o.id = 'OLD') WHERE closed_at = 0",
             true},
        Edit{"earlier_row_in_its_place",
             "DELETE FROM restriction WHERE id = 'OLD'; UPDATE restriction SET id = 'OLD', closed_at = 1", true},
        Edit{"release_at_another_time", "UPDATE restriction SET closed_at = closed_at + 1 WHERE id = 'OLD'", true},
        Edit{"open_with_a_release",
             "UPDATE restriction SET release = (SELECT o.release FROM restriction o WHERE o.id = 'OLD')", true},
        Edit{"unsigned", "UPDATE restriction SET opening = '' WHERE closed_at = 0", true},
        Edit{"statement_edited", "UPDATE restriction SET opening = replace(opening, 'restrict', 'restrain')", true},
        Edit{"opened_at_another_time", "UPDATE restriction SET opened_at = opened_at + 1 WHERE closed_at = 0", true},
        Edit{"made_up",
             "INSERT INTO restriction SELECT 'x-0123456789abcdef', 'OTHER', opened_at, 0, opening, '' FROM restriction"
             " WHERE closed_at = 0",
             true},
        Edit{"of_another_recording", "UPDATE restriction SET recording = 'OTHER' WHERE closed_at = 0", false},
        Edit{"opened_again", "UPDATE restriction SET closed_at = 0, release = '' WHERE id = 'OLD';", true},
        Edit{"old_one_deleted", "DELETE FROM restriction WHERE id = 'OLD'", true},
        Edit{"deleted", "DELETE FROM restriction WHERE closed_at = 0", false},
        Edit{"all_deleted", "DELETE FROM restriction", false},
        Edit{"state_erasing", "UPDATE recording SET state = 'erasing' WHERE id = 'ID'", true},
        Edit{"state_erased", "UPDATE recording SET state = 'erased' WHERE id = 'ID'", true}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_P(EditedRestriction, IsFoundByCheckAndLetsNothingGo) {
  EXPECT_OK(restrict(id));
  v.clock.advance(5);
  EXPECT_OK(release(id));
  const std::string old = must(v->catalog().restrictions(id)).front().id;
  v.clock.advance(5);
  EXPECT_OK(restrict(id));
  ASSERT_EQ(v.damage(), "");
  std::string edit = GetParam().sql;
  if (GetParam().name == std::string("opened_again"))  // the index allows one open restriction
    edit = "DROP INDEX restriction_once; " + edit;
  for (const auto& [word, value] : {std::pair<std::string, std::string>{"OTHER", other}, {"OLD", old}, {"ID", id}})
    for (auto at = edit.find("'" + word + "'"); at != std::string::npos; at = edit.find("'" + word + "'"))
      edit.replace(at + 1, word.size(), value);
  v.sql(edit);
  EXPECT_NE(v.damage(), "");
  EXPECT_EQ(is_restricted(id), GetParam().holds);
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 0U);
  EXPECT_OK(v->slots().read(must(v->catalog().recording(id)).columns.slot));
  if (GetParam().holds && state() == "sealed") {
    EXPECT_FAULT(Fault::restricted, try_deliver({id}));
    EXPECT_OK(release(id));  // what is not validly closed can be released, by somebody who may
    EXPECT_FALSE(is_restricted(id));
    EXPECT_OK(try_deliver({id}));
  }
}

// A release counts only under the key of somebody who may.
TEST_F(Restriction, AStatementOfSomebodyWhoMayNotReleasesNothing) {
  auto joins = v.add_tech_manager();
  const auto tech = must(recognise(*v, std::move(joins)));
  const auto recovery = must(recognise(*v, v.recovery()));
  EXPECT_OK(restrict(id));
  const auto row = must(v->catalog().restrictions(id)).front();
  for (const auto* signer : {&tech.signer, &recovery.signer, &v->service()}) {
    const std::string by(signer->verifier().name());
    keys::NoteFields note{"callvault/v1/restriction",
                          {{"act", "release"},
                           {"restriction", row.id},
                           {"recording", id},
                           {"by", by},
                           {"at", base::rfc3339(v.clock.now())}}};
    v.sql("UPDATE restriction SET closed_at = " + std::to_string(v.clock.now()) + ", release = '" +
          must(signer->sign(note.print())) + "'");
    EXPECT_TRUE(is_restricted(id)) << by;
    EXPECT_FAULT(Fault::restricted, try_deliver({id})) << by;
  }
  // The very same text, signed by the IT Manager, does.
  const auto manager = v.actor();
  keys::NoteFields note{"callvault/v1/restriction",
                        {{"act", "release"},
                         {"restriction", row.id},
                         {"recording", id},
                         {"by", manager.holder.name},
                         {"at", base::rfc3339(v.clock.now())}}};
  v.sql("UPDATE restriction SET release = '" + must(manager.signer.sign(note.print())) + "'");
  EXPECT_FALSE(is_restricted(id));
}

// Schema.

// Undoes every migration since.
constexpr const char* kBackToVersion2 =
    "DROP TABLE restriction; DROP INDEX access_taking_in; ALTER TABLE access DROP COLUMN takes_in;"
    "ALTER TABLE access DROP COLUMN turn; PRAGMA user_version = 2";

TEST_F(Restriction, AnOlderCatalogueLearnsOfThem) {
  v.close();
  v.sql(kBackToVersion2);
  EXPECT_FALSE(is_restricted(id));
  EXPECT_EQ(v.sql("PRAGMA user_version"), std::to_string(migrations().size()));
  EXPECT_OK(restrict(id));
  EXPECT_TRUE(held());
}

// After an update the daemon and the first commands may come at once.
TEST_F(Restriction, AnOlderCatalogueIsBroughtUpToDateOnceByManyAtOnce) {
  for (int round = 0; round < 10; ++round) {
    v.close();
    v.sql(kBackToVersion2);
    std::vector<std::thread> openers;
    std::vector<base::Result<void>> results(8);
    for (auto& result : results)
      openers.emplace_back([&] {
        const auto opened = v.try_open();
        if (!opened) result = opened.error();
      });
    for (auto& opener : openers) opener.join();
    for (const auto& result : results) EXPECT_OK(result);
  }
  EXPECT_OK(restrict(id));
}

TEST_F(Restriction, ANewerCatalogueIsRefused) {
  v.close();
  v.sql("PRAGMA user_version = " + std::to_string(migrations().size() + 1));
  EXPECT_FAULT(Fault::failed, v.try_open());
}

}  // namespace
}  // namespace vault
