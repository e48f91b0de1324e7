#include "vault/audit.h"

#include <functional>

#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_vault.h"
#include "vault/checkpoint.h"
#include "vault/claim.h"
#include "vault/customer.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must, testkit::TempVault;

class AuditTest : public ::testing::Test {
 protected:
  void act(const std::string& name, const std::string& details = "") {
    must(v->audit().act([&] { return v->audit().note({name, "service", {"x-1"}, details}); }));
  }
  base::Result<std::uint64_t> verify(const std::string& outside = "") {
    return v->audit().verify(v->trust().service, outside);
  }
  std::uint64_t size() { return std::stoull(v.sql("SELECT count(*) FROM audit")); }
  std::string setting(const std::string& name) {
    return v.sql("SELECT value FROM setting WHERE name = '" + name + "'");
  }
  TempVault v;
};

TEST_F(AuditTest, EveryActIsAnEntryUnderASignedCheckpoint) {
  const auto before = size();
  act("one.thing");
  act("another.thing");
  EXPECT_EQ(must(verify()), before + 2);
  const auto head = must(verify_checkpoint(must(v->audit().checkpoint()), v->trust().service.front()));
  EXPECT_EQ(head.tree.size, before + 2);
  const auto entries = must(v->audit().entries(before, 10, nullptr));
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].name, "one.thing");
  EXPECT_EQ(entries[1].name, "another.thing");
  EXPECT_EQ(entries[1].time, v.clock.now());
  EXPECT_EQ(entries[1].subjects, std::vector<std::string>{"x-1"});
}

TEST_F(AuditTest, SeveralNotesOfOneActStandTogetherOrNotAtAll) {
  const auto before = size();
  must(v->audit().act([&]() -> base::Result<void> {
    if (auto r = v->audit().note({"first", "service", {}, ""}); !r) return r;
    return v->audit().note({"second", "service", {}, ""});
  }));
  EXPECT_EQ(size(), before + 2);
  const auto failed = v->audit().act([&]() -> base::Result<void> {
    if (auto r = v->audit().note({"third", "service", {}, ""}); !r) return r;
    return base::Error{Fault::busy, "not now"};
  });
  EXPECT_FAULT(Fault::busy, failed);
  EXPECT_EQ(size(), before + 2);
  EXPECT_EQ(must(verify()), before + 2);
  act("fourth");  // the tree goes on where it stood
  EXPECT_EQ(must(verify()), before + 3);
}

// No audit, no act.
using AuditDeathTest = AuditTest;
TEST_F(AuditDeathTest, AnActWithoutANoteEndsTheProcess) {
  EXPECT_DEATH((void)v->audit().act([]() -> base::Result<void> { return {}; }), "");
}
TEST_F(AuditDeathTest, ANoteOutsideOfAnActEndsTheProcess) {
  EXPECT_DEATH((void)v->audit().note({"x", "service", {}, ""}), "");
}
TEST_F(AuditDeathTest, ANewlineInANoteEndsTheProcess) { EXPECT_DEATH(act("x\nactor: nobody"), ""); }

// Each act of the vault, while the log cannot be written.
struct Act {
  const char* name;
  std::function<base::Result<void>(TempVault&, const Delivery&, const std::string& spare)> run;
};
void PrintTo(const Act& act, std::ostream* out) { *out << act.name; }

template <class T>
base::Result<void> outcome(const base::Result<T>& r) {
  if (!r) return r.error();
  return {};
}

class Unlogged : public ::testing::TestWithParam<Act> {};
INSTANTIATE_TEST_SUITE_P(
    Acts, Unlogged,
    ::testing::Values(
        Act{"add_customer", [](TempVault& v, auto&, auto&) { return add_customer(*v, v.actor(), "new", "", 0); }},
        Act{"close_customer", [](TempVault& v, auto&, auto&) { return close_customer(*v, v.actor(), "acme"); }},
        Act{"deliver",
            [](TempVault& v, auto&, const std::string& spare) {
              DeliveryRequest request;
              request.customer = "acme";
              request.recordings = {spare};
              return outcome(deliver(*v, v.actor(), request));
            }},
        Act{"revoke", [](TempVault& v, const Delivery& d, auto&) { return revoke_delivery(*v, v.actor(), d.id); }},
        Act{"reissue", [](TempVault& v, const Delivery& d,
                          auto&) { return outcome(reissue_delivery(*v, v.actor(), d.id, std::nullopt)); }},
        Act{"end", [](TempVault& v, const Delivery& d, auto&) { return end_access(*v, d.id, "finished", "service"); }}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_P(Unlogged, ChangesNothing) {
  TempVault v;
  const auto delivery = v.deliver({v.recording(1)});
  const auto spare = v.recording(2);
  const auto state = [&] {
    return v.sql(
        "SELECT * FROM customer; SELECT id, state FROM recording; SELECT id, state, slot FROM access;"
        "SELECT access, position, recording, state FROM item; SELECT recording, recipient FROM header;"
        "SELECT * FROM setting WHERE name <> 'next_slot'");  // a slot that was taken and not used costs nothing
  };
  v.sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END");
  const auto before = state();
  EXPECT_FAULT(Fault::failed, GetParam().run(v, delivery, spare));
  EXPECT_EQ(state(), before);
  v.sql("DROP TRIGGER full");
  EXPECT_EQ(v.damage(), "");
  EXPECT_OK(GetParam().run(v, delivery, spare));
  EXPECT_EQ(v.damage(), "");
}

// A log that was edited.
struct Edit {
  const char* name;
  const char* sql;
};
void PrintTo(const Edit& edit, std::ostream* out) { *out << edit.name; }

class EditedLog : public ::testing::TestWithParam<Edit> {};
INSTANTIATE_TEST_SUITE_P(
    Entries, EditedLog,
    ::testing::Values(
        Edit{"leaf_edited", "UPDATE audit SET leaf = replace(leaf, 'nobody', 'somebody') WHERE seq = 3"},
        Edit{"leaf_time_edited", "UPDATE audit SET leaf = replace(leaf, '2026-', '2025-') WHERE seq = 3"},
        Edit{"leaf_empty", "UPDATE audit SET leaf = '' WHERE seq = 3"},
        Edit{"leaf_no_text", "UPDATE audit SET leaf = 'x' WHERE seq = 3"},
        Edit{"first_deleted", "DELETE FROM audit WHERE seq = 0"},
        Edit{"middle_deleted", "DELETE FROM audit WHERE seq = 3"},
        Edit{"middle_deleted_and_closed_up",
             "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE seq > 3"},
        Edit{"last_cut", "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)"},
        Edit{"all_deleted", "DELETE FROM audit"},
        Edit{"reordered",
             "UPDATE audit SET seq = -1 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4;"
             "UPDATE audit SET seq = 4 WHERE seq = -1"},
        Edit{"doubled", "INSERT INTO audit SELECT max(seq) + 1, leaf, details FROM audit"},
        Edit{"checkpoint_deleted", "DELETE FROM setting WHERE name = 'audit_checkpoint'"},
        Edit{"checkpoint_edited",
             "UPDATE setting SET value = replace(value, char(10), char(10) || '1') WHERE name = 'audit_checkpoint'"},
        Edit{"checkpoint_without_signature",
             "UPDATE setting SET value = substr(value, 1, instr(value, char(10) || char(10))) WHERE name = "
             "'audit_checkpoint'"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_P(EditedLog, IsFound) {
  TempVault v;
  for (int i = 0; i < 6; ++i)
    must(v->audit().act([&] { return v->audit().note({"e-" + std::to_string(i), "nobody", {}, ""}); }));
  ASSERT_OK(v->audit().verify(v->trust().service));
  v.sql(GetParam().sql);
  EXPECT_FAULT(Fault::damaged, v->audit().verify(v->trust().service));
  EXPECT_NE(v.damage(false), "");
}

TEST_F(AuditTest, ACheckpointOfAnotherKeyIsFound) {
  const auto head = must(verify_checkpoint(must(v->audit().checkpoint()), v->trust().service.front()));
  const auto forger = must(keys::NoteSigner::create(v->service().verifier().name(), testkit::secret_of(32, 4)));
  v.sql("UPDATE setting SET value = '" + must(sign_checkpoint(head, forger)) + "' WHERE name = 'audit_checkpoint'");
  EXPECT_FALSE(verify());
  EXPECT_NE(v.damage(false), "");
}

// Database and log rolled back together: only a checkpoint from outside tells.
TEST_F(AuditTest, ARolledBackLogDoesNotFitACheckpointFromOutside) {
  act("one");
  const auto older = must(v->audit().checkpoint());
  const auto saved = v.save();
  act("two");
  const auto newest = must(v->audit().checkpoint());
  EXPECT_OK(verify(older));
  EXPECT_OK(verify(newest));

  v.put_back(saved);
  EXPECT_OK(verify());
  EXPECT_OK(verify(older));
  EXPECT_FAULT(Fault::damaged, verify(newest));
  CheckRequest request;
  request.outside_checkpoint = newest;
  std::string found;
  for (const auto& finding : must(check(*v, request))) found += finding.what;
  EXPECT_NE(found.find("checkpoint from outside"), std::string::npos);

  act("another two");  // as long as before, but another history
  EXPECT_OK(verify());
  EXPECT_FAULT(Fault::damaged, verify(newest));
}

TEST_F(AuditTest, ACheckpointFromOutsideMustBeSignedAndOurs) {
  const auto newest = must(v->audit().checkpoint());
  EXPECT_FALSE(verify("nonsense"));
  EXPECT_FALSE(verify(newest.substr(0, newest.size() - 5)));
  TempVault other;
  EXPECT_FALSE(verify(must(other->audit().checkpoint())));
}

// Details.

TEST_F(AuditTest, DetailsOpenForTheItManagerOnly) {
  const auto tech = v.add_tech_manager();
  act("secret.thing", "{\"name\":\"Ms Brightwater\"}");
  const auto last = size() - 1;
  const auto it_manager = v.it_manager();
  EXPECT_EQ(must(v->audit().entries(last, 1, &it_manager)).at(0).details, "{\"name\":\"Ms Brightwater\"}");
  EXPECT_EQ(must(v->audit().entries(last, 1, nullptr)).at(0).details, "");
  EXPECT_EQ(must(v->audit().entries(last, 1, &tech)).at(0).details, "");
  const auto recovery = v.recovery();
  EXPECT_EQ(must(v->audit().entries(last, 1, &recovery)).at(0).details, "");
  EXPECT_FALSE(v.holds(base::as_bytes("Brightwater")));
  EXPECT_FALSE(v.holds(base::as_bytes(base::base64(base::as_bytes("Brightwater")).substr(0, 12))));
}

TEST_F(AuditTest, DetailsOfAMonthWhoseSecretIsErasedAreGoneAndTheLogIsWhole) {
  act("secret.thing", "Brightwater");
  const auto old_seq = size() - 1;
  v.clock.advance(40 * 86400);
  act("secret.thing", "Greenfield");
  const auto it_manager = v.it_manager();
  must(v->slots().erase({must(v->catalog().audit_month("2026-11")).value()}));
  v.reopen();
  EXPECT_EQ(must(v->audit().entries(old_seq, 1, &it_manager)).at(0).details, "");
  EXPECT_EQ(must(v->audit().entries(size() - 1, 1, &it_manager)).at(0).details, "Greenfield");
  EXPECT_OK(verify());
}

TEST_F(AuditTest, SwappedOrEditedDetailsAreDamaged) {
  act("a", "first");
  act("b", "second");
  const auto it_manager = v.it_manager();
  const auto a = std::to_string(size() - 2);
  const auto b = std::to_string(size() - 1);
  v.sql("UPDATE audit SET details = (SELECT details FROM audit WHERE seq = " + b + ") WHERE seq = " + a);
  EXPECT_FAULT(Fault::damaged, v->audit().entries(size() - 2, 1, &it_manager));
  for (const char* edited : {"substr(details, 1, 60)", "'*'", "'AAAA'"}) {
    v.sql("UPDATE audit SET details = " + std::string(edited) + " WHERE seq = " + a);
    EXPECT_FAULT(Fault::damaged, v->audit().entries(size() - 2, 1, &it_manager)) << edited;
  }
  EXPECT_EQ(must(v->audit().entries(size() - 1, 1, &it_manager)).at(0).details, "second");
}

// No entry has a number below 0: such a row is in no tree, and nobody is shown it.
TEST_F(AuditTest, ARowBeforeTheFirstIsNoEntry) {
  const auto before = must(v->audit().entries(0, 100, nullptr)).size();
  v.sql("INSERT INTO audit SELECT -1, leaf, details FROM audit WHERE seq = 0");
  EXPECT_EQ(must(v->audit().entries(0, 100, nullptr)).size(), before);
}

TEST_F(AuditTest, EntriesComeInPages) {
  for (int i = 0; i < 5; ++i) act("e-" + std::to_string(i));
  const auto first = size() - 5;
  EXPECT_EQ(must(v->audit().entries(first, 2, nullptr)).size(), 2U);
  EXPECT_EQ(must(v->audit().entries(first + 4, 10, nullptr)).at(0).name, "e-4");
  EXPECT_TRUE(must(v->audit().entries(size(), 10, nullptr)).empty());
}

}  // namespace
}  // namespace vault
