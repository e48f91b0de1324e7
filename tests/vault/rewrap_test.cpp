#include "vault/rewrap.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>

#include "keys/sealed_header.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/faulty_files.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_vault.h"
#include "vault/claim.h"
#include "vault/customer.h"
#include "vault/erase.h"
#include "vault/open_recording.h"
#include "vault/restriction.h"

namespace vault {
namespace {

using base::Bytes, base::Fault;
using testkit::FaultyFiles, testkit::must, testkit::TempVault;
using Loss = FaultyFiles::Loss;

void nobody_listens(const RewrapProgress&) {}

// Three recordings of a customer and one of our own. "tech" joins and leaves by new versions of the roster.
class Rewrapped : public ::testing::Test {
 protected:
  void put(std::vector<keys::RoleHolder> holders) {
    const auto version = v->roster().version() + 1;
    v.put_roster(must(keys::Roster::make(version, holders, signer_)));
    v.reopen();
  }
  void join() {
    auto holders = v.holders();
    holders.push_back({keys::Role::tech_manager, "tech", tech.recipient(),
                       must(keys::NoteSigner::create("tech", *tech.signing_seed())).verifier()});
    put(holders);
  }
  void leave() {
    auto holders = v.holders();
    std::erase_if(holders, [](const auto& holder) { return holder.role == keys::Role::tech_manager; });
    put(holders);
  }
  base::Result<RewrapResult> run() { return rewrap(*v, v.it_manager(), nobody_listens); }
  void join_and_rewrap() {
    join();
    must(run());
  }

  std::uint64_t slot(const std::string& id) { return must(v->catalog().recording(id)).columns.slot; }
  std::string headers(const std::string& id) {
    return v.sql("SELECT recipient, sealed FROM header WHERE recording = '" + id + "' ORDER BY recipient");
  }
  std::string row(const std::string& id) {
    return v.sql("SELECT * FROM recording WHERE id = '" + id + "'") + "\n" + headers(id);
  }
  int entries(const std::string& event) {
    return std::stoi(v.sql("SELECT count(*) FROM audit WHERE leaf LIKE '%event: " + event + "\n%'"));
  }
  bool has_header(const std::string& id, const keys::Identity& identity) {
    return must(v->catalog().header(id, keys::recipient_id(identity.recipient()))).has_value();
  }
  // The catalogue and objects of then with the key-slot store of now.
  void put_old_rows_back(TempVault::Saved old) {
    auto now = v.save();
    std::erase_if(now, [](const auto& file) { return !file.first.starts_with("slots/"); });
    std::erase_if(old, [](const auto& file) { return file.first.starts_with("slots/"); });
    now.merge(old);
    v.put_back(now);
  }
  // What the keeper gives a session, opened with what the password makes.
  base::Result<void> opens_in(const Delivery& delivery, const std::string& id) {
    auto stored = stored_recording(*v, id, delivery.id);
    if (!stored) return stored.error();
    if (!stored->header) return base::Error{Fault::not_found, "no header"};
    if (!stored->secret) return stored->secret.error();
    auto access = v->slots().read(must(v->catalog().access(delivery.id)).slot);
    if (!access) return access.error();
    auto header =
        keys::open_header({id, delivery.id}, *stored->secret, &*access, must(base::unbase64(*stored->header)));
    if (!header) return header.error();
    auto file_key = v.key_of(delivery).unwrap_one(header->reveal());
    if (!file_key) return file_key.error();
    auto record = verified_record(*v, stored->row);
    if (!record) return record.error();
    EXPECT_EQ(must(keys::commitment(*file_key, id)), record->commitment);
    return {};
  }

  TempVault v;
  keys::NoteSigner signer_ = std::move(v.actor().signer);
  keys::Identity tech = must(keys::Identity::generate());
  std::string first = v.recording(1), second = v.recording(2), third = v.recording(3), own = v.recording(4, 3000, "");
  std::vector<std::string> all{first, second, third, own};
};

TEST_F(Rewrapped, ANewTechManagerGetsHeadersOfCustomersRecordingsOnly) {
  const auto record = must(v->catalog().recording(first)).record;
  const auto own_row = row(own);
  join();
  EXPECT_FAULT(Fault::denied, v.read(first, tech));
  EXPECT_NE(v.damage().find("no header for tech"), std::string::npos);
  std::vector<std::uint64_t> seen;
  const auto result = must(rewrap(*v, v.it_manager(), [&](const RewrapProgress& progress) {
    seen.push_back(progress.done);
    EXPECT_EQ(progress.all, 4U);
  }));
  EXPECT_EQ(result.added, 3U);
  EXPECT_EQ(result.moved, 0U);
  EXPECT_EQ(result.skipped, 1U);
  EXPECT_EQ(seen, std::vector<std::uint64_t>{4});
  for (const auto& id : {first, second, third}) {
    EXPECT_OK(v.read(id, tech));
    EXPECT_OK(v.read(id, v.recovery()));
    EXPECT_TRUE(v.whole(id));
  }
  EXPECT_FAULT(Fault::denied, v.read(own, tech));
  EXPECT_EQ(row(own), own_row);
  EXPECT_EQ(must(v->catalog().recording(first)).record, record);  // it stays in its slot
  EXPECT_EQ(entries("recordings.rewrapped"), 1);
  EXPECT_EQ(v.damage(), "");

  const auto again = must(run());
  EXPECT_EQ(again.added + again.moved, 0U);
  EXPECT_EQ(again.skipped, 4U);
  EXPECT_EQ(entries("recordings.rewrapped"), 1);
}

TEST_F(Rewrapped, WithoutALeaverEveryRecordingThatHeCouldOpenIsMoved) {
  join_and_rewrap();
  const auto slots = std::vector{slot(first), slot(second), slot(third)};
  const auto own_row = row(own);
  const auto object = must(base::read_file(v.folder() / "objects" / first.substr(2, 2) / first, 1 << 20));
  leave();
  EXPECT_NE(v.damage().find("somebody who may not open it"), std::string::npos);
  const auto result = must(run());
  EXPECT_EQ(result.moved, 3U);
  EXPECT_EQ(result.added, 0U);
  EXPECT_EQ(result.skipped, 1U);
  for (const auto& id : all) {
    EXPECT_FALSE(has_header(id, tech));
    EXPECT_FAULT(Fault::denied, v.read(id, tech));
    EXPECT_TRUE(v.whole(id));
    EXPECT_OK(v.read(id, v.recovery()));
    EXPECT_OK(verify_object(*v, must(v->catalog().recording(id))));
  }
  EXPECT_EQ(row(own), own_row);
  EXPECT_GT(slot(first), *std::ranges::max_element(slots));
  for (const auto old : slots) EXPECT_FAULT(Fault::not_found, v->slots().read(old));
  EXPECT_EQ(must(base::read_file(v.folder() / "objects" / first.substr(2, 2) / first, 1 << 20)), object);
  EXPECT_EQ(v.sql("SELECT count(*) FROM old_slot"), "0");
  EXPECT_EQ(v.damage(), "");
  EXPECT_EQ(must(run()).skipped, 4U);
}

TEST_F(Rewrapped, ALeaverOpensNothingFromAnOldCatalogueWithThePresentSlots) {
  join_and_rewrap();
  const auto old = v.save();
  EXPECT_OK(v.read(first, tech));  // it was the right copy
  leave();
  must(run());
  put_old_rows_back(old);
  for (const auto& id : {first, second, third}) {
    EXPECT_FAULT(Fault::damaged, v.read(id, tech));
    EXPECT_FAULT(Fault::damaged, v.read(id, v.it_manager()));
  }
  EXPECT_TRUE(v.whole(own));
}

TEST_F(Rewrapped, NoSecretThatIsLeftOpensARowThatALeaverKept) {
  join_and_rewrap();
  const std::string recipient = keys::recipient_id(tech.recipient());
  const auto kept = must(base::unbase64(must(v->catalog().header(first, recipient)).value()));
  const auto old_slot = slot(first);
  const auto secret = testkit::bytes_of(must(v->slots().read(old_slot)));
  ASSERT_OK(keys::open_header({first, recipient}, testkit::secret(secret), nullptr, kept));
  leave();
  must(run());
  for (keys::SlotId other = 0; other < slot(third) + 8; ++other) {
    const auto present = v->slots().read(other);
    if (!present) continue;
    EXPECT_FAULT(Fault::damaged, keys::open_header({first, recipient}, *present, nullptr, kept)) << other;
  }
  ASSERT_EQ(must(v->catalog().empty_log()), 0);
  v.close();
  EXPECT_FALSE(v.holds(secret));
  EXPECT_FALSE(v.holds(kept));
  EXPECT_FALSE(v.holds(base::as_bytes(base::base64(kept))));
}

// key rotate: the old key opens, the roster lists the new one only.
TEST_F(Rewrapped, AReplacedKeyOpensForTheLastTime) {
  const auto fresh = must(keys::Identity::generate());
  auto holders = v.holders();
  for (auto& holder : holders)
    if (holder.role == keys::Role::it_manager) holder.recipient = fresh.recipient();
  put(holders);
  const auto result = must(rewrap(*v, v.it_manager(), nobody_listens));
  EXPECT_EQ(result.moved, 4U);
  for (const auto& id : all) {
    EXPECT_OK(v.read(id, fresh));
    EXPECT_OK(v.read(id, v.recovery()));
    EXPECT_FALSE(has_header(id, v.it_manager()));
    EXPECT_FAULT(Fault::denied, v.read(id, v.it_manager()));
  }
  EXPECT_EQ(v.damage(), "");
  EXPECT_EQ(must(rewrap(*v, v.it_manager(), nobody_listens)).skipped, 4U);  // it could not open them, and need not
}

// key recover: a new IT Manager, no Tech Manager, opened by the recovery identity.
TEST_F(Rewrapped, TheRecoveryIdentityMovesEverythingToANewItManager) {
  join_and_rewrap();
  const auto fresh = must(keys::Identity::generate());
  auto holders = v.holders();
  std::erase_if(holders, [](const auto& holder) { return holder.role == keys::Role::tech_manager; });
  for (auto& holder : holders)
    if (holder.role == keys::Role::it_manager) holder.recipient = fresh.recipient();
  put(holders);
  EXPECT_EQ(must(rewrap(*v, v.recovery(), nobody_listens)).moved, 4U);
  for (const auto& id : all) {
    EXPECT_OK(v.read(id, fresh));
    EXPECT_OK(v.read(id, v.recovery()));
    for (const auto* gone : {&tech}) EXPECT_FAULT(Fault::denied, v.read(id, *gone));
    EXPECT_FAULT(Fault::denied, v.read(id, v.it_manager()));
  }
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Rewrapped, WhoCannotOpenARecordingChangesNothingOfIt) {
  join_and_rewrap();
  auto deputy = must(keys::Identity::generate());
  auto holders = v.holders();
  holders.push_back({keys::Role::it_manager, "deputy", deputy.recipient(),
                     must(keys::NoteSigner::create("deputy", *deputy.signing_seed())).verifier()});
  put(holders);
  const auto own_row = row(own);
  const auto r = rewrap(*v, tech, nobody_listens);
  ASSERT_FAULT(Fault::denied, r);
  EXPECT_NE(r.error().what.find(own), std::string::npos);
  EXPECT_EQ(r.error().what.find(first), std::string::npos);
  EXPECT_EQ(row(own), own_row);
  for (const auto& id : {first, second, third}) EXPECT_OK(v.read(id, deputy));  // the others are done
  EXPECT_EQ(must(run()).added, 1U);
  EXPECT_OK(v.read(own, deputy));
}

TEST_F(Rewrapped, ATechManagerNeedNotOpenWhatNeedsNothing) {
  join();
  must(run());
  EXPECT_EQ(must(rewrap(*v, tech, nobody_listens)).skipped, 4U);
}

// Running accesses.

TEST_F(Rewrapped, ADeliveryGoesOnFromTheNewSlots) {
  join_and_rewrap();
  const auto open = v.deliver({first});
  const auto claimed = v.deliver({second});
  const auto candidate = [&](const Delivery& delivery) {
    for (auto& one : must(candidates(*v, "acme", 8)))
      if (one.row.id == delivery.id) return one;
    std::abort();
  };
  EXPECT_EQ(must(enter(*v, candidate(claimed), "192.0.2.1", 0)), Entrance::claimed);
  EXPECT_OK(opens_in(open, first));
  const auto before = headers(second);
  leave();
  must(run());
  EXPECT_NE(headers(second), before);
  EXPECT_OK(opens_in(open, first));
  EXPECT_OK(opens_in(claimed, second));
  EXPECT_EQ(v.damage(), "");
  v.mark_delivered(claimed);
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 1U);
  EXPECT_TRUE(v.gone(second));
  EXPECT_EQ(v.damage(), "");
}

// Rows come in the order of their recipients: this one behind the leaver's.
TEST_F(Rewrapped, AStandingAccessGoesOnToo) {
  join_and_rewrap();
  const auto access_slot = must(v->catalog().access(v.deliver({second}).id)).slot + 1000;
  const std::string id = "s-0000000000000000";
  v.sql(
      "INSERT INTO access (id, kind, account, customer, state, not_before, expires, slot, strict, any_address,"
      " statement, created_at) VALUES ('" +
      id + "', 'standing', 'acme', 'acme', 'open', 0, 1, " + std::to_string(access_slot) + ", 0, 0, '', 0)");
  const Bytes inside = testkit::pattern(168);
  const auto secret = must(v->slots().read(access_slot));
  const auto sealed = must(keys::seal_header({first, id}, must(v->slots().read(slot(first))), &secret, inside));
  v.sql("INSERT INTO header VALUES ('" + first + "', '" + id + "', '" + base::base64(sealed) + "')");
  leave();
  EXPECT_EQ(must(run()).moved, 3U);
  const auto stored = must(stored_recording(*v, first, id));
  ASSERT_TRUE(stored.header);
  const auto opened = keys::open_header({first, id}, *stored.secret, &secret, must(base::unbase64(*stored.header)));
  ASSERT_OK(opened);
  EXPECT_EQ(testkit::bytes_of(*opened), inside);
}

TEST_F(Rewrapped, TheHeaderOfAnEndedAccessDoesNotComeAlong) {
  join_and_rewrap();
  const auto delivery = v.deliver({first});
  const auto header = v.sql("SELECT sealed FROM header WHERE recipient = '" + delivery.id + "'");
  must(end_access(*v, delivery.id, "revoked", "service"));
  v.sql("INSERT INTO header VALUES ('" + first + "', '" + delivery.id + "', '" + header + "')");  // from a copy
  leave();
  EXPECT_EQ(must(run()).moved, 3U);
  EXPECT_EQ(v.sql("SELECT count(*) FROM header WHERE recipient = '" + delivery.id + "'"), "0");
  EXPECT_EQ(v.damage(), "");
}

// An access of the leaver's own name would keep his header where it is.
TEST_F(Rewrapped, ARecipientsIdIsNoAccess) {
  join_and_rewrap();
  const auto delivery = v.deliver({first});
  const std::string recipient = keys::recipient_id(tech.recipient());
  v.sql("UPDATE access SET id = '" + recipient + "' WHERE id = '" + delivery.id + "'; DELETE FROM item");
  leave();
  (void)run();
  EXPECT_FALSE(has_header(second, tech));
  EXPECT_FAULT(Fault::denied, v.read(second, tech));
}

TEST_F(Rewrapped, WhatLingersIsMovedAndStillOpensToItsClaim) {
  join_and_rewrap();
  const auto delivery = v.deliver({first, second});
  v.mark_delivered(delivery, v.clock.now() + 600);
  const auto old = slot(first);
  leave();
  EXPECT_EQ(must(run()).moved, 3U);
  EXPECT_FAULT(Fault::not_found, v->slots().read(old));
  EXPECT_EQ(must(v->catalog().recording(first)).state, "erasing");
  EXPECT_OK(opens_in(delivery, first));
  v.clock.advance(601);
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 2U);
  EXPECT_TRUE(v.gone(first));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Rewrapped, WhatIsRestrictedStaysSo) {
  join_and_rewrap();
  must(restrict_recording(*v, v.actor(), first, ""));
  leave();
  EXPECT_EQ(must(run()).moved, 3U);
  EXPECT_FAULT(Fault::restricted, unrestricted(*v, first));
  EXPECT_EQ(must(v->catalog().recording(first)).state, "sealed");
  EXPECT_TRUE(v.whole(first));
  EXPECT_FAULT(Fault::denied, v.read(first, tech));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Rewrapped, WhatIsBeingErasedIsLeftAlone) {
  join_and_rewrap();
  v.mark_delivered(v.deliver({first}));
  const auto before = row(first);
  leave();
  // The erasure is stopped behind its first step; rewrap finishes what it can, too.
  v.sql(
      "CREATE TRIGGER full BEFORE INSERT ON audit WHEN NEW.leaf LIKE '%erasure.done%'"
      " BEGIN SELECT RAISE(ABORT, 'full'); END");
  EXPECT_FAULT(Fault::failed, run());
  EXPECT_EQ(row(first), before);
  v.sql("DROP TRIGGER full");
  EXPECT_EQ(must(run()).moved, 2U);
  EXPECT_TRUE(v.gone(first));
  EXPECT_EQ(v.damage(), "");
}

// Damage: of the recording that was edited nothing is changed, the others are done.

struct Edit {
  const char* name;
  const char* sql;
};
void PrintTo(const Edit& edit, std::ostream* out) { *out << edit.name; }
std::string edit_name(const ::testing::TestParamInfo<Edit>& test) { return test.param.name; }

class EditedBeforeAMove : public Rewrapped, public ::testing::WithParamInterface<Edit> {
 protected:
  std::string filled(std::string text) {
    for (const auto& [mark, value] : {std::pair<std::string, std::string>{"{id}", first},
                                      {"{other}", second},
                                      {"{opener}", keys::recipient_id(v.it_manager().recipient())}})
      for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark))
        text.replace(at, mark.size(), value);
    return text;
  }
};

TEST_P(EditedBeforeAMove, IsNamedAndLeftAsItIs) {
  must(add_customer(*v, v.actor(), "other", "", 0));
  join_and_rewrap();
  const auto secret = slot(first);
  leave();
  v.sql(filled(GetParam().sql));
  const auto before = row(first);
  const auto r = run();
  ASSERT_FAULT(Fault::damaged, r);
  EXPECT_NE(r.error().what.find(first), std::string::npos);
  EXPECT_EQ(row(first), before);
  EXPECT_OK(v->slots().read(secret));
  EXPECT_FALSE(has_header(third, tech));
  EXPECT_TRUE(v.whole(third));
  ASSERT_FAULT(Fault::damaged, run());
}

INSTANTIATE_TEST_SUITE_P(
    All, EditedBeforeAMove,
    ::testing::Values(
        Edit{"klass", "UPDATE recording SET class = 'own', customer = NULL WHERE id = '{id}'"},
        Edit{"customer", "UPDATE recording SET customer = 'other' WHERE id = '{id}'"},
        Edit{"size", "UPDATE recording SET size = size - 1 WHERE id = '{id}'"},
        Edit{"slot", "UPDATE recording SET slot = slot + 100 WHERE id = '{id}'"},
        Edit{"slot_behind_all", "UPDATE recording SET slot = 9223372036854775807 WHERE id = '{id}'"},
        Edit{"slot_negative", "UPDATE recording SET slot = -1 WHERE id = '{id}'"},
        Edit{"slots_swapped",
             "CREATE TEMP TABLE t AS SELECT id, slot FROM recording WHERE id IN ('{id}', '{other}'); UPDATE recording"
             " SET slot = slot + 1000 WHERE id IN ('{id}', '{other}'); UPDATE recording SET slot = (SELECT slot FROM t"
             " WHERE t.id <> recording.id) WHERE id IN ('{id}', '{other}')"},
        Edit{"record_of_another",
             "UPDATE recording SET record = (SELECT record FROM recording WHERE id = '{other}') WHERE id = '{id}'"},
        Edit{"record_edited", "UPDATE recording SET record = replace(record, 'inbound', 'inbounx') WHERE id = '{id}'"},
        Edit{"metadata_of_another",
             "UPDATE metadata SET payload = (SELECT payload FROM metadata WHERE recording = '{other}')"
             " WHERE recording = '{id}'"},
        Edit{"metadata_missing", "DELETE FROM metadata WHERE recording = '{id}'"},
        Edit{"header_of_another_recording",
             "UPDATE header SET sealed = (SELECT h.sealed FROM header h WHERE h.recording = '{other}' AND h.recipient ="
             " header.recipient) WHERE recording = '{id}'"},
        Edit{"header_of_another_recipient",
             "UPDATE header SET sealed = (SELECT h.sealed FROM header h WHERE h.recording = '{id}' AND h.recipient <>"
             " '{opener}' LIMIT 1) WHERE recording = '{id}' AND recipient = '{opener}'"},
        Edit{
            "header_flipped",
            "UPDATE header SET sealed = replace(sealed, substr(sealed, 9, 1), CASE WHEN substr(sealed, 9, 1) = 'A' THEN"
            " 'B' ELSE 'A' END) WHERE recording = '{id}'"},
        Edit{"header_empty", "UPDATE header SET sealed = '' WHERE recording = '{id}'"}),
    edit_name);

// A row of somebody else that nobody could look into is not carried on: all headers are made anew.
TEST_F(Rewrapped, AMoveMendsTheRowOfAnotherRole) {
  join_and_rewrap();
  v.sql("UPDATE header SET sealed = 'AAAA' WHERE recipient = '" + keys::recipient_id(v.recovery().recipient()) + "'");
  EXPECT_FAULT(Fault::damaged, v.read(first, v.recovery()));
  leave();
  must(run());
  EXPECT_OK(v.read(first, v.recovery()));
}

TEST_F(Rewrapped, AnAccessWhoseSlotWasEditedIsDamage) {
  join_and_rewrap();
  const auto delivery = v.deliver({first});
  leave();
  v.sql("UPDATE access SET slot = slot + 1");
  const auto before = row(first);
  ASSERT_FAULT(Fault::damaged, run());
  EXPECT_EQ(row(first), before);
  v.sql("UPDATE access SET slot = slot - 1");
  EXPECT_EQ(must(run()).moved, 1U);
  EXPECT_OK(opens_in(delivery, first));
}

TEST_F(Rewrapped, ThousandsOfDamagedOnesAreCountedAndSomeAreNamed) {
  for (unsigned i = 100; i < 130; ++i) v.recording(i, 300);
  join();
  v.sql("UPDATE recording SET category = 'message' WHERE class = 'customer'");
  const auto r = run();
  ASSERT_FAULT(Fault::damaged, r);
  EXPECT_NE(r.error().what.find("33 of 34"), std::string::npos) << r.error().what;
  EXPECT_NE(r.error().what.find("and 17 more"), std::string::npos) << r.error().what;
}

// Crashes.

class RewrapFault : public Rewrapped, public ::testing::WithParamInterface<Loss> {};
INSTANTIATE_TEST_SUITE_P(Losses, RewrapFault, ::testing::Values(Loss::unsynced_is_lost, Loss::all_is_kept));

TEST_P(RewrapFault, EveryCutFileCallLeavesEveryRecordingInOneSlotAndIsGoneOnFrom) {
  join_and_rewrap();
  const auto delivery = v.deliver({second});
  const auto old = slot(first);
  leave();
  const auto saved = v.save();
  bool finished = false;
  for (std::int64_t k = 0; !finished; ++k) {
    SCOPED_TRACE("cut at call " + std::to_string(k));
    v.put_back(saved);
    FaultyFiles files(k, GetParam());
    auto cut = v.try_open(files);
    if (cut) {
      const auto result = rewrap(*cut, v.it_manager(), nobody_listens);
      EXPECT_EQ(static_cast<bool>(result), !files.reached());
      cut = base::Error{Fault::failed, "the process has ended"};
    }
    finished = !files.reached();
    for (const auto& id : all) EXPECT_TRUE(v.whole(id));
    EXPECT_OK(opens_in(delivery, second));
    must(run());
    for (const auto& id : all) {
      EXPECT_TRUE(v.whole(id));
      EXPECT_FALSE(has_header(id, tech));
    }
    EXPECT_OK(opens_in(delivery, second));
    EXPECT_FAULT(Fault::not_found, v->slots().read(old));
    EXPECT_EQ(v.sql("SELECT count(*) FROM old_slot"), "0");
    EXPECT_EQ(v.damage(), "");
  }
}

class RewrapStep : public Rewrapped, public ::testing::WithParamInterface<Edit> {};

TEST_P(RewrapStep, ThatFailsLeavesNothingHalfDone) {
  join_and_rewrap();
  const auto delivery = v.deliver({second});
  leave();
  std::string before;
  for (const auto& id : all) before += row(id);
  v.sql(std::string("CREATE TRIGGER full BEFORE ") + GetParam().sql + " BEGIN SELECT RAISE(ABORT, 'full'); END");
  EXPECT_FAULT(Fault::failed, run());
  std::string after;
  for (const auto& id : all) after += row(id);
  const bool moved = after != before;
  EXPECT_EQ(moved, v.sql("SELECT count(*) FROM old_slot") == "3");  // all of the batch, or nothing
  for (const auto& id : all) EXPECT_TRUE(v.whole(id));
  EXPECT_OK(opens_in(delivery, second));
  v.sql("DROP TRIGGER full");
  v.reopen();
  if (moved) {  // what the daemon does when it starts, and check --repair
    EXPECT_EQ(must(finish_erasures(*v)).old_slots, 3U);
    EXPECT_EQ(must(run()).moved, 0U);
  } else {
    EXPECT_EQ(must(run()).moved, 3U);
  }
  for (const auto& id : all) EXPECT_FALSE(has_header(id, tech));
  EXPECT_OK(opens_in(delivery, second));
  EXPECT_EQ(v.sql("SELECT count(*) FROM old_slot"), "0");
  EXPECT_EQ(v.damage(), "");
}

INSTANTIATE_TEST_SUITE_P(
    All, RewrapStep,
    ::testing::Values(Edit{"slots_taken", "UPDATE ON setting WHEN NEW.name = 'next_slot'"},
                      Edit{"slot_changed", "UPDATE OF slot ON recording"}, Edit{"headers_dropped", "DELETE ON header"},
                      Edit{"header_added", "INSERT ON header"}, Edit{"old_slot_noted", "INSERT ON old_slot"},
                      Edit{"entry", "INSERT ON audit WHEN NEW.leaf LIKE '%recordings.rewrapped%'"},
                      Edit{"old_slot_dropped", "DELETE ON old_slot"},
                      Edit{"erasure_noted", "INSERT ON audit WHEN NEW.leaf LIKE '%erasure.done%'"}),
    edit_name);

TEST_F(Rewrapped, CheckNamesOldSlotsThatStillStand) {
  join_and_rewrap();
  leave();
  v.sql(
      "CREATE TRIGGER full BEFORE INSERT ON audit WHEN NEW.leaf LIKE '%erasure.done%'"
      " BEGIN SELECT RAISE(ABORT, 'full'); END");
  EXPECT_FAULT(Fault::failed, run());
  v.sql("DROP TRIGGER full");
  const auto standing = [&](bool repair) {
    CheckRequest request;
    request.repair = repair;
    const auto found = must(check(*v, request));
    return std::ranges::count_if(found, [](const Finding& finding) {
      return finding.weight == Finding::Weight::warning && finding.what.find("still stands") != std::string::npos;
    });
  };
  EXPECT_EQ(standing(false), 3);
  EXPECT_EQ(standing(true), 0);
  EXPECT_EQ(standing(false), 0);
}

// Rows of old slots that were made by hand: no secret of anything that lives goes.

class OldSlotByHand : public Rewrapped {
 protected:
  void expect_refused(std::uint64_t slot, const std::string& recording, const std::string& record) {
    v.sql("INSERT INTO old_slot VALUES (" + std::to_string(slot) + ", '" + recording + "', '" + record + "')");
    const auto erased = must(finish_erasures(*v));
    EXPECT_EQ(erased.old_slots, 0U);
    EXPECT_OK(v->slots().read(slot));
    EXPECT_NE(v.damage().find("old slot " + std::to_string(slot)), std::string::npos) << v.damage();
    v.sql("DELETE FROM old_slot");
    EXPECT_EQ(v.damage(), "");
  }
  std::string record(const std::string& id) { return v.sql("SELECT record FROM recording WHERE id = '" + id + "'"); }
};

TEST_F(OldSlotByHand, OfALivingRecording) {
  expect_refused(slot(first), first, record(first));
  expect_refused(slot(first), second, record(second));
  expect_refused(slot(first), second, record(first));
  expect_refused(slot(first), first, "");
}

TEST_F(OldSlotByHand, OfAnAccessOrAMonth) {
  const auto delivery = v.deliver({first});
  expect_refused(must(v->catalog().access(delivery.id)).slot, first, record(first));
  must(restrict_recording(*v, v.actor(), second, "a reason, which is sealed for the month"));
  const auto month = v.sql("SELECT slot FROM audit_month LIMIT 1");
  ASSERT_NE(month, "");
  expect_refused(std::stoull(month), first, record(first));
}

// With the row of then put back, the slot that rules is not the old one of a slot before it.
TEST_F(OldSlotByHand, AnOlderRecordPutBack) {
  join_and_rewrap();
  const auto old_record = record(first);
  const auto old = slot(first);
  leave();
  must(run());
  const auto living = slot(first);
  const auto living_record = record(first);
  v.sql("UPDATE recording SET slot = " + std::to_string(old) + ", record = '" + old_record + "' WHERE id = '" + first +
        "'; INSERT INTO old_slot VALUES (" + std::to_string(living) + ", '" + first + "', '" + living_record + "')");
  EXPECT_EQ(must(finish_erasures(*v)).old_slots, 0U);
  EXPECT_OK(v->slots().read(living));
}

// Others at work meanwhile. A trigger on the slots that are taken changes rows between the reading and the transaction.

TEST_F(Rewrapped, AnAccessThatEndsMeanwhileStaysEnded) {
  join_and_rewrap();
  const auto delivery = v.deliver({first});
  leave();
  v.sql(
      "CREATE TRIGGER meddle AFTER UPDATE ON setting WHEN NEW.name = 'next_slot' BEGIN"
      " DELETE FROM header WHERE recipient = '" +
      delivery.id + "'; UPDATE access SET state = 'revoked'; END");
  EXPECT_EQ(must(run()).moved, 3U);
  v.sql("DROP TRIGGER meddle");
  EXPECT_EQ(v.sql("SELECT count(*) FROM header WHERE recipient = '" + delivery.id + "'"), "0");
  EXPECT_FALSE(has_header(first, tech));
  EXPECT_TRUE(v.whole(first));
}

TEST_F(Rewrapped, ARecordingThatIsErasedMeanwhileIsNotTouched) {
  join_and_rewrap();
  const auto old = slot(first);
  leave();
  must(v->audit().act([&] {  // the rest of it follows in the middle of the move
    return v->audit().note({"recording.delivered", "customer", {first, "d-0123456789abcdef"}, ""});
  }));
  v.sql(
      "CREATE TRIGGER meddle AFTER UPDATE ON setting WHEN NEW.name = 'next_slot' BEGIN"
      " UPDATE recording SET state = 'erasing', reason = 'delivered', source_key = NULL WHERE id = '" +
      first + "'; END");
  EXPECT_EQ(must(run()).moved, 2U);
  EXPECT_EQ(slot(first), old);
  v.sql("DROP TRIGGER meddle");
  must(finish_erasures(*v));
  EXPECT_TRUE(v.gone(first));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Rewrapped, WhatChangesAllTheTimeIsGivenUpBusy) {
  join_and_rewrap();
  leave();
  v.sql(
      "CREATE TRIGGER meddle AFTER UPDATE ON setting WHEN NEW.name = 'next_slot' BEGIN"
      " UPDATE header SET sealed = 'A' || sealed WHERE recording = '" +
      first + "' AND recipient = '" + keys::recipient_id(v.recovery().recipient()) + "'; END");
  EXPECT_FAULT(Fault::busy, run());
  EXPECT_FALSE(has_header(second, tech));
  v.sql("DROP TRIGGER meddle");
  EXPECT_EQ(must(run()).moved, 1U);
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Rewrapped, ANewerRosterStopsIt) {
  join();
  auto older = must(v.try_open());
  leave();
  EXPECT_FAULT(Fault::busy, rewrap(older, v.it_manager(), nobody_listens));
  EXPECT_FALSE(has_header(first, tech));
}

TEST_F(Rewrapped, TwoAtOnceMoveEachRecordingOnce) {
  for (unsigned i = 100; i < 140; ++i) v.recording(i, 300);
  join_and_rewrap();
  leave();
  auto a = must(v.try_open());
  auto b = must(v.try_open());
  const auto manager = v.it_manager();
  base::Result<RewrapResult> by_a = RewrapResult{0, 0, 0};
  std::thread other([&] { by_a = rewrap(a, manager, nobody_listens); });
  const auto by_b = rewrap(b, v.it_manager(), nobody_listens);
  other.join();
  EXPECT_EQ(must(std::move(by_a)).moved + must(by_b).moved, 43U);
  EXPECT_EQ(v.sql("SELECT count(*) FROM old_slot"), "0");
  EXPECT_EQ(v.damage(), "");
}

// Whoever opens while recordings move back and forth sees each whole.
TEST_F(Rewrapped, ReadersSeeNoHalfMove) {
  const auto delivery = v.deliver({first});
  std::atomic<bool> over = false;
  std::atomic<int> opened = 0;
  const auto manager = v.it_manager();
  auto beside = must(v.try_open());
  std::thread reader([&] {
    while (!over) {
      for (const auto& id : {first, second, third}) {
        const auto r = open_recording(beside, id, manager);
        EXPECT_OK(r);
        EXPECT_OK(secret_is_there(beside, must(beside.catalog().recording(id))));
        const auto stored = must(stored_recording(beside, first, delivery.id));
        EXPECT_TRUE(stored.header && stored.secret);
        if (!stored.header || !stored.secret) continue;
        const auto access = must(beside.slots().read(must(beside.catalog().access(delivery.id)).slot));
        EXPECT_OK(
            keys::open_header({first, delivery.id}, *stored.secret, &access, must(base::unbase64(*stored.header))));
        ++opened;
      }
    }
  });
  for (int round = 0; round < 12; ++round) {
    join();
    EXPECT_OK(run());
    leave();
    EXPECT_OK(run());
  }
  over = true;
  reader.join();
  EXPECT_GT(opened, 10);
  EXPECT_OK(opens_in(delivery, first));
  EXPECT_EQ(v.damage(), "");
}

// A clock and files that do something in the middle of another's work, once.
class MeddlingClock final : public base::Clock {
 public:
  MeddlingClock(base::Seconds now, std::function<void()> work) : now_(now), work_(std::move(work)) {}
  base::Seconds now() const override {
    if (auto work = std::exchange(work_, nullptr)) work();
    return now_;
  }

 private:
  base::Seconds now_;
  mutable std::function<void()> work_;
};

TEST_F(Rewrapped, ADeliveryThatIsMadeDuringAMoveOpens) {
  join_and_rewrap();
  const auto manager = v.actor();
  leave();
  const auto moves = [&] { EXPECT_EQ(must(run()).moved, 3U); };  // between the opening and the transaction
  const MeddlingClock clock(v.clock.now(), moves);
  auto beside = must(Vault::open(v.folder(), clock));
  DeliveryRequest request;
  request.customer = "acme";
  request.recordings = {first, second};
  const auto made = must(deliver(beside, manager, request));
  EXPECT_OK(opens_in(made, first));
  EXPECT_OK(opens_in(made, second));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Rewrapped, DeliveriesThatAreMadeWhileRecordingsMoveOpen) {
  auto beside = must(v.try_open());
  const auto manager = v.actor();
  std::atomic<bool> over = false;
  std::thread mover([&] {
    std::vector<keys::RoleHolder> with = beside.roster().holders();
    const auto without = with;
    with.push_back({keys::Role::tech_manager, "tech", tech.recipient(),
                    must(keys::NoteSigner::create("tech", *tech.signing_seed())).verifier()});
    for (std::uint64_t version = 2; !over; ++version) {
      const auto note = must(keys::Roster::make(version, version % 2 == 0 ? with : without, signer_));
      must(base::system_files().replace_whole(v / file::kRoster, base::as_bytes(note)));
      auto now = must(v.try_open());
      EXPECT_OK(rewrap(now, manager.identity, nobody_listens));
    }
  });
  for (int round = 0; round < 40; ++round) {
    DeliveryRequest request;
    request.customer = "acme";
    request.recordings = {first, second, third};
    v.reopen();
    const auto made = deliver(*v, manager, request);
    if (!made && made.error().fault == Fault::busy) continue;  // the roster changed: it says so
    ASSERT_OK(made);
    for (const auto& id : {first, second, third}) EXPECT_OK(opens_in(*made, id));
    auto revoked = revoke_delivery(*v, manager, made->id);
    while (!revoked && revoked.error().fault == Fault::busy) {  // the roster changed
      v.reopen();
      revoked = revoke_delivery(*v, manager, made->id);
    }
    // The delivery may have ended before the change, and only its erase secret be left to the next who erases.
    if (!revoked) {
      EXPECT_FAULT(Fault::not_found, revoked);
    }
  }
  over = true;

  mover.join();
  v.reopen();
  EXPECT_GT(entries("delivery.made"), 0);
  EXPECT_GT(entries("recordings.rewrapped"), 0);
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Rewrapped, ADeliveryByWhoHeldTheRoleBeforeIsNotMade) {
  join_and_rewrap();
  auto beside = must(v.try_open());
  const auto leaver = must(recognise(beside, must(keys::Identity::parse(must(tech.text("tech"))))));
  leave();
  DeliveryRequest request;
  request.customer = "acme";
  request.recordings = {first};
  EXPECT_FAULT(Fault::busy, deliver(beside, leaver, request));
  EXPECT_EQ(v.sql("SELECT count(*) FROM access"), "0");
}

// Ingest by a process that opened the vault before the roster changed.

TEST_F(Rewrapped, IngestFollowsANewRoster) {
  join_and_rewrap();
  auto beside = must(v.try_open());
  leave();
  must(run());
  IngestRequest request;
  request.klass = "customer";
  request.customer = "acme";
  const auto outcome = ingest_file(beside, v.source("late.wav", testkit::wav(3000, 50)), {}, request);
  ASSERT_FALSE(outcome.error) << outcome.error->what;
  EXPECT_EQ(beside.roster().version(), v->roster().version());
  EXPECT_FALSE(has_header(outcome.id, tech));
  EXPECT_TRUE(v.whole(outcome.id));
  EXPECT_EQ(v.damage(), "");  // also nothing half-done
  EXPECT_EQ(v.sql("SELECT count(*) FROM recording WHERE state = 'writing'"), "0");
}

TEST_F(Rewrapped, ARosterThatChangesWhileARecordingIsSealedCounts) {
  join_and_rewrap();
  const auto moves = [&] {
    leave();
    must(run());
  };
  const MeddlingClock clock(v.clock.now(), moves);
  auto beside = must(Vault::open(v.folder(), clock));
  IngestRequest request;
  request.klass = "customer";
  request.customer = "acme";
  const auto outcome = ingest_file(beside, v.source("late.wav", testkit::wav(3000, 50)), {}, request);
  ASSERT_FALSE(outcome.error) << outcome.error->what;
  EXPECT_FALSE(has_header(outcome.id, tech));
  EXPECT_TRUE(v.whole(outcome.id));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Rewrapped, ManyMoreThanABatch) {
  std::vector<std::string> ids;
  for (unsigned i = 0; i < 600; ++i) ids.push_back(v.recording(1000 + i, 100));
  join();
  std::vector<std::uint64_t> seen;
  EXPECT_EQ(must(rewrap(*v, v.it_manager(), [&](const auto& p) { seen.push_back(p.done); })).added, 603U);
  EXPECT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen.back(), 604U);
  leave();
  const auto before = v.damage(false);
  EXPECT_EQ(std::ranges::count(before, '\n'), 18) << before;
  EXPECT_NE(before.find("and 587 more headers"), std::string::npos) << before;
  EXPECT_NE(before.find("do it again, it goes on"), std::string::npos) << before;
  EXPECT_EQ(must(run()).moved, 603U);
  EXPECT_EQ(entries("recordings.rewrapped"), 6);
  for (const auto& id : {ids.front(), ids.back()}) EXPECT_TRUE(v.whole(id));
  EXPECT_EQ(v.sql("SELECT count(*) FROM header WHERE recipient = '" + keys::recipient_id(tech.recipient()) + "'"), "0");
  EXPECT_EQ(v.damage(false), "");
}

}  // namespace
}  // namespace vault
