#include "vault/erase.h"

#include <thread>

#include "keys/sealed_header.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/faulty_files.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_vault.h"
#include "vault/claim.h"
#include "vault/open_recording.h"

namespace vault {
namespace {

using base::Bytes, base::Fault;
using testkit::FaultyFiles, testkit::must, testkit::TempVault;
using Loss = FaultyFiles::Loss;

// Two neighbours on either side of two recordings in a claimed delivery.
struct Delivered {
  TempVault v;
  std::string before = v.recording(1), first = v.recording(2), second = v.recording(3, 70'000), behind = v.recording(4);
  Delivery delivery = v.deliver({first, second});
};

// Everything that an old copy of the database knows of a recording.
struct Remnants {
  std::string header, payload;  // base64, as in the rows
  Bytes object, secret;
};

Remnants remnants_of(TempVault& v, const std::string& id, const std::string& recipient) {
  Remnants out;
  out.header = must(v->catalog().header(id, recipient)).value();
  out.payload = must(v->catalog().metadata(id)).value();
  out.object = must(base::read_file(v.folder() / "objects" / id.substr(2, 2) / id, 1 << 20));
  out.secret = testkit::bytes_of(must(v->slots().read(must(v->catalog().recording(id)).columns.slot)));
  return out;
}

bool any_left(const TempVault& v, const Remnants& r) {
  for (const std::string& text : {r.header, r.payload})
    if (v.holds(base::as_bytes(text)) || v.holds(must(base::unbase64(text)))) return true;
  return v.holds(r.object) || v.holds(r.secret);
}

class EraseFault : public ::testing::TestWithParam<Loss> {};
INSTANTIATE_TEST_SUITE_P(Losses, EraseFault, ::testing::Values(Loss::unsynced_is_lost, Loss::all_is_kept));

TEST_P(EraseFault, EveryInterruptionLeavesTheRecordingWholeOrGone) {
  Delivered d;
  TempVault& v = d.v;
  const auto saved = v.save();
  bool finished = false;
  for (std::int64_t k = 0; !finished; ++k) {
    SCOPED_TRACE("cut at call " + std::to_string(k));
    v.put_back(saved);
    FaultyFiles files(k, GetParam());
    auto cut = v.try_open(files);
    if (cut) {
      must(mark_delivered(*cut, {{d.delivery.id, 0, d.first}, {d.delivery.id, 1, d.second}}));
      const auto erased = finish_erasures(*cut);
      EXPECT_EQ(static_cast<bool>(erased), !files.reached());
      cut = base::Error{Fault::failed, "the process has ended"};
    }
    finished = !files.reached();
    const bool marked = v.sql("SELECT state FROM recording WHERE id = '" + d.first + "'") != "sealed";
    EXPECT_OK(finish_erasures(*v));
    for (const auto& id : {d.first, d.second}) {
      if (marked) {
        EXPECT_TRUE(v.gone(id));
        EXPECT_FAULT(Fault::not_found, v.read(id, v.it_manager()));
      } else {
        EXPECT_TRUE(v.whole(id));
      }
    }
    EXPECT_TRUE(v.whole(d.before));
    EXPECT_TRUE(v.whole(d.behind));
    EXPECT_EQ(v.damage(), "");
    const auto again = must(finish_erasures(*v));  // can be repeated, and then there is nothing to do
    EXPECT_EQ(again.recordings, 0U);
    if (HasFailure()) return;
    ASSERT_LT(k, 500);
  }
}

TEST(Erase, IsGoneFromEveryFileOfTheVault) {
  Delivered d;
  TempVault& v = d.v;
  const auto role = remnants_of(v, d.first, v.actor().holder.recipient_id());
  const auto customer = remnants_of(v, d.first, d.delivery.id);
  const auto entry = must(v->catalog().items(d.delivery.id)).front().entry;
  ASSERT_TRUE(v.holds(base::as_bytes(role.header)));
  ASSERT_TRUE(v.holds(base::as_bytes(customer.header)));
  ASSERT_TRUE(v.holds(base::as_bytes(role.payload)));
  ASSERT_TRUE(v.holds(role.object));
  EXPECT_FALSE(v.holds(role.secret));  // never in the clear, also before

  v.mark_delivered(d.delivery);
  const auto erased = must(finish_erasures(*v));
  EXPECT_EQ(erased.recordings, 2U);
  EXPECT_EQ(must(v->catalog().empty_log()), 0);
  EXPECT_FALSE(any_left(v, role));
  EXPECT_FALSE(any_left(v, customer));
  EXPECT_TRUE(v.holds(base::as_bytes(entry)));  // the tombstone's name stays until the claim ends

  must(end_access(*v, d.delivery.id, "finished", "service"));
  must(finish_erasures(*v));
  EXPECT_FALSE(v.holds(base::as_bytes(entry)));
  v.close();
  EXPECT_FALSE(any_left(v, role));
}

TEST(Linger, KeysGoWhenTheTimeIsOverAndNotBefore) {
  Delivered d;
  TempVault& v = d.v;
  v.mark_delivered(d.delivery, v.clock.now() + 600);
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 0U);
  EXPECT_EQ(must(v->catalog().recording(d.first)).state, "erasing");
  EXPECT_FAULT(Fault::not_found, v.read(d.first, v.it_manager()));  // hidden from everybody but its claim
  EXPECT_EQ(v.damage(), "");
  v.clock.advance(599);
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 0U);
  v.clock.advance(1);
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 2U);
  EXPECT_TRUE(v.gone(d.first));
  EXPECT_TRUE(v.gone(d.second));
  EXPECT_EQ(v.damage(), "");
}

TEST(Linger, EndsWithTheAccess) {
  Delivered d;
  d.v.mark_delivered(d.delivery, d.v.clock.now() + 600);
  must(end_access(*d.v, d.delivery.id, "finished", "service"));
  EXPECT_EQ(must(finish_erasures(*d.v)).recordings, 2U);
  EXPECT_TRUE(d.v.gone(d.first));
}

TEST(Linger, EndsForOneRecordingWhenItsCustomerRemovesIt) {
  Delivered d;
  d.v.mark_delivered(d.delivery, d.v.clock.now() + 600);
  must(end_linger(*d.v, d.delivery.id, d.second));
  EXPECT_EQ(must(finish_erasures(*d.v)).recordings, 1U);
  EXPECT_TRUE(d.v.gone(d.second));
  EXPECT_EQ(must(d.v->catalog().recording(d.first)).state, "erasing");
}

// Rows that move between pages when their neighbours go must leave no copy behind.
TEST(Erase, NoRowOfManyLeavesARemnant) {
  TempVault v;
  std::vector<std::string> ids;
  for (unsigned i = 0; i < 60; ++i) ids.push_back(v.recording(i, 300));
  const auto delivery = v.deliver(ids);
  std::vector<Remnants> all;
  for (const auto& id : ids) {
    all.push_back(remnants_of(v, id, v.actor().holder.recipient_id()));
    all.push_back(remnants_of(v, id, delivery.id));
  }
  for (std::uint32_t i = 0; i < ids.size(); ++i) {
    must(mark_delivered(*v, {{delivery.id, i, ids[i]}}));
    if (i % 7 == 0) must(finish_erasures(*v));
  }
  must(finish_erasures(*v));
  ASSERT_EQ(must(v->catalog().empty_log()), 0);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_FALSE(any_left(v, all[i])) << i;
}

TEST(Erase, AnOldHeaderRowStaysShutForEveryIdentity) {
  Delivered d;
  TempVault& v = d.v;
  const std::string recipient = v.actor().holder.recipient_id();
  const auto sealed = must(base::unbase64(must(v->catalog().header(d.first, recipient)).value()));
  const auto slot = must(v->catalog().recording(d.first)).columns.slot;
  const auto secret = must(v->slots().read(slot));
  ASSERT_OK(keys::open_header({d.first, recipient}, secret, nullptr, sealed));  // it was the right row

  v.mark_delivered(d.delivery);
  must(finish_erasures(*v));
  EXPECT_FAULT(Fault::not_found, v->slots().read(slot));
  for (keys::SlotId other = 0; other < slot + 8; ++other) {
    const auto present = v->slots().read(other);
    if (!present) continue;
    EXPECT_FAULT(Fault::damaged, keys::open_header({d.first, recipient}, *present, nullptr, sealed)) << other;
  }
  EXPECT_FAULT(Fault::damaged, keys::open_header({d.first, recipient}, testkit::secret_of(32, 0), nullptr, sealed));
}

TEST(Erase, AnOldCopyOfDatabaseAndObjectsDoesNotOpenWithThePresentSlots) {
  Delivered d;
  TempVault& v = d.v;
  auto old = v.save();
  v.mark_delivered(d.delivery);
  must(finish_erasures(*v));
  auto now = v.save();
  std::erase_if(now, [](const auto& file) { return !file.first.starts_with("slots/"); });
  std::erase_if(old, [](const auto& file) { return file.first.starts_with("slots/"); });
  now.merge(old);
  v.put_back(now);
  for (const auto& identity : {v.it_manager(), v.recovery()})
    EXPECT_FAULT(Fault::damaged, open_recording(*v, d.first, identity));
  EXPECT_NE(v.damage(), "");
  EXPECT_TRUE(v.whole(d.before));
}

TEST(Erase, AnOldSlotStoreIsRefused) {
  Delivered d;
  TempVault& v = d.v;
  auto old = v.save();
  v.mark_delivered(d.delivery);
  must(finish_erasures(*v));
  auto now = v.save();
  std::erase_if(old, [](const auto& file) { return !file.first.starts_with("slots/"); });
  std::erase_if(now, [](const auto& file) { return file.first.starts_with("slots/"); });
  now.merge(old);
  v.put_back(now);
  EXPECT_FAULT(Fault::damaged, v.try_open());
}

// The steps of one erasure, each ended by hand where the next one would begin.
class EraseSteps : public ::testing::Test {
 protected:
  void finish() {
    d.v.reopen();
    const auto erased = must(finish_erasures(*d.v));
    EXPECT_EQ(erased.recordings, 2U);
    EXPECT_TRUE(d.v.gone(d.first));
    EXPECT_TRUE(d.v.gone(d.second));
    EXPECT_TRUE(d.v.whole(d.before));
    EXPECT_TRUE(d.v.whole(d.behind));
    EXPECT_EQ(d.v.damage(), "");
    EXPECT_EQ(entries("recording.erased"), 2);
  }
  int entries(const std::string& name) {
    int found = 0;
    for (const auto& entry : must(d.v->audit().entries(0, 10'000, nullptr)))
      if (entry.name == name) ++found;
    return found;
  }
  std::set<keys::SlotId> slots() {
    return {must(d.v->catalog().recording(d.first)).columns.slot,
            must(d.v->catalog().recording(d.second)).columns.slot};
  }
  Delivered d;
};

TEST_F(EraseSteps, BeforeTheMarkNothingIsErased) {
  EXPECT_EQ(must(finish_erasures(*d.v)).recordings, 0U);
  EXPECT_TRUE(d.v.whole(d.first));
}

TEST_F(EraseSteps, AfterTheMark) {
  d.v.mark_delivered(d.delivery);
  EXPECT_FAULT(Fault::not_found, d.v.read(d.first, d.v.it_manager()));
  finish();
}

TEST_F(EraseSteps, AfterTheSecretsAreDestroyed) {
  d.v.mark_delivered(d.delivery);
  must(d.v->slots().erase(slots()));
  finish();
}

TEST_F(EraseSteps, AfterOneObjectIsRemoved) {
  d.v.mark_delivered(d.delivery);
  must(d.v->slots().erase(slots()));
  must(d.v->store().remove({d.first}));
  finish();
}

TEST_F(EraseSteps, WhenTheLastTransactionFails) {
  d.v.mark_delivered(d.delivery);
  d.v.sql(
      "CREATE TRIGGER full BEFORE INSERT ON audit WHEN NEW.leaf LIKE '%erasure.done%'"
      " BEGIN SELECT RAISE(ABORT, 'full'); END");
  EXPECT_FAULT(Fault::failed, finish_erasures(*d.v));
  EXPECT_EQ(entries("recording.erased"), 0);  // the entries went back with the states
  EXPECT_EQ(d.v.sql("SELECT count(*) FROM recording WHERE state = 'erasing'"), "2");
  d.v.sql("DROP TRIGGER full");
  finish();
}

TEST_F(EraseSteps, AMarkThatCannotBeLoggedMarksNothing) {
  d.v.sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END");
  EXPECT_FAULT(Fault::failed, mark_delivered(*d.v, {{d.delivery.id, 0, d.first}}));
  d.v.sql("DROP TRIGGER full");
  EXPECT_TRUE(d.v.whole(d.first));
  EXPECT_EQ(must(d.v->catalog().items(d.delivery.id)).front().state, "offered");
  d.v.mark_delivered(d.delivery);  // the customer can fetch again
  finish();
}

TEST(Erase, WhatIsNotOfferedAnyMoreIsPassedOver) {
  Delivered d;
  must(revoke_delivery(*d.v, d.v.actor(), d.delivery.id));
  d.v.mark_delivered(d.delivery);
  EXPECT_TRUE(d.v.whole(d.first));
  must(finish_erasures(*d.v));
  EXPECT_TRUE(d.v.whole(d.first));
  EXPECT_EQ(d.v.damage(), "");
}

TEST(Erase, MarkedTwiceIsErasedOnce) {
  Delivered d;
  d.v.mark_delivered(d.delivery);
  d.v.mark_delivered(d.delivery);
  EXPECT_EQ(must(finish_erasures(*d.v)).recordings, 2U);
  EXPECT_EQ(d.v.damage(), "");
}

TEST(Erase, TheSecretOfAnEndedAccessGoesToo) {
  Delivered d;
  const auto slot = must(d.v->catalog().access(d.delivery.id)).slot;
  ASSERT_OK(d.v->slots().read(slot));
  must(end_access(*d.v, d.delivery.id, "expired", "service"));
  EXPECT_EQ(must(finish_erasures(*d.v)).accesses, 1U);
  EXPECT_FAULT(Fault::not_found, d.v->slots().read(slot));
  EXPECT_EQ(must(finish_erasures(*d.v)).accesses, 0U);
  EXPECT_TRUE(d.v.whole(d.first));
}

TEST(Erase, TwoProcessesAtOnceEraseEachRecordingOnce) {
  TempVault v;
  std::vector<std::string> ids;
  for (unsigned i = 0; i < 12; ++i) ids.push_back(v.recording(i, 300));
  v.mark_delivered(v.deliver(ids));
  auto a = must(v.try_open());
  auto b = must(v.try_open());
  v.close();
  base::Result<Erased> by_a = Erased{};
  std::thread other([&] { by_a = finish_erasures(a); });
  const auto by_b = finish_erasures(b);
  other.join();
  EXPECT_EQ(must(std::move(by_a)).recordings + must(by_b).recordings, ids.size());
  for (const auto& id : ids) EXPECT_TRUE(v.gone(id));
  EXPECT_EQ(v.sql("SELECT count(*) FROM audit WHERE leaf LIKE '%recording.erased%'"), "12");
  EXPECT_EQ(v.damage(), "");
}

// Whoever erases compares the columns with the signed record first: a swapped slot would destroy a neighbour's secret
// and certify what was not done.
TEST(Erase, ASwappedSlotDestroysNobodyElsesSecret) {
  Delivered d;
  TempVault& v = d.v;
  const auto first = std::to_string(must(v->catalog().recording(d.first)).columns.slot);
  const auto before = std::to_string(must(v->catalog().recording(d.before)).columns.slot);
  v.mark_delivered(d.delivery);
  v.sql("UPDATE recording SET slot = 999999 WHERE id = '" + d.first + "';" + "UPDATE recording SET slot = " + first +
        " WHERE id = '" + d.before + "'; UPDATE recording SET slot = " + before + " WHERE id = '" + d.first + "'");
  (void)finish_erasures(*v);
  EXPECT_TRUE(v.gone(d.second));
  EXPECT_NE(v.damage(), "");
  v.sql("UPDATE recording SET slot = 999999 WHERE id = '" + d.first + "';" + "UPDATE recording SET slot = " + before +
        " WHERE id = '" + d.before + "'; UPDATE recording SET slot = " + first + " WHERE id = '" + d.first + "'");
  EXPECT_TRUE(v.whole(d.before));  // put right again, it opens
  must(finish_erasures(*v));
  EXPECT_TRUE(v.gone(d.first));
  EXPECT_EQ(v.damage(), "");
}

TEST(Erase, ASwappedSlotOfAnAccessDestroysNoRecordingsSecret) {
  Delivered d;
  const auto before = must(d.v->catalog().recording(d.before)).columns.slot;
  d.v.sql("UPDATE access SET slot = " + std::to_string(before));
  must(end_access(*d.v, d.delivery.id, "finished", "service"));
  (void)finish_erasures(*d.v);
  EXPECT_TRUE(d.v.whole(d.before));
}

}  // namespace
}  // namespace vault
