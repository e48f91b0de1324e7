#include "vault/deliver.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "keys/challenge.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_vault.h"
#include "vault/access.h"
#include "vault/claim.h"
#include "vault/customer.h"
#include "vault/erase.h"
#include "vault/folder_entry.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must, testkit::TempVault;

class Deliver : public ::testing::Test {
 protected:
  base::Result<Delivery> try_deliver(const std::vector<std::string>& ids, const std::string& customer = "acme") {
    DeliveryRequest request;
    request.customer = customer;
    request.recordings = ids;
    return deliver(*v, v.actor(), request);
  }
  std::string count(const std::string& what) { return v.sql("SELECT count(*) FROM " + what); }
  std::vector<std::string> names(const Delivery& delivery) {
    const auto key = v.key_of(delivery);
    const auto secret = must(v->slots().read(must(v->catalog().access(delivery.id)).slot));
    std::vector<std::string> out;
    for (const auto& item : must(v->catalog().items(delivery.id))) {
      const auto file = must(open_entry(delivery.id, secret, item.entry));
      out.push_back(must(parse_entry(must(keys::open_sealed(key, file)).reveal())).name);
    }
    return out;
  }
  TempVault v;
};

TEST_F(Deliver, HoldsWhatWasAskedForAndSaysSo) {
  const auto a = v.recording(1, 1000);
  const auto b = v.recording(2, 2000);
  const auto delivery = must(try_deliver({a, b}));
  EXPECT_EQ(delivery.account, "acme");
  EXPECT_EQ(delivery.recordings, 2U);
  EXPECT_EQ(delivery.bytes, 3088U);
  EXPECT_EQ(delivery.expires, v.clock.now() + 7 * 86400);
  EXPECT_EQ(must(v->catalog().items(delivery.id)).size(), 2U);
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Deliver, ThePasswordStandsNowhere) {
  const auto delivery = must(try_deliver({v.recording(1)}));
  const std::string shown = base::to_text(delivery.password.reveal());
  ASSERT_EQ(shown.size(), 29U);
  EXPECT_FALSE(v.holds(base::as_bytes(shown)));
  EXPECT_FALSE(v.holds(base::as_bytes(std::string_view(shown).substr(0, 11))));
  std::string bare = shown;
  std::erase(bare, '-');
  EXPECT_FALSE(v.holds(base::as_bytes(bare)));
}

TEST_F(Deliver, ThePasswordAnswersItsChallenge) {
  const auto delivery = must(try_deliver({v.recording(1)}));
  const auto other = must(try_deliver({v.recording(2)}));
  const auto statement = must(verified_access(*v, must(v->catalog().access(delivery.id))));
  const auto challenge = must(keys::make_challenge(statement.recipient));
  EXPECT_TRUE(must(keys::answer_challenge(v.key_of(delivery), challenge.sealed)) == challenge.answer);
  EXPECT_FAULT(Fault::denied, keys::answer_challenge(v.key_of(other), challenge.sealed));
}

TEST_F(Deliver, GivesEveryFileANameOfItsOwn) {
  std::vector<std::string> ids;
  unsigned seed = 0;
  for (const char* name : {"a/call.wav", "b/CALL.wav", "c/SHA256SUMS", "d/read-me-first.txt.wav", "e/x:y|z.wav"})
    ids.push_back(v.ingest(v.source(name, testkit::wav(500, ++seed))).id);
  auto all = names(must(try_deliver(ids)));
  for (auto& name : all)
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
  EXPECT_EQ(std::count(all.begin(), all.end(), "sha256sums"), 0);
  for (const auto& name : all) EXPECT_EQ(name.find_first_of(":|/\\"), std::string::npos) << name;
}

TEST_F(Deliver, AllOfACustomerAreThoseInNoOtherDelivery) {
  const auto a = v.recording(1);
  const auto first = must(try_deliver({a}));
  v.recording(2);
  v.recording(3, 500, "");  // class own
  const auto rest = must(try_deliver({}));
  EXPECT_EQ(rest.recordings, 1U);
  EXPECT_FAULT(Fault::not_found, try_deliver({}));
}

TEST_F(Deliver, BetweenTwoTimesBothEndsCount) {
  const auto from = v.clock.now();
  for (unsigned i = 0; i < 4; ++i) {
    v.recording(i + 1);
    v.clock.advance(100);
  }
  DeliveryRequest request;
  request.customer = "acme";
  request.from = from + 100;
  request.to = from + 200;
  EXPECT_EQ(must(deliver(*v, v.actor(), request)).recordings, 2U);
}

// Refusals leave no trace.
class Refused : public Deliver {
 protected:
  void TearDown() override {
    EXPECT_EQ(count("access"), "0");
    EXPECT_EQ(count("item"), "0");
    EXPECT_EQ(count("audit WHERE leaf LIKE '%delivery.made%'"), "0");
  }
};

TEST_F(Refused, UnknownCustomer) { EXPECT_FAULT(Fault::not_found, try_deliver({v.recording(1)}, "nobody")); }
TEST_F(Refused, NothingThere) { EXPECT_FAULT(Fault::not_found, try_deliver({})); }
TEST_F(Refused, UnknownRecording) { EXPECT_FAULT(Fault::not_found, try_deliver({"r-0123456789abcdef"})); }
TEST_F(Refused, NoId) { EXPECT_FAULT(Fault::usage, try_deliver({"../catalog.db"})); }
TEST_F(Refused, ClassOwn) { EXPECT_FAULT(Fault::usage, try_deliver({v.recording(1, 500, "")})); }
TEST_F(Refused, AnotherCustomers) {
  must(add_customer(*v, v.actor(), "other", "", 0));
  EXPECT_FAULT(Fault::usage, try_deliver({v.recording(1), v.recording(2, 500, "other")}));
}
TEST_F(Refused, TheSameTwice) {
  const auto id = v.recording(1);
  EXPECT_FAULT(Fault::busy, try_deliver({id, id}));
}
TEST_F(Refused, OneOfSeveralDamaged) {
  const auto a = v.recording(1);
  const auto b = v.recording(2);
  v.sql("UPDATE metadata SET payload = 'AAAA' WHERE recording = '" + b + "'");
  EXPECT_FAULT(Fault::damaged, try_deliver({a, b}));
}
TEST_F(Refused, TheRecoveryMayNot) {
  const auto actor = must(recognise(*v, v.recovery()));
  DeliveryRequest request;
  request.customer = "acme";
  request.recordings = {v.recording(1)};
  EXPECT_FAULT(Fault::denied, deliver(*v, actor, request));
}

// One recording, one delivery.

TEST_F(Deliver, TheSameRecordingInTwoDeliveriesIsBusy) {
  const auto a = v.recording(1);
  const auto b = v.recording(2);
  const auto first = must(try_deliver({a}));
  EXPECT_FAULT(Fault::busy, try_deliver({b, a}));
  EXPECT_EQ(count("access"), "1");
  EXPECT_EQ(count("item"), "1");
  EXPECT_OK(try_deliver({b}));
}

// The index holds also where nobody looks first.
TEST_F(Deliver, TheIndexItselfRefusesASecondOffer) {
  const auto a = v.recording(1);
  const auto first = must(try_deliver({a}));
  const auto second = must(try_deliver({v.recording(2)}));
  const auto r = v->catalog().change([&] {
    ItemRow item;
    item.access = second.id;
    item.position = 9;
    item.recording = a;
    return v->catalog().add_item(item, "x");
  });
  EXPECT_FAULT(Fault::busy, r);
  EXPECT_EQ(v.sql("INSERT OR IGNORE INTO item (access, position, recording, exclusive, state, entry) VALUES ('" +
                  second.id + "', 9, '" + a + "', 1, 'offered', ''); SELECT changes()"),
            "0");
}

TEST_F(Deliver, TheSameRecordingFromManyProcessesAtOnceGoesIntoOne) {
  const auto id = v.recording(1);
  v.close();
  std::vector<pid_t> children;
  for (int i = 0; i < 12; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      DeliveryRequest request;
      request.customer = "acme";
      request.recordings = {id};
      const auto delivery = deliver(*v, v.actor(), request);
      _exit(delivery ? 0 : static_cast<int>(delivery.error().fault));
    }
    children.push_back(child);
  }
  int made = 0;
  int busy = 0;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status));
    made += WEXITSTATUS(status) == 0 ? 1 : 0;
    busy += WEXITSTATUS(status) == static_cast<int>(Fault::busy) ? 1 : 0;
  }
  EXPECT_EQ(made, 1);
  EXPECT_EQ(busy, 11);
  EXPECT_EQ(count("access"), "1");
  EXPECT_EQ(v.damage(), "");
}

// Revoke and reissue.

TEST_F(Deliver, RevokedItIsShutAndItsRecordingsAreHeldAgain) {
  const auto a = v.recording(1);
  const auto delivery = must(try_deliver({a}));
  const auto slot = must(v->catalog().access(delivery.id)).slot;
  EXPECT_OK(revoke_delivery(*v, v.actor(), delivery.id));
  EXPECT_FAULT(Fault::not_found, v->slots().read(slot));
  EXPECT_EQ(count("header WHERE recipient = '" + delivery.id + "'"), "0");
  EXPECT_EQ(must(v->catalog().items(delivery.id)).front().state, "withdrawn");
  EXPECT_TRUE(v.whole(a));
  EXPECT_FAULT(Fault::not_found, revoke_delivery(*v, v.actor(), delivery.id));
  EXPECT_OK(try_deliver({a}));  // can be delivered again
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Deliver, RevokedWhileClaimedItStaysWhole) {
  const auto a = v.recording(1);
  const auto delivery = must(try_deliver({a}));
  ASSERT_EQ(must(enter(*v, must(candidates(*v, "acme", 8)).at(0), "203.0.113.7", 0)), Entrance::claimed);
  EXPECT_OK(revoke_delivery(*v, v.actor(), delivery.id));
  EXPECT_TRUE(v.whole(a));
  v.mark_delivered(delivery);  // a mark that comes too late
  must(finish_erasures(*v));
  EXPECT_TRUE(v.whole(a));
}

TEST_F(Deliver, UnknownOnesCannotBeRevokedOrReissued) {
  for (const std::string id : {"d-0123456789abcdef", "", "'"}) {
    EXPECT_FAULT(Fault::not_found, revoke_delivery(*v, v.actor(), id));
    EXPECT_FAULT(Fault::not_found, reissue_delivery(*v, v.actor(), id, std::nullopt));
  }
}

TEST_F(Deliver, TheRecoveryMayNeitherRevokeNorReissue) {
  const auto delivery = must(try_deliver({v.recording(1)}));
  const auto actor = must(recognise(*v, v.recovery()));
  EXPECT_FAULT(Fault::denied, revoke_delivery(*v, actor, delivery.id));
  EXPECT_FAULT(Fault::denied, reissue_delivery(*v, actor, delivery.id, std::nullopt));
  EXPECT_EQ(v.sql("SELECT state FROM access"), "open");
}

TEST_F(Deliver, ReissuedItHoldsWhatIsLeftUnderANewPassword) {
  const auto a = v.recording(1);
  const auto b = v.recording(2);
  DeliveryRequest request;
  request.customer = "acme";
  request.recordings = {a, b};
  request.strict = true;
  request.any_address = true;
  const auto old = must(deliver(*v, v.actor(), request));
  must(mark_delivered(*v, {{old.id, 0, a}}));
  must(finish_erasures(*v));
  v.clock.advance(3600);
  const auto anew = must(reissue_delivery(*v, v.actor(), old.id, 86400));
  EXPECT_NE(anew.id, old.id);
  EXPECT_FALSE(anew.password == old.password);
  EXPECT_EQ(anew.recordings, 1U);
  EXPECT_EQ(anew.expires, v.clock.now() + 86400);
  const auto row = must(v->catalog().access(anew.id));
  EXPECT_TRUE(row.strict);
  EXPECT_TRUE(row.any_address);
  EXPECT_EQ(must(v->catalog().items(anew.id)).front().recording, b);
  EXPECT_EQ(must(v->catalog().access(old.id)).state, "revoked");
  EXPECT_FAULT(Fault::not_found, v->slots().read(must(v->catalog().access(old.id)).slot));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Deliver, AnEditedOneIsNotReissued) {
  const auto made = v.deliver({v.recording(1)});
  v.sql("UPDATE access SET any_address = 1");
  EXPECT_FAULT(Fault::damaged, reissue_delivery(*v, v.actor(), made.id, std::nullopt));
  EXPECT_EQ(v.sql("SELECT COUNT(*) FROM access"), "1");
}

TEST_F(Deliver, EndedItIsReissuedForWhatWasNotFetched) {
  const auto a = v.recording(1);
  const auto b = v.recording(2);
  const auto c = v.recording(3);
  for (const std::string how : {"revoked", "finished", "expired"}) {
    const auto old = must(try_deliver({a, b, c}));
    EXPECT_OK(end_access(*v, old.id, how, "service"));
    must(finish_erasures(*v));
    const auto other = must(try_deliver({c}));  // meanwhile in another one, which stays as it is
    const auto anew = must(reissue_delivery(*v, v.actor(), old.id, std::nullopt));
    EXPECT_EQ(anew.recordings, 2U);
    EXPECT_EQ(must(v->catalog().access(old.id)).state, how);
    EXPECT_EQ(must(v->catalog().access(other.id)).state, "open");
    EXPECT_FAULT(Fault::not_found, reissue_delivery(*v, v.actor(), old.id, std::nullopt));  // all is in others now
    EXPECT_OK(revoke_delivery(*v, v.actor(), anew.id));
    EXPECT_OK(revoke_delivery(*v, v.actor(), other.id));
  }
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Deliver, WithNothingLeftIsNotReissued) {
  const auto a = v.recording(1);
  const auto delivery = must(try_deliver({a}));
  v.mark_delivered(delivery);
  EXPECT_FAULT(Fault::not_found, reissue_delivery(*v, v.actor(), delivery.id, std::nullopt));
  EXPECT_EQ(must(v->catalog().access(delivery.id)).state, "open");
}

}  // namespace
}  // namespace vault
