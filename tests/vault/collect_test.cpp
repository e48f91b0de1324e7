#include "vault/collect.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <set>

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

class Collect : public ::testing::Test {
 protected:
  base::Result<std::vector<Delivery>> try_collecting(std::size_t count, bool held = false) {
    DeliveryRequest request;
    request.customer = "acme";
    request.only_new = !held;
    return deliver_collecting(*v, v.actor(), request, count);
  }
  std::vector<Delivery> collecting(std::size_t count = 1) { return must(try_collecting(count)); }
  // The first of so many.
  Delivery one(std::size_t count = 1) {
    auto all = collecting(count);
    return std::move(all.front());
  }
  std::vector<std::string> in(const Delivery& delivery) {
    std::vector<std::string> ids;
    for (const auto& item : must(v->catalog().items(delivery.id))) ids.push_back(item.recording);
    return ids;
  }
  std::vector<std::string> names(const Delivery& delivery) {
    const auto key = v.key_of(delivery);
    const auto secret = must(v->slots().read(must(v->catalog().access(delivery.id)).slot));
    std::vector<std::string> out;
    for (const auto& item : must(v->catalog().items(delivery.id)))
      out.push_back(
          must(parse_entry(must(keys::open_sealed(key, must(open_entry(delivery.id, secret, item.entry)))).reveal()))
              .name);
    return out;
  }
  // The password of the delivery opens the very file key that the recording was sealed under.
  bool opens(const Delivery& delivery, const std::string& id) {
    const auto row = must(v->catalog().recording(id));
    const auto sealed = must(base::unbase64(must(v->catalog().header(id, delivery.id)).value()));
    const auto own = must(v->slots().read(row.columns.slot));
    const auto access = must(v->slots().read(must(v->catalog().access(delivery.id)).slot));
    const auto header = must(keys::open_header({id, delivery.id}, own, &access, sealed));
    const auto file_key = must(v.key_of(delivery).unwrap_one(header.reveal()));
    return must(keys::commitment(file_key, id)) == must(verified_record(*v, row)).commitment;
  }
  base::Result<Entrance> try_enter(const std::string& id, Vault& vault) {
    for (const auto& c : must(candidates(vault, "acme", 8)))
      if (c.row.id == id) return enter(vault, c, "203.0.113.7", 0);
    return base::Error{Fault::not_found, "no candidate " + id};
  }
  Entrance enter_with(const Delivery& delivery) { return must(try_enter(delivery.id, *v)); }
  void finish(const Delivery& delivery) {
    must(end_access(*v, delivery.id, "finished", "service"));
    must(finish_erasures(*v));
  }
  std::string count(const std::string& what) { return v.sql("SELECT count(*) FROM " + what); }
  std::string delivery_of(const std::string& id) { return must(v->catalog().delivery_of(id)).value_or("none"); }
  IngestOutcome ingest(unsigned seed) {
    return v.ingest(v.source("call-" + std::to_string(seed) + ".wav", wav(1000, seed)));
  }
  TempVault v;
};

TEST_F(Collect, WhatIsSealedComesInAndOnlyThePasswordOpensIt) {
  const auto delivery = one();
  EXPECT_TRUE(delivery.collecting);
  EXPECT_EQ(delivery.recordings, 0U);
  const auto a = v.recording(1);
  const auto b = v.recording(2);
  EXPECT_EQ(in(delivery), (std::vector{a, b}));
  EXPECT_TRUE(opens(delivery, a));
  EXPECT_TRUE(opens(delivery, b));
  EXPECT_EQ(names(delivery), (std::vector<std::string>{"call-1.wav", "call-2.wav"}));
  EXPECT_TRUE(v.whole(a));
  EXPECT_EQ(count("audit WHERE leaf LIKE '%event: recording.collected%" + a + "%" + delivery.id + "%'"), "1");
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Collect, NothingElseComesIn) {
  must(add_customer(*v, v.actor(), "other", "", 0));
  v.recording(1);  // before
  const auto delivery = one();
  v.recording(2, 3000, "other");
  v.recording(3, 3000, "");  // class own
  auto cut = wav(1000);
  cut.resize(500);
  EXPECT_TRUE(v.ingest(v.source("cut.wav", cut)).quarantined);
  EXPECT_EQ(in(delivery).size(), 0U);
}

TEST_F(Collect, ADuplicateComesInOnce) {
  const auto delivery = one();
  const auto source = v.source("a.wav", wav(1000));
  const auto first = v.ingest(source);
  const auto second = v.ingest(source);
  EXPECT_TRUE(second.duplicate);
  EXPECT_EQ(second.id, first.id);
  EXPECT_EQ(in(delivery), std::vector{first.id});
}

TEST_F(Collect, WhatWasHeldBeforeIsInTheFirstWhenAskedFor) {
  const auto a = v.recording(1);
  const auto b = v.recording(2);
  must(restrict_recording(*v, v.actor(), b, ""));
  const auto all = must(try_collecting(2, true));
  EXPECT_EQ(all[0].recordings, 1U);
  EXPECT_EQ(all[0].restricted, 1U);
  EXPECT_EQ(in(all[0]), std::vector{a});
  const auto c = v.recording(3);
  EXPECT_EQ(in(all[0]), (std::vector{a, c}));
  EXPECT_EQ(in(all[1]).size(), 0U);
  EXPECT_TRUE(opens(all[0], a));
  EXPECT_TRUE(opens(all[0], c));
}

// Nothing changes for accesses that were made before there were these.
TEST_F(Collect, TheStatementOfAnOrdinaryDeliverySaysNothingOfIt) {
  const auto delivery = v.deliver({v.recording(1)});
  EXPECT_EQ(must(v->catalog().access(delivery.id)).statement.find("takes-in"), std::string::npos);
  EXPECT_NE(must(v->catalog().access(one().id)).statement.find("takes-in: *\nturn: 1\n"), std::string::npos);
}

// Turns.

TEST_F(Collect, ThePasswordIsNotValidYetWhileNothingIsInIt) {
  const auto delivery = one();
  EXPECT_EQ(enter_with(delivery), Entrance::not_yet);
  EXPECT_EQ(v.sql("SELECT state FROM access"), "open");
  v.recording(1);
  EXPECT_EQ(enter_with(delivery), Entrance::claimed);
}

TEST_F(Collect, OneTakesInAtATimeAndEachOpensWhenTheOneBeforeHasEnded) {
  const auto all = collecting(3);
  EXPECT_EQ(all[2].number, 3U);
  EXPECT_EQ(all[2].of, 3U);
  const auto a = v.recording(1);
  EXPECT_EQ(enter_with(all[1]), Entrance::not_yet);
  EXPECT_EQ(enter_with(all[0]), Entrance::claimed);
  const auto b = v.recording(2);
  EXPECT_EQ(in(all[0]), std::vector{a});
  EXPECT_EQ(in(all[1]), std::vector{b});
  EXPECT_EQ(enter_with(all[1]), Entrance::not_yet);  // the first one runs
  EXPECT_EQ(enter_with(all[2]), Entrance::not_yet);
  finish(all[0]);
  EXPECT_EQ(enter_with(all[2]), Entrance::not_yet);
  EXPECT_EQ(enter_with(all[1]), Entrance::claimed);
  const auto c = v.recording(3);
  EXPECT_EQ(in(all[2]), std::vector{c});
  EXPECT_EQ(enter_with(all[0]), Entrance::used);
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Collect, ATurnIsNotTakenFromTheMiddle) {
  const auto all = collecting(3);
  const auto a = v.recording(1);
  must(revoke_delivery(*v, v.actor(), all[1].id));
  EXPECT_EQ(enter_with(all[2]), Entrance::not_yet);
  EXPECT_EQ(enter_with(all[1]), Entrance::revoked);
  must(revoke_delivery(*v, v.actor(), all[0].id));
  EXPECT_EQ(delivery_of(a), "none");  // held again
  const auto b = v.recording(2);
  EXPECT_EQ(in(all[2]), std::vector{b});
  EXPECT_EQ(enter_with(all[2]), Entrance::claimed);
  EXPECT_TRUE(v.whole(a));
}

TEST_F(Collect, LaterOnesComeBehindThoseThatAreThere) {
  const auto first = one();
  const auto second = one();
  const auto a = v.recording(1);
  EXPECT_EQ(in(first), std::vector{a});
  EXPECT_EQ(in(second).size(), 0U);
  EXPECT_EQ(enter_with(second), Entrance::not_yet);
}

TEST_F(Collect, EachMayWaitLongerThanTheOneBefore) {
  const auto all = collecting(3);
  for (std::size_t i = 0; i < all.size(); ++i)
    EXPECT_EQ(all[i].expires, v.clock.now() + static_cast<base::Seconds>(i + 1) * v->config().delivery_expires);
  const auto a = v.recording(1);
  v.clock.advance(v->config().delivery_expires);
  const auto b = v.recording(2);  // the first one's time is over, also before the daemon has seen it
  EXPECT_EQ(in(all[1]), std::vector{b});
  EXPECT_EQ(enter_with(all[0]), Entrance::expired);
  EXPECT_EQ(enter_with(all[1]), Entrance::claimed);
  must(end_overdue(*v, [](const std::string&) { return true; }));
  EXPECT_EQ(must(v->catalog().access(all[0].id)).state, "expired");
  EXPECT_EQ(delivery_of(a), "none");
  EXPECT_TRUE(v.whole(a));
}

TEST_F(Collect, WhatDoesNotFitWaitsForTheNext) {
  auto config = must(read_config(v.folder()));
  config.collect_most = 2;
  must(write_config(v.folder(), config, base::system_files()));
  v.reopen();
  const auto all = collecting(2);
  for (unsigned i = 1; i <= 5; ++i) v.recording(i);
  EXPECT_EQ(in(all[0]).size(), 2U);
  EXPECT_EQ(in(all[1]).size(), 2U);
  EXPECT_EQ(count("recording WHERE state = 'sealed'"), "5");
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Collect, AllOrNoneAreMade) {
  v.recording(1);
  const auto some = must(try_collecting(3, true));
  EXPECT_FAULT(Fault::busy, try_collecting(6));
  EXPECT_EQ(count("access"), "3");
  EXPECT_OK(try_collecting(5));
  EXPECT_FAULT(Fault::busy, try_collecting(1));
  EXPECT_EQ(count("access"), "8");
  EXPECT_EQ(some.size(), 3U);
}

TEST_F(Collect, TheRecoveryMayNotAndAClosedCustomerGetsNone) {
  DeliveryRequest request;
  request.customer = "acme";
  request.only_new = true;
  EXPECT_FAULT(Fault::denied, deliver_collecting(*v, must(recognise(*v, v.recovery())), request, 1));
  must(close_customer(*v, v.actor(), "acme"));
  EXPECT_FAULT(Fault::denied, try_collecting(1));
  request.customer = "nobody";
  EXPECT_FAULT(Fault::not_found, deliver_collecting(*v, v.actor(), request, 1));
  EXPECT_EQ(count("access"), "0");
}

TEST_F(Collect, AClosedCustomersEmptyOnesEndAndTheOthersCanStillBeFetched) {
  const auto all = collecting(2);
  const auto a = v.recording(1);
  must(close_customer(*v, v.actor(), "acme"));
  EXPECT_EQ(must(v->catalog().access(all[1].id)).state, "revoked");
  EXPECT_FAULT(Fault::not_found, v->slots().read(must(v->catalog().access(all[1].id)).slot));
  EXPECT_EQ(enter_with(all[0]), Entrance::claimed);
  EXPECT_TRUE(opens(all[0], a));
  EXPECT_EQ(v.damage(), "");
}

// Reissue.

TEST_F(Collect, ReissuedItCollectsOnInItsTurnUnderANewPassword) {
  const auto all = collecting(2);
  const auto a = v.recording(1);
  const auto anew = must(reissue_delivery(*v, v.actor(), all[0].id, 3600));
  EXPECT_TRUE(anew.collecting);
  EXPECT_EQ(anew.recordings, 1U);
  EXPECT_EQ(anew.expires, v.clock.now() + 3600);
  const auto b = v.recording(2);
  EXPECT_EQ(in(anew), (std::vector{a, b}));
  EXPECT_TRUE(opens(anew, a));
  EXPECT_EQ(enter_with(all[0]), Entrance::revoked);
  EXPECT_EQ(enter_with(all[1]), Entrance::not_yet);
  EXPECT_EQ(enter_with(anew), Entrance::claimed);
  const auto empty = must(reissue_delivery(*v, v.actor(), all[1].id, std::nullopt));
  const auto c = v.recording(3);
  EXPECT_EQ(in(empty), std::vector{c});
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Collect, ReissuedAfterItsClaimItIsAnOrdinaryDelivery) {
  const auto delivery = one();
  const auto a = v.recording(1);
  ASSERT_EQ(enter_with(delivery), Entrance::claimed);
  const auto anew = must(reissue_delivery(*v, v.actor(), delivery.id, std::nullopt));
  EXPECT_FALSE(anew.collecting);
  EXPECT_EQ(in(anew), std::vector{a});
  const auto b = v.recording(2);
  EXPECT_EQ(delivery_of(b), "none");
}

TEST_F(Collect, WhatIsHeldAlreadyIsAddedOnce) {
  const auto a = v.recording(1);
  const auto other = v.recording(2);
  (void)v.deliver({other});
  const auto delivery = one();
  for (int i = 0; i < 2; ++i) {
    const auto added = must(add_held(*v, v.actor(), delivery.id, {a, other}));
    EXPECT_EQ(added.recordings, i == 0 ? 1U : 0U);
  }
  EXPECT_EQ(in(delivery), std::vector{a});
  EXPECT_TRUE(opens(delivery, a));
}

// Edited rows.

class Edited : public Collect {
 protected:
  // Taken in all the same, and said which access did not get it.
  void expect_held(const std::string& edit) {
    SCOPED_TRACE(edit);
    v.sql("UPDATE access SET " + edit + " WHERE id = '" + delivery.id + "'");
    const auto source = v.source("edited.wav", wav(2000, 77));
    IngestRequest request;
    request.klass = "customer";
    request.customer = "acme";
    request.remove_source = true;
    const auto outcome = ingest_file(*v, source, {}, request);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->fault, Fault::damaged);
    EXPECT_NE(outcome.error->what.find(delivery.id), std::string::npos) << outcome.error->what;
    EXPECT_FALSE(base::exists(source));  // it is safe in the vault
    EXPECT_TRUE(v.whole(outcome.id));
    EXPECT_EQ(delivery_of(outcome.id), "none");
    EXPECT_NE(v.damage().find(delivery.id), std::string::npos);
  }
  Delivery delivery = one(2);
};

TEST_F(Edited, Expiry) { expect_held("expires = expires + 1"); }
TEST_F(Edited, Customer) {
  must(add_customer(*v, v.actor(), "other", "", 0));
  expect_held("customer = 'other'");
}
TEST_F(Edited, Account) { expect_held("account = 'other'"); }
TEST_F(Edited, Turn) { expect_held("turn = 0"); }
TEST_F(Edited, WhatItTakesIn) { expect_held("takes_in = 'inbound'"); }
TEST_F(Edited, Kind) {
  v.sql("UPDATE access SET state = 'revoked' WHERE id <> '" + delivery.id + "'");  // no delivery is left then
  expect_held("kind = 'standing', takes_in = 'inbound'");
}
TEST_F(Edited, Slot) { expect_held("slot = slot + 1000"); }
TEST_F(Edited, Statement) { expect_held("statement = replace(statement, 'takes-in: *', 'takes-in: x')"); }

TEST_F(Edited, AStatementOfSomebodyElse) {
  const auto stranger = must(keys::Identity::generate());
  const auto signer = must(keys::NoteSigner::create("it-manager", *stranger.signing_seed()));
  auto statement = must(verified_access(*v, must(v->catalog().access(delivery.id))));
  statement.recipient = stranger.recipient();
  const auto note = must(sign_access(statement, signer));
  expect_held("statement = '" + note + "'");
}

TEST_F(Edited, ItDoesNotCloseTheWayForOthers) {
  must(add_customer(*v, v.actor(), "other", "", 0));
  v.sql("UPDATE access SET expires = expires + 1");
  EXPECT_FALSE(v.ingest(v.source("b.wav", wav(100)), "other").error);
}

// Claim and ingest at once, many times: each recording is in this delivery or in the next one; none in two or none.
TEST_F(Collect, ARaceBetweenIngestAndClaimLosesNothing) {
  constexpr unsigned kRounds = 50;
  constexpr unsigned kEach = 4;
  unsigned before = 0;
  for (unsigned round = 0; round < kRounds; ++round) {
    const auto all = collecting(2);
    const auto first = v.recording(1000 + round * 10);
    v.close();
    const pid_t child = fork();
    if (child == 0) {
      for (unsigned i = 1; i <= kEach; ++i) {
        if (ingest(1000 + round * 10 + i).error) _exit(1);
      }
      _exit(0);
    }
    ::usleep(round * 300);
    const auto entrance = try_enter(all[0].id, *v);
    const auto in_it = in(all[0]);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ASSERT_EQ(must(base::Result<Entrance>(entrance)), Entrance::claimed);
    EXPECT_EQ(in(all[0]), in_it) << "it grew after its claim";
    EXPECT_EQ(in_it.front(), first);
    EXPECT_EQ(in_it.size() + in(all[1]).size(), 1 + kEach);
    std::set<std::string> each(in_it.begin(), in_it.end());
    for (const auto& id : in(all[1])) each.insert(id);
    EXPECT_EQ(each.size(), 1 + kEach);
    for (const auto& id : each) EXPECT_TRUE(opens(std::ranges::count(in_it, id) != 0 ? all[0] : all[1], id));
    before += in_it.size() > 1 && in_it.size() < 1 + kEach ? 1 : 0;
    for (const auto& delivery : all) must(revoke_delivery(*v, v.actor(), delivery.id));
  }
  std::printf("%u of %u claims came between two recordings\n", before, kRounds);
  EXPECT_EQ(v.damage(false), "");
}

TEST(NumberedName, IsSafeAndTellsEqualOnesApart) {
  EXPECT_EQ(numbered_name(0, "msg0001.wav"), "00001-msg0001.wav");
  EXPECT_EQ(numbered_name(123455, "a.wav"), "123456-a.wav");
  EXPECT_EQ(numbered_name(1, "../x\n.wav"), "00002-_x_.wav");
  EXPECT_EQ(numbered_name(1, "con"), "00002-_con");
  EXPECT_LE(numbered_name(1, std::string(400, 'a') + ".wav").size(), 200U);
}

}  // namespace
}  // namespace vault
