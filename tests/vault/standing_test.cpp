#include "vault/standing.h"

#include <algorithm>

#include "keys/password.h"
#include "keys/sealed_header.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/temp_vault.h"
#include "vault/claim.h"
#include "vault/customer.h"
#include "vault/erase.h"
#include "vault/folder_entry.h"
#include "vault/open_recording.h"
#include "vault/restriction.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must, testkit::TempVault, testkit::wav;

class StandingTest : public ::testing::Test {
 protected:
  base::Result<Standing> try_add(const std::string& category = "message") {
    return add_standing(*v, v.actor(), {"acme", category, std::nullopt});
  }
  IngestOutcome ingest(const std::string& name, const std::string& category = "message",
                       const std::string& customer = "acme") {
    IngestRequest request;
    request.klass = "customer";
    request.customer = customer;
    request.category = category;
    return ingest_file(*v, v.source(name, wav(1000, ++seed)), {}, request);
  }
  std::string message(const std::string& name = "msg0001.wav") {
    const auto outcome = ingest(name);
    if (outcome.error) std::abort();
    return outcome.id;
  }
  std::vector<std::string> in(const Standing& standing) {
    std::vector<std::string> ids;
    for (const auto& item : must(v->catalog().items(standing.id)))
      if (item.state == "offered") ids.push_back(item.recording);
    return ids;
  }
  keys::Identity key_of(const Standing& standing) {
    const auto statement = must(verified_access(*v, must(v->catalog().access(standing.id))));
    return must(must(keys::Password::parse(standing.password.reveal())).derive(statement.terms));
  }
  std::vector<std::string> names(const Standing& standing) {
    const auto key = key_of(standing);
    const auto secret = must(v->slots().read(must(v->catalog().access(standing.id)).slot));
    std::vector<std::string> out;
    for (const auto& item : must(v->catalog().items(standing.id))) {
      if (item.entry.empty()) continue;
      const auto file = must(open_entry(standing.id, secret, item.entry));
      out.push_back(must(parse_entry(must(keys::open_sealed(key, file)).reveal())).name);
    }
    return out;
  }
  bool opens(const Standing& standing, const std::string& id) {
    const auto row = must(v->catalog().recording(id));
    const auto sealed = must(base::unbase64(must(v->catalog().header(id, standing.id)).value()));
    const auto own = must(v->slots().read(row.columns.slot));
    const auto access = must(v->slots().read(must(v->catalog().access(standing.id)).slot));
    const auto header = must(keys::open_header({id, standing.id}, own, &access, sealed));
    const auto file_key = must(key_of(standing).unwrap_one(header.reveal()));
    return must(keys::commitment(file_key, id)) == must(verified_record(*v, row)).commitment;
  }
  Entrance enter_with(const Standing& standing, int connections = 0) {
    for (const auto& c : must(candidates(*v, "acme", 8)))
      if (c.row.id == standing.id) return must(enter(*v, c, "203.0.113.7", connections));
    std::abort();
  }
  std::string state(const Standing& standing) { return must(v->catalog().access(standing.id)).state; }
  TempVault v;
  unsigned seed = 0;
};

TEST_F(StandingTest, HoldsWhatIsThereAndWhatComes) {
  const auto a = message("a.wav");
  ingest("other.wav", "inbound");
  const auto standing = must(try_add());
  EXPECT_EQ(standing.account, "acme");
  EXPECT_EQ(standing.recordings, 1U);
  EXPECT_EQ(standing.bytes, 1044U);
  EXPECT_EQ(standing.expires, v.clock.now() + 365 * 86400);
  const auto b = message("b.wav");
  ingest("another.wav", "inbound");
  EXPECT_EQ(in(standing), (std::vector{a, b}));
  EXPECT_TRUE(opens(standing, a));
  EXPECT_TRUE(opens(standing, b));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(StandingTest, IsReadAgainAndAgainAndErasesNothing) {
  const auto standing = must(try_add());
  const auto a = message();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(enter_with(standing, i), Entrance::reading);
  EXPECT_EQ(state(standing), "open");
  v.clock.advance(300 * 86400);
  EXPECT_EQ(enter_with(standing), Entrance::reading);
  EXPECT_TRUE(v.whole(a));
  v.clock.advance(65 * 86400);
  EXPECT_EQ(enter_with(standing), Entrance::expired);
}

TEST_F(StandingTest, MayBeAddedWhenNothingIsThere) {
  const auto standing = must(try_add());
  EXPECT_EQ(standing.recordings, 0U);
  EXPECT_EQ(enter_with(standing), Entrance::reading);
}

TEST_F(StandingTest, ARecordingIsAlsoInADelivery) {
  const auto standing = must(try_add());
  const auto a = message("a.wav");
  const auto b = message("b.wav");
  const auto delivery = v.deliver({a});
  v.mark_delivered(delivery);
  must(finish_erasures(*v));
  EXPECT_TRUE(v.gone(a));
  EXPECT_EQ(in(standing), std::vector{b});
  EXPECT_EQ(v.damage(), "");
}

// What is erased leaves no name behind, and the others keep theirs.
TEST_F(StandingTest, NamesStayWhatTheyAre) {
  const auto a = message();
  const auto standing = must(try_add());
  message();
  message();
  const std::vector<std::string> all{"00001-msg0001.wav", "00002-msg0001.wav", "00003-msg0001.wav"};
  EXPECT_EQ(names(standing), all);
  v.mark_delivered(v.deliver({a}));
  must(finish_erasures(*v));
  EXPECT_EQ(names(standing), (std::vector{all[1], all[2]}));
  EXPECT_EQ(v.sql("SELECT entry, state FROM item WHERE access = '" + standing.id + "' AND position = 0"), "|withdrawn");
  message();
  EXPECT_EQ(names(standing).back(), "00004-msg0001.wav");
}

TEST_F(StandingTest, WhatIsRestrictedIsLeftOut) {
  const auto a = message("a.wav");
  const auto b = message("b.wav");
  must(restrict_recording(*v, v.actor(), a, ""));
  const auto standing = must(try_add());
  EXPECT_EQ(standing.restricted, 1U);
  EXPECT_EQ(in(standing), std::vector{b});
}

TEST_F(StandingTest, RevokedItIsShut) {
  const auto standing = must(try_add());
  const auto a = message();
  const auto slot = must(v->catalog().access(standing.id)).slot;
  EXPECT_OK(revoke_standing(*v, v.actor(), standing.id));
  EXPECT_EQ(state(standing), "revoked");
  EXPECT_FAULT(Fault::not_found, v->slots().read(slot));
  EXPECT_EQ(v.sql("SELECT count(*) FROM header WHERE recipient = '" + standing.id + "'"), "0");
  EXPECT_EQ(enter_with(standing), Entrance::revoked);
  EXPECT_FAULT(Fault::not_found, revoke_standing(*v, v.actor(), standing.id));
  message("later.wav");
  EXPECT_EQ(in(standing).size(), 0U);
  EXPECT_TRUE(v.whole(a));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(StandingTest, ADeliveryIsNoStandingLogIn) {
  const auto delivery = v.deliver({message()});
  EXPECT_FAULT(Fault::not_found, revoke_standing(*v, v.actor(), delivery.id));
  const auto standing = must(try_add());
  EXPECT_FAULT(Fault::not_found, revoke_delivery(*v, v.actor(), standing.id));
}

TEST_F(StandingTest, EndsWithItsCustomer) {
  const auto standing = must(try_add());
  message();
  must(close_customer(*v, v.actor(), "acme"));
  EXPECT_EQ(state(standing), "revoked");
  EXPECT_FAULT(Fault::not_found, v->slots().read(must(v->catalog().access(standing.id)).slot));
  EXPECT_FAULT(Fault::denied, try_add());
  v.sql("UPDATE access SET state = 'open'");
  EXPECT_NE(v.damage().find("its customer is closed"), std::string::npos);
}

TEST_F(StandingTest, AnEditedRowIsNotEndedWithAnothersCustomer) {
  must(add_customer(*v, v.actor(), "other", "", 0));
  const auto standing = must(try_add());
  v.sql("UPDATE access SET customer = 'other'");
  must(close_customer(*v, v.actor(), "other"));
  EXPECT_EQ(state(standing), "open");
  EXPECT_NE(v.damage().find(standing.id), std::string::npos);
}

TEST_F(StandingTest, RefusalsLeaveNoTrace) {
  const auto audit = v.sql("SELECT count(*) FROM audit");
  EXPECT_FAULT(Fault::usage, try_add(""));
  EXPECT_FAULT(Fault::usage, try_add("Mess age"));
  EXPECT_FAULT(Fault::not_found, add_standing(*v, v.actor(), {"nobody", "message", std::nullopt}));
  const auto recovery = must(recognise(*v, v.recovery()));
  EXPECT_FAULT(Fault::denied, add_standing(*v, recovery, {"acme", "message", std::nullopt}));
  EXPECT_EQ(v.sql("SELECT count(*) FROM access"), "0");
  EXPECT_EQ(v.sql("SELECT count(*) FROM audit"), audit);
  const auto standing = must(try_add());
  EXPECT_FAULT(Fault::denied, revoke_standing(*v, recovery, standing.id));
  EXPECT_EQ(state(standing), "open");
}

TEST_F(StandingTest, TheTechManagerMay) {
  auto tech = v.add_tech_manager();
  const auto a = message();
  const auto actor = must(recognise(*v, std::move(tech)));
  const auto standing = must(add_standing(*v, actor, {"acme", "message", 86400}));
  EXPECT_EQ(in(standing), std::vector{a});
  EXPECT_OK(revoke_standing(*v, actor, standing.id));
}

TEST_F(StandingTest, OneThatCannotBeFilledIsNotThere) {
  const auto a = message();
  v.sql("UPDATE metadata SET payload = 'AAAA' WHERE recording = '" + a + "'");
  EXPECT_FAULT(Fault::damaged, try_add());
  EXPECT_EQ(v.sql("SELECT count(*) FROM access WHERE state = 'open'"), "0");
}

TEST_F(StandingTest, ThereAreAtMostEightOfAnAccount) {
  for (int i = 0; i < 8; ++i) EXPECT_OK(try_add());
  EXPECT_FAULT(Fault::busy, try_add());
  const auto a = message();
  EXPECT_EQ(v.sql("SELECT count(*) FROM item WHERE recording = '" + a + "'"), "8");
}

TEST_F(StandingTest, AnEditedOneGetsNothingAndIsNamed) {
  const auto good = must(try_add());
  const auto standing = must(try_add("voicemail"));
  v.sql("UPDATE access SET takes_in = 'message' WHERE id = '" + standing.id + "'");
  const auto outcome = ingest("a.wav");
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->fault, Fault::damaged);
  EXPECT_NE(outcome.error->what.find(standing.id), std::string::npos);
  EXPECT_EQ(in(good), std::vector{outcome.id});
  EXPECT_EQ(in(standing).size(), 0U);
  EXPECT_NE(v.damage().find(standing.id), std::string::npos);
}

}  // namespace
}  // namespace vault
