#include "vault/grant.h"

#include <algorithm>

#include "keys/age_file.h"
#include "keys/sealed_header.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/faulty_files.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_vault.h"
#include "vault/access.h"
#include "vault/claim.h"
#include "vault/customer.h"
#include "vault/erase.h"
#include "vault/open_recording.h"
#include "vault/restriction.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must, testkit::TempVault;

constexpr unsigned kWeak = 10;  // scrypt work factor: tests need no slow one

class GrantTest : public ::testing::Test {
 protected:
  base::Result<Grant> try_grant(const std::vector<std::string>& ids, const std::string& account = "front-desk") {
    return grant(*v, v.actor(), {ids, account, std::nullopt});
  }
  // As a file, into `file`.
  base::Result<Grant> try_file(const std::string& id, const std::string& account = "police") {
    file.clear();
    return grant_file(
        *v, v.actor(), id, account,
        [this](base::ByteView bytes) -> base::Result<void> {
          base::put_raw(file, bytes);
          return {};
        },
        kWeak);
  }
  std::string count(const std::string& what) { return v.sql("SELECT count(*) FROM " + what); }
  std::string events(const std::string& name) { return count("audit WHERE leaf LIKE '%event: " + name + "%'"); }
  AccessRow row(const std::string& id) { return must(v->catalog().access(id)); }
  Candidate candidate(const Grant& made) {
    for (auto& c : must(candidates(*v, made.account, 8)))
      if (c.row.id == made.id) return std::move(c);
    std::abort();
  }
  Entrance enter_from(const Grant& made, const std::string& address = "203.0.113.7", int connections = 0) {
    return must(enter(*v, candidate(made), address, connections));
  }
  // The file key that a header row of the grant holds, opened with the key of its password.
  base::Result<base::SecretBytes> file_key(const Grant& made, const std::string& recording) {
    const auto statement = must(verified_access(*v, row(made.id)));
    const auto key = must(must(keys::Password::parse(made.password.reveal())).derive(statement.terms));
    const auto sealed = must(base::unbase64(must(v->catalog().header(recording, made.id)).value()));
    const auto access_secret = must(v->slots().read(row(made.id).slot));
    const auto secret = must(v->slots().read(must(v->catalog().recording(recording)).columns.slot));
    auto header = keys::open_header({recording, made.id}, secret, &access_secret, sealed);
    if (!header) return header.error();
    return key.unwrap_one(header->reveal());
  }
  TempVault v;
  base::Bytes file;
};

TEST_F(GrantTest, HoldsRecordingsOfBothClassesAndOfAnyCustomer) {
  must(add_customer(*v, v.actor(), "other", "", 0));
  const std::vector<std::string> ids{v.recording(1, 1000), v.recording(2, 2000, ""), v.recording(3, 500, "other")};
  const auto made = must(try_grant(ids));
  EXPECT_TRUE(made.id.starts_with("g-"));
  EXPECT_EQ(made.account, "front-desk");
  EXPECT_EQ(made.recordings, 3U);
  EXPECT_EQ(made.bytes, 3632U);
  EXPECT_EQ(made.expires, v.clock.now() + 7 * 86400);
  for (const auto& id : ids)
    EXPECT_TRUE(must(file_key(made, id)) == must(open_recording(*v, id, v.it_manager())).file_key);
  EXPECT_EQ(row(made.id).customer, "");
  EXPECT_EQ(events("grant.made"), "1");
  EXPECT_EQ(events("recording.granted"), "3");
  EXPECT_EQ(v.damage(), "");
}

TEST_F(GrantTest, ThePasswordStandsNowhereAndIsAnotherEachTime) {
  const auto id = v.recording(1);
  const auto made = must(try_grant({id}));
  const auto again = must(try_grant({id}));
  EXPECT_FALSE(made.password == again.password);
  EXPECT_FALSE(v.holds(made.password.reveal()));
  const auto given = must(try_file(id));
  EXPECT_FALSE(v.holds(given.password.reveal()));
}

TEST_F(GrantTest, TheAccountStandsInNoLeafOfTheLog) {
  const auto id = v.recording(1);
  const auto made = must(try_grant({id}, "jane-brightwater"));
  must(revoke_grant(*v, v.actor(), made.id));
  must(try_file(id, "jane-brightwater"));
  EXPECT_EQ(count("audit WHERE leaf LIKE '%brightwater%'"), "0");
  const auto identity = v.it_manager();
  int named = 0;
  for (const auto& entry : must(v->audit().entries(0, 1000, &identity)))
    named += entry.details.find("jane-brightwater") == std::string::npos ? 0 : 1;
  EXPECT_EQ(named, 2);  // made, and given as a file
}

TEST_F(GrantTest, IsNoHindranceToADeliveryNorToAnotherGrant) {
  const auto id = v.recording(1);
  must(try_grant({id}));
  (void)v.deliver({id});
  must(try_grant({id}, "police"));
  EXPECT_EQ(count("header WHERE recording = '" + id + "'"), "5");  // two people, a delivery, two grants
  EXPECT_EQ(v.damage(), "");
}

// ---- reading

TEST_F(GrantTest, IsEnteredAsOftenAsWishedFromAnywhere) {
  const auto made = must(try_grant({v.recording(1)}));
  EXPECT_EQ(enter_from(made), Entrance::reading);
  EXPECT_EQ(enter_from(made, "198.51.100.1"), Entrance::reading);
  v.clock.advance(3 * 86400);
  EXPECT_EQ(enter_from(made, "2001:db8::1", 7), Entrance::reading);
  EXPECT_EQ(enter_from(made, "203.0.113.7", 8), Entrance::too_many);
  EXPECT_EQ(events("grant.opened"), "3");
  EXPECT_EQ(row(made.id).state, "open");
  EXPECT_EQ(row(made.id).seen_at, v.clock.now());
  EXPECT_FALSE(v.holds(base::as_bytes("198.51.100")));
}

TEST_F(GrantTest, EndsWithItsTime) {
  const auto made = must(try_grant({v.recording(1)}));
  const auto slot = row(made.id).slot;
  v.clock.advance(-1);
  EXPECT_EQ(enter_from(made), Entrance::not_yet);
  v.clock.advance(1 + 7 * 86400 - 1);
  EXPECT_EQ(enter_from(made), Entrance::reading);
  v.clock.advance(1);
  EXPECT_EQ(enter_from(made), Entrance::expired);
  EXPECT_EQ(must(end_overdue(*v, [](const std::string&) { return true; })), std::vector<std::string>{made.id});
  EXPECT_EQ(row(made.id).state, "expired");
  must(finish_erasures(*v));
  EXPECT_FAULT(Fault::not_found, v->slots().read(slot));
  EXPECT_EQ(count("header WHERE recipient = '" + made.id + "'"), "0");
  EXPECT_EQ(count("item WHERE entry <> ''"), "0");
  EXPECT_EQ(enter_from(made), Entrance::expired);
  EXPECT_EQ(v.damage(), "");
}

// No statement covers the state.
TEST_F(GrantTest, ItsTimeCountsWhateverItsStateSays) {
  const auto made = must(try_grant({v.recording(1)}));
  v.sql("UPDATE access SET state = 'claimed'");
  v.clock.advance(7 * 86400);
  EXPECT_EQ(enter_from(made), Entrance::expired);
}

TEST_F(GrantTest, RevokedItIsShut) {
  const auto id = v.recording(1);
  const auto made = must(try_grant({id}));
  const auto slot = row(made.id).slot;
  EXPECT_OK(revoke_grant(*v, v.actor(), made.id));
  EXPECT_EQ(enter_from(made), Entrance::revoked);
  EXPECT_FAULT(Fault::not_found, v->slots().read(slot));
  EXPECT_EQ(count("header WHERE recipient = '" + made.id + "'"), "0");
  EXPECT_EQ(events("grant.revoked"), "1");
  EXPECT_FAULT(Fault::not_found, revoke_grant(*v, v.actor(), made.id));
  EXPECT_TRUE(v.whole(id));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(GrantTest, OnlyAGrantIsRevokedAsOne) {
  const auto delivery = v.deliver({v.recording(1)});
  const auto made = must(try_grant({v.recording(2)}));
  EXPECT_FAULT(Fault::not_found, revoke_grant(*v, v.actor(), delivery.id));
  EXPECT_FAULT(Fault::not_found, revoke_delivery(*v, v.actor(), made.id));
  EXPECT_FAULT(Fault::not_found, reissue_delivery(*v, v.actor(), made.id, std::nullopt));
  for (const std::string id : {"g-0123456789abcdef", "", "'"})
    EXPECT_FAULT(Fault::not_found, revoke_grant(*v, v.actor(), id));
  EXPECT_EQ(count("access WHERE state = 'open'"), "2");
}

TEST_F(GrantTest, WhatIsErasedIsGoneFromItAndTheRestStays) {
  const auto a = v.recording(1);
  const auto b = v.recording(2);
  const auto made = must(try_grant({a, b}));
  v.mark_delivered(v.deliver({a}));
  must(finish_erasures(*v));
  EXPECT_TRUE(v.gone(a));
  const auto items = must(v->catalog().items(made.id));
  EXPECT_EQ(items[0].state, "withdrawn");
  EXPECT_EQ(items[0].entry, "");  // nor does the folder tell its name
  EXPECT_EQ(items[1].state, "offered");
  EXPECT_OK(file_key(made, b));
  EXPECT_EQ(enter_from(made), Entrance::reading);
  EXPECT_EQ(v.damage(), "");
}

// ---- one namespace of accounts

TEST_F(GrantTest, ACustomersAccountIsRefusedAndSoIsACustomerOfThatName) {
  EXPECT_FAULT(Fault::usage, try_grant({v.recording(1)}, "acme"));
  must(close_customer(*v, v.actor(), "acme"));
  EXPECT_FAULT(Fault::usage, try_grant({v.recording(2, 500, "")}, "acme"));
  EXPECT_FAULT(Fault::usage, try_file(v.recording(3, 500, ""), "acme"));
  const auto made = must(try_grant({v.recording(4, 500, "")}, "globex"));
  EXPECT_FAULT(Fault::usage, add_customer(*v, v.actor(), "globex", "", 0));
  EXPECT_EQ(count("customer"), "1");
  must(revoke_grant(*v, v.actor(), made.id));
  EXPECT_OK(add_customer(*v, v.actor(), "globex", "", 0));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(GrantTest, AnAccountHasEightAtATimeAndAsManyFilesAsWished) {
  const auto id = v.recording(1);
  auto last = must(try_grant({id}));
  for (int i = 1; i < 8; ++i) last = must(try_grant({id}));
  EXPECT_FAULT(Fault::busy, try_grant({id}));
  EXPECT_OK(try_file(id, "front-desk"));
  EXPECT_OK(try_grant({id}, "police"));
  must(revoke_grant(*v, v.actor(), last.id));
  EXPECT_OK(try_grant({id}));
}

// ---- as a file

TEST_F(GrantTest, AsAFileItOpensWithItsPasswordAndNothingLogsIn) {
  const auto id = v.recording(1, 200'000);
  const auto given = must(try_file(id));
  const auto path = v.sources() / "given.age";
  testkit::put_file(path, file);
  base::Bytes opened;
  keys::OpenWith with;
  with.ask = [&] { return base::SecretBytes::copy_of(given.password.reveal()); };
  must(keys::open_age_file(must(base::open_to_read(path)), with, [&](base::ByteView bytes) -> base::Result<void> {
    base::put_raw(opened, bytes);
    return {};
  }));
  EXPECT_EQ(opened, must(v.read(id, v.it_manager())));
  EXPECT_EQ(given.expires, 0);
  EXPECT_TRUE(was_file(row(given.id)));
  EXPECT_EQ(enter_from(given), Entrance::used);
  EXPECT_FAULT(Fault::not_found, v->slots().read(row(given.id).slot));
  EXPECT_EQ(count("header WHERE recipient = '" + given.id + "'"), "0");
  EXPECT_FAULT(Fault::not_found, revoke_grant(*v, v.actor(), given.id));
  EXPECT_EQ(events("grant.exported"), "1");
  EXPECT_EQ(events("recording.granted"), "1");
  EXPECT_FALSE(was_file(row(must(try_grant({id})).id)));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(GrantTest, TheFileHasAFileKeyOfItsOwn) {
  const auto id = v.recording(1);
  must(try_file(id));
  const auto object = must(base::read_file(v / "objects" / id.substr(2, 2) / id, 1 << 20));
  EXPECT_FALSE(base::as_text(file).ends_with(base::as_text(object)));
  const auto first = file;
  must(try_file(id));
  EXPECT_NE(file, first);
}

TEST_F(GrantTest, IsNamedInTheLogOnlyWhenTheWholeFileIsThere) {
  const auto id = v.recording(1, 200'000);
  for (int k = 0; k < 4; ++k) {
    int left = k;
    const auto given = grant_file(
        *v, v.actor(), id, "police",
        [&](base::ByteView) -> base::Result<void> {
          if (left-- > 0) return {};
          return base::Error{Fault::failed, "no space"};
        },
        kWeak);
    EXPECT_FAULT(Fault::failed, given);
  }
  EXPECT_EQ(count("access"), "0");
  EXPECT_EQ(events("grant.exported"), "0");
}

// ---- refusals leave no trace

class GrantRefused : public GrantTest {
 protected:
  void expect(Fault fault, const std::vector<std::string>& ids, const std::string& account = "front-desk") {
    const auto before = v.sql(kAll);
    EXPECT_FAULT(fault, try_grant(ids, account));
    if (ids.size() == 1) {
      EXPECT_FAULT(fault, try_file(ids[0], account));
    }
    EXPECT_EQ(v.sql(kAll), before);
  }
  static constexpr const char* kAll =
      "SELECT * FROM access; SELECT * FROM item; SELECT * FROM header; SELECT * FROM audit; SELECT * FROM recording;"
      " SELECT * FROM metadata; SELECT * FROM customer; SELECT * FROM restriction";
};

TEST_F(GrantRefused, NoRecordings) { expect(Fault::usage, {}); }
TEST_F(GrantRefused, UnknownRecording) { expect(Fault::not_found, {"r-0123456789abcdef"}); }
TEST_F(GrantRefused, NoId) { expect(Fault::usage, {"../catalog.db"}); }
TEST_F(GrantRefused, TheSameTwice) {
  const auto id = v.recording(1);
  expect(Fault::usage, {id, id});
}
TEST_F(GrantRefused, NoAccount) {
  const auto id = v.recording(1);
  for (const std::string account : {"", "Front", "a b", "-x", "a/b", "\x1b[2J", "\xc3\xa4"})
    expect(Fault::usage, {id}, account);
  expect(Fault::usage, {id}, std::string(33, 'a'));
}
TEST_F(GrantRefused, Restricted) {
  const auto id = v.recording(1);
  must(restrict_recording(*v, v.actor(), id, ""));
  expect(Fault::restricted, {id});
  expect(Fault::restricted, {v.recording(2), id});
}
TEST_F(GrantRefused, Erased) {
  const auto id = v.recording(1);
  v.mark_delivered(v.deliver({id}));
  expect(Fault::not_found, {id});
  must(finish_erasures(*v));
  expect(Fault::not_found, {id});
}
TEST_F(GrantRefused, OneOfSeveralDamaged) {
  const auto a = v.recording(1);
  const auto b = v.recording(2);
  v.sql("UPDATE metadata SET payload = 'AAAA' WHERE recording = '" + b + "'");
  expect(Fault::damaged, {a, b});
}
TEST_F(GrantRefused, QuarantinedAudio) {
  auto cut = testkit::wav(1000);
  cut.resize(30);
  const auto outcome = v.ingest(v.source("cut.wav", cut));
  ASSERT_NE(v.sql("SELECT quarantine FROM recording"), "");
  expect(Fault::denied, {outcome.id});
}
// Its object was changed after the end, or in the middle: the sums say so before anything is noted.
TEST_F(GrantRefused, AFileOfADamagedObject) {
  const auto id = v.recording(1, 200'000);
  const auto path = v / "objects" / id.substr(2, 2) / id;
  auto object = must(base::read_file(path, 1 << 20));
  object[100] ^= std::byte{1};
  testkit::put_file(path, object);
  EXPECT_FAULT(Fault::damaged, try_file(id));
  EXPECT_EQ(count("access"), "0");
}

// Whoever is not the IT Manager.
TEST_F(GrantRefused, ToTheTechManagerAndTheRecovery) {
  const auto tech = v.add_tech_manager();
  const auto id = v.recording(1);  // it opens for both
  const auto made = must(try_grant({id}));
  const auto before = v.sql(kAll);
  for (const bool recovery : {false, true}) {
    auto actor = must(recognise(*v, recovery ? v.recovery() : must(keys::Identity::parse(must(tech.text("tech"))))));
    EXPECT_OK(open_recording(*v, id, actor.identity));
    EXPECT_FAULT(Fault::denied, grant(*v, actor, {{id}, "police", std::nullopt}));
    EXPECT_FAULT(Fault::denied, grant_file(*v, actor, id, "police", [](base::ByteView) -> base::Result<void> {
                   ADD_FAILURE() << "something was written";
                   return {};
                 }));
    EXPECT_FAULT(Fault::denied, revoke_grant(*v, actor, made.id));
  }
  EXPECT_EQ(v.sql(kAll), before);
}

TEST_F(GrantTest, SignedByATechManagerItIsNone) {
  const auto tech = v.add_tech_manager();
  const auto made = must(try_grant({v.recording(1)}));
  const auto delivery = v.deliver({v.recording(2)});
  const auto signer = must(keys::NoteSigner::create("tech", *tech.signing_seed()));
  const auto signed_anew = [&](const std::string& id) {
    auto r = row(id);
    auto statement = must(verified_access(*v, r));
    statement.by = "tech";
    r.statement = must(sign_access(statement, signer));
    return r;
  };
  EXPECT_OK(verified_access(*v, signed_anew(delivery.id)));
  EXPECT_FAULT(Fault::denied, verified_access(*v, signed_anew(made.id)));
}

TEST_F(GrantTest, CutAnywhereItIsWholeOrNotThere) {
  const auto id = v.recording(1);
  for (int k = 0, finished = 0; !finished; ++k) {
    ASSERT_LT(k, 500);
    testkit::FaultyFiles files(k);
    bool opened = false;
    if (auto vault = v.try_open(files)) {
      opened = true;
      const auto actor = must(recognise(*vault, v.it_manager()));
      const auto made = grant(*vault, actor, {{id}, "front-desk", std::nullopt});
      if (made) (void)revoke_grant(*vault, actor, made->id);
    }
    finished = opened && !files.reached() ? 1 : 0;
    v.reopen();
    must(finish_erasures(*v));
    EXPECT_EQ(v.damage(), "") << "cut at call " << k;
    for (const auto& left : must(v->catalog().accesses("grant")))
      if (left.state == "open") must(revoke_grant(*v, v.actor(), left.id));
    EXPECT_TRUE(v.whole(id));
  }
}

// ---- columns and rows that were edited by hand

struct Edit {
  const char* name;
  const char* statement;  // {a}: the recording, {b}: another one
  bool of_own;            // the recording is of class own
};
void PrintTo(const Edit& edit, std::ostream* out) { *out << edit.name; }

class Swapped : public GrantTest, public ::testing::WithParamInterface<Edit> {};

TEST_P(Swapped, IsRefusedByDeliverGrantAndGet) {
  must(add_customer(*v, v.actor(), "other", "", 0));
  const std::string customer = GetParam().of_own ? "" : "acme";
  const auto a = v.recording(1, 3000, customer);
  const auto b = v.recording(2, 3000, customer);
  std::string edit = GetParam().statement;
  for (const auto& [mark, id] : {std::pair{std::string("{a}"), a}, {std::string("{b}"), b}})
    for (auto at = edit.find(mark); at != std::string::npos; at = edit.find(mark)) edit.replace(at, mark.size(), id);
  v.sql(edit);
  const auto before = v.sql("SELECT count(*) FROM access UNION ALL SELECT count(*) FROM audit");
  const std::string now_of = v.sql("SELECT customer FROM recording WHERE id = '" + a + "'");
  DeliveryRequest request;
  request.customer = now_of.empty() ? "acme" : now_of;
  request.recordings = {a};
  EXPECT_FAULT(Fault::damaged, deliver(*v, v.actor(), request));
  EXPECT_FAULT(Fault::damaged, try_grant({a}));
  EXPECT_FAULT(Fault::damaged, try_file(a));
  EXPECT_TRUE(file.empty());
  EXPECT_FAULT(Fault::damaged, open_recording(*v, a, v.it_manager()));
  EXPECT_EQ(v.sql("SELECT count(*) FROM access UNION ALL SELECT count(*) FROM audit"), before);
}

INSTANTIATE_TEST_SUITE_P(
    By, Swapped,
    ::testing::Values(
        Edit{"customer", "UPDATE recording SET customer = 'other' WHERE id = '{a}'", false},
        Edit{"class_to_own", "UPDATE recording SET class = 'own', customer = NULL WHERE id = '{a}'", false},
        Edit{"class_to_customer", "UPDATE recording SET class = 'customer', customer = 'acme' WHERE id = '{a}'", true},
        Edit{"category", "UPDATE recording SET category = 'other' WHERE id = '{a}'", false},
        Edit{"call_time", "UPDATE recording SET call_time = call_time + 1 WHERE id = '{a}'", false},
        Edit{"size", "UPDATE recording SET size = size - 1 WHERE id = '{a}'", false},
        Edit{"slot",
             "UPDATE recording SET slot = slot + 1000 WHERE id = '{b}'; UPDATE recording SET slot = (SELECT slot - 1000"
             " FROM recording WHERE id = '{b}') WHERE id = '{a}'",
             false},
        Edit{"record", "UPDATE recording SET record = (SELECT record FROM recording WHERE id = '{b}') WHERE id = '{a}'",
             false},
        Edit{"header",
             "UPDATE header SET sealed = (SELECT b.sealed FROM header b WHERE b.recording = '{b}' AND b.recipient ="
             " header.recipient) WHERE recording = '{a}'",
             false},
        Edit{"metadata",
             "UPDATE metadata SET payload = (SELECT payload FROM metadata WHERE recording = '{b}') WHERE recording ="
             " '{a}'",
             false}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace vault
