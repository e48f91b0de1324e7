#include "vault/server_keys.h"

#include "keys/host_key.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/faulty_files.h"
#include "tests/testkit/temp_vault.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must;
using testkit::TempVault;

TEST(ServiceKey, TheNewOneSignsAndTheOldOneStillCounts) {
  TempVault v;
  const auto source = v.source("a.wav", testkit::wav(3000));
  const auto id = v.ingest(source).id;
  const auto checkpoint = must(v->audit().checkpoint());
  const auto old = v->service().verifier();
  ASSERT_OK(rotate_service_key(*v, v.actor()));
  EXPECT_FALSE(v->service().verifier() == old);
  EXPECT_EQ(v->trust().service, (std::vector{v->service().verifier(), old}));
  EXPECT_TRUE(v.whole(id));
  EXPECT_TRUE(v.whole(v.recording(2)));
  EXPECT_OK(v->audit().verify(v->trust().service, checkpoint));
  EXPECT_EQ(v.damage(), "");
  EXPECT_TRUE(v.ingest(source).duplicate) << "it forgot which sources are held";
  ASSERT_OK(rotate_service_key(*v, v.actor()));
  EXPECT_EQ(v->trust().service.size(), 3u);
  EXPECT_TRUE(v.ingest(source).duplicate);
  EXPECT_TRUE(v.whole(id));
}

TEST(ServiceKey, ACutRotationGoesOn) {
  for (std::int64_t k = 0, finished = 0; finished == 0; ++k) {
    SCOPED_TRACE("cut at call " + std::to_string(k));
    TempVault v;
    const auto id = v.recording(1);
    const auto old = v->service().verifier();
    {
      testkit::FaultyFiles faulty(k);
      auto cut = v.try_open(faulty);
      if (cut) (void)rotate_service_key(*cut, v.actor());
      cut = base::Error{Fault::failed, "the process has ended"};
      finished = faulty.reached() ? 0 : 1;
    }
    v.reopen();
    if (v->service().verifier() == old) {
      ASSERT_OK(rotate_service_key(*v, v.actor()));
    }
    EXPECT_EQ(v->trust().service.size(), 2u);
    EXPECT_TRUE(v.whole(id));
    EXPECT_EQ(v.damage(), "");
    ASSERT_LT(k, 200);
  }
}

TEST(HostKey, TheNextOneIsShownBeforeItIsInUse) {
  TempVault v;
  const auto present = must(keys::host_key_fingerprint(v / "host.key"));
  EXPECT_EQ(must(next_host_key_fingerprint(*v)), "");
  EXPECT_FAULT(Fault::not_found, switch_host_key(*v, v.actor()));
  const auto next = must(make_next_host_key(*v, v.actor()));
  EXPECT_EQ(must(make_next_host_key(*v, v.actor())), next);
  EXPECT_EQ(must(next_host_key_fingerprint(*v)), next);
  EXPECT_EQ(must(keys::host_key_fingerprint(v / "host.key")), present);
  EXPECT_EQ(must(switch_host_key(*v, v.actor())), next);
  EXPECT_EQ(must(keys::host_key_fingerprint(v / "host.key")), next);
  EXPECT_EQ(must(next_host_key_fingerprint(*v)), "");
  EXPECT_NE(next, present);
}

TEST(ServerKeys, AreTheItManagersBusiness) {
  TempVault v;
  const Actor recovery = must(recognise(*v, v.recovery()));
  EXPECT_FAULT(Fault::denied, rotate_service_key(*v, recovery));
  EXPECT_FAULT(Fault::denied, make_next_host_key(*v, recovery));
  EXPECT_FAULT(Fault::denied, switch_host_key(*v, recovery));
  EXPECT_FALSE(base::exists(v / "service.key.next"));
  EXPECT_FALSE(base::exists(v / "host.key.next"));
}

}  // namespace
}  // namespace vault
