#include "vault/ends.h"

#include "tests/testkit/expect.h"
#include "tests/testkit/temp_vault.h"
#include "vault/claim.h"
#include "vault/erase.h"

namespace vault {
namespace {

using testkit::must, testkit::TempVault;

std::string filled_in(std::string sql, const std::string& word, const std::string& value) {
  for (auto at = sql.find(word); at != std::string::npos; at = sql.find(word)) sql.replace(at, word.size(), value);
  return sql;
}

// What somebody wrote who can write the catalogue, and who has no key: DELIVERY has FIRST, and is open; OTHER is in
// none.
struct Edit {
  const char* name;
  const char* sql;
  const char* named;  // by check
};
void PrintTo(const Edit& edit, std::ostream* out) { *out << edit.name; }

class WrittenByHand : public ::testing::TestWithParam<Edit> {
 protected:
  TempVault v;
  const std::string first = v.recording(1), other = v.recording(2), held_back = must_quarantine();
  const Delivery delivery = v.deliver({first});

  std::string must_quarantine() {
    const auto outcome = v.ingest(v.source("cut.wav", base::as_bytes("no sound at all")));
    EXPECT_TRUE(outcome.quarantined);
    return outcome.id;
  }
};

INSTANTIATE_TEST_SUITE_P(
    Row, WrittenByHand,
    ::testing::Values(
        Edit{"delivered",
             "UPDATE recording SET state = 'erasing', reason = 'delivered', source_key = NULL WHERE id = 'FIRST'",
             "FIRST"},
        Edit{"delivered_with_its_item",
             "UPDATE recording SET state = 'erasing', reason = 'delivered', source_key = NULL WHERE id = 'FIRST';"
             "UPDATE item SET state = 'delivered', delivered_at = 1 WHERE recording = 'FIRST'",
             "FIRST"},
        Edit{"only_its_item", "UPDATE item SET state = 'delivered', delivered_at = 1 WHERE recording = 'FIRST'",
             "FIRST"},
        Edit{"never_in_a_delivery", "UPDATE recording SET state = 'erasing', reason = 'delivered' WHERE id = 'OTHER'",
             "OTHER"},
        Edit{"another_reason", "UPDATE recording SET state = 'erasing', reason = 'due' WHERE id = 'OTHER'", "OTHER"},
        Edit{"erased", "UPDATE recording SET state = 'erased', reason = 'delivered' WHERE id = 'OTHER'", "OTHER"},
        Edit{"access_revoked", "UPDATE access SET state = 'revoked', ended_at = 1", "DELIVERY"},
        Edit{"access_finished", "UPDATE access SET state = 'finished', ended_at = 1", "DELIVERY"},
        Edit{"access_expired", "UPDATE access SET state = 'expired', ended_at = 1", "DELIVERY"},
        Edit{"out_of_quarantine", "UPDATE recording SET quarantine = '' WHERE id = 'HELD'", "HELD"},
        Edit{"into_quarantine", "UPDATE recording SET quarantine = 'no sound' WHERE id = 'OTHER'", "OTHER"},
        Edit{"row_deleted",
             "DELETE FROM header WHERE recording = 'OTHER'; DELETE FROM metadata WHERE recording = 'OTHER';"
             "DELETE FROM recording WHERE id = 'OTHER'",
             "OTHER"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_P(WrittenByHand, IsFoundByCheckAndNothingIsErasedForIt) {
  ASSERT_EQ(v.damage(), "");
  const auto fill = [&](const char* text) {
    return filled_in(filled_in(filled_in(filled_in(text, "FIRST", first), "OTHER", other), "HELD", held_back),
                     "DELIVERY", delivery.id);
  };
  const auto slot_of = [&](const std::string& id) { return must(v->catalog().recording(id)).columns.slot; };
  const std::vector<std::uint64_t> slots{slot_of(first), slot_of(other), slot_of(held_back),
                                         must(v->catalog().access(delivery.id)).slot};
  v.sql(fill(GetParam().sql));
  EXPECT_NE(v.damage().find(fill(GetParam().named)), std::string::npos) << v.damage();
  for (int again = 0; again < 2; ++again) {
    const auto erased = must(finish_erasures(*v));
    EXPECT_EQ(erased.recordings + erased.accesses, 0U);
  }
  must(check(*v, {true, false, ""}));
  for (const auto slot : slots) EXPECT_OK(v->slots().read(slot));
  EXPECT_EQ(v.sql("SELECT count(*) FROM audit WHERE leaf LIKE '%recording.erased%'"), "0");
}

// A row by hand beside what was truly delivered: the one goes, the other stays, however often it is tried.
TEST(Ends, WhatWasDeliveredGoesBesideWhatWasNot) {
  TempVault v;
  const std::string delivered = v.recording(1), forged = v.recording(2);
  const auto delivery = v.deliver({delivered});
  v.sql("UPDATE recording SET state = 'erasing', reason = 'delivered' WHERE id = '" + forged + "'");
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 0U);
  v.mark_delivered(delivery);
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 1U);
  EXPECT_TRUE(v.gone(delivered));
  EXPECT_OK(v->slots().read(must(v->catalog().recording(forged)).columns.slot));
  v.sql("UPDATE recording SET state = 'sealed', reason = '' WHERE id = '" + forged + "'");
  EXPECT_TRUE(v.whole(forged));
}

TEST(Ends, AreFoundFarBackInTheLog) {
  TempVault v;
  const std::string id = v.recording(1);
  const auto delivery = v.deliver({id});
  v.mark_delivered(delivery, v.clock.now() + 600);
  for (int entry = 0; entry < 3000; ++entry)
    must(v->audit().act([&] { return v->audit().note({"login.failed", "nobody", {}, ""}); }));
  EXPECT_EQ(must(v->ends().unknown({id, "r-0123456789abcdef"})), std::set<std::string>{"r-0123456789abcdef"});
  v.clock.advance(601);
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 1U);
  EXPECT_TRUE(v.gone(id));
}

// Found in vain once, and ended for good afterwards.
TEST(Ends, AnEndThatComesAfterTheSearchIsFound) {
  TempVault v;
  const auto delivery = v.deliver({v.recording(1)});
  EXPECT_EQ(must(v->ends().unknown({delivery.id})).size(), 1U);
  must(end_access(*v, delivery.id, "expired", "service"));
  EXPECT_EQ(must(v->ends().unknown({delivery.id})).size(), 0U);
}

struct Swap {
  const char* name;
  const char* edit;
  const char* back;
};
void PrintTo(const Swap& swap, std::ostream* out) { *out << swap.name; }
class SwappedBeforeASweep : public ::testing::TestWithParam<Swap> {};
INSTANTIATE_TEST_SUITE_P(Column, SwappedBeforeASweep,
                         ::testing::Values(Swap{"customer", "customer = 'other'", "customer = 'acme'"},
                                           Swap{"class", "class = 'own', customer = NULL",
                                                "class = 'customer', customer = 'acme'"},
                                           Swap{"category", "category = 'message'", "category = 'inbound'"}),
                         [](const auto& test) { return std::string(test.param.name); });

// The sweep compares the columns with what was signed, as deliver and grant do.
TEST_P(SwappedBeforeASweep, KeepsARecordingFromIt) {
  TempVault v;
  const std::string id = v.recording(1);
  const auto slot = must(v->catalog().recording(id)).columns.slot;
  v.mark_delivered(v.deliver({id}));
  v.sql("UPDATE recording SET " + std::string(GetParam().edit) + " WHERE id = '" + id + "'");
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 0U);
  EXPECT_NE(v.damage(), "");
  must(check(*v, {true, false, ""}));
  EXPECT_OK(v->slots().read(slot));
  v.sql("UPDATE recording SET " + std::string(GetParam().back) + " WHERE id = '" + id + "'");
  EXPECT_EQ(must(finish_erasures(*v)).recordings, 1U);
  EXPECT_TRUE(v.gone(id));
}

}  // namespace
}  // namespace vault
