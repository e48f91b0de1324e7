#include "keys/sealed_header.h"

#include "keys/aead.h"
#include "keys/kdf.h"
#include "keys/recipient.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"

namespace {

using base::Bytes;
using base::Fault;
using testkit::must;
using testkit::secret_of;

constexpr keys::HeaderPlace kPlace{"r-1", "it-manager"};
const Bytes kHeader = testkit::pattern(168);

Bytes for_role() { return must(keys::seal_header(kPlace, secret_of(32, 1), nullptr, kHeader)); }
Bytes for_access() {
  const auto access = secret_of(32, 2);
  return must(keys::seal_header(kPlace, secret_of(32, 1), &access, kHeader));
}

TEST(SealedHeader, ARoleOpensItsRow) {
  EXPECT_EQ(for_role().size(), 24 + 168 + 16U);
  EXPECT_EQ(testkit::bytes_of(must(keys::open_header(kPlace, secret_of(32, 1), nullptr, for_role()))), kHeader);
}

TEST(SealedHeader, AnAccessOpensItsRowWithBothSecrets) {
  const auto access = secret_of(32, 2);
  EXPECT_EQ(testkit::bytes_of(must(keys::open_header(kPlace, secret_of(32, 1), &access, for_access()))), kHeader);
}

TEST(SealedHeader, IsWhatTheFormatSays) {  // docs/format.md, by hand
  Bytes ad = base::to_bytes("callvault/v1/header");
  base::put_string(ad, "r-1");
  base::put_string(ad, "it-manager");
  EXPECT_OK(keys::xchacha_open(secret_of(32, 1), ad, for_role()));
  Bytes both(32, std::byte{1});
  both.resize(64, std::byte{2});
  EXPECT_OK(keys::xchacha_open(must(keys::hkdf_sha256(both, {}, base::as_bytes("callvault/v1/header"), 32)), ad,
                               for_access()));
}

TEST(SealedHeader, WorkedExampleOfTheFormat) {  // docs/format.md
  const auto key = must(base::unhex("863d1de5fc44fa9ac8cb2359d91dd5b58849da2d475218efe3b1751a7b2d5086"));
  Bytes ad = base::to_bytes("callvault/v1/header");
  base::put_string(ad, "r-1");
  base::put_string(ad, "it-manager");
  EXPECT_OK(keys::xchacha_open(testkit::secret(base::ByteView(key)), ad, for_access()));
  EXPECT_EQ(base::hex(must(keys::commitment(secret_of(16, 1), "r-1"))),
            "3d399aeead595dbea966e3f78ba335faa11a6fb62d3a68f267f26ebd333b7659");
}

TEST(SealedHeader, EveryFlippedBitIsDamage) {  // A02
  const Bytes good = for_role();
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    EXPECT_FAULT(Fault::damaged, keys::open_header(kPlace, secret_of(32, 1), nullptr, bad)) << bit;
  }
}

TEST(SealedHeader, EveryCutIsDamage) {
  const Bytes good = for_role();
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FAULT(Fault::damaged,
                 keys::open_header(kPlace, secret_of(32, 1), nullptr, base::ByteView(good).first(size)));
}

TEST(SealedHeader, OtherRecordingOrRecipientIsDamage) {  // A08
  for (const keys::HeaderPlace place :
       {keys::HeaderPlace{"r-2", "it-manager"}, keys::HeaderPlace{"r-1", "tech-manager"},
        keys::HeaderPlace{"r-1i", "t-manager"}, keys::HeaderPlace{"", ""}})
    EXPECT_FAULT(Fault::damaged, keys::open_header(place, secret_of(32, 1), nullptr, for_role()));
}

TEST(SealedHeader, OtherEraseSecretIsDamage) {  // A08: slot +-1
  EXPECT_FAULT(Fault::damaged, keys::open_header(kPlace, secret_of(32, 3), nullptr, for_role()));
}

TEST(SealedHeader, AccessSecretMissingOtherOrExchangedIsDamage) {
  const auto recording = secret_of(32, 1);
  const auto access = secret_of(32, 2);
  const auto other = secret_of(32, 3);
  EXPECT_FAULT(Fault::damaged, keys::open_header(kPlace, recording, nullptr, for_access()));
  EXPECT_FAULT(Fault::damaged, keys::open_header(kPlace, recording, &other, for_access()));
  EXPECT_FAULT(Fault::damaged, keys::open_header(kPlace, access, &recording, for_access()));
  EXPECT_FAULT(Fault::damaged, keys::open_header(kPlace, recording, &access, for_role()));
}

TEST(SealedHeader, AnErasedSecretIsNeverAKey) {
  const auto erased = secret_of(32, 0);
  const auto good = secret_of(32, 1);
  EXPECT_FAULT(Fault::damaged, keys::seal_header(kPlace, erased, nullptr, kHeader));
  EXPECT_FAULT(Fault::damaged, keys::seal_header(kPlace, good, &erased, kHeader));
  EXPECT_FAULT(Fault::damaged, keys::open_header(kPlace, erased, nullptr, for_role()));
  EXPECT_FAULT(Fault::damaged, keys::open_header(kPlace, good, &erased, for_access()));
}

TEST(SealedHeader, SealedAgainItOpensUnderTheNewSecretOnly) {
  const auto old_secret = secret_of(32, 1);
  const auto new_secret = secret_of(32, 3);
  const auto access = secret_of(32, 2);
  const auto again = must(keys::reseal_header(kPlace, old_secret, new_secret, &access, for_access()));
  EXPECT_EQ(testkit::bytes_of(must(keys::open_header(kPlace, new_secret, &access, again))), kHeader);
  EXPECT_FAULT(Fault::damaged, keys::open_header(kPlace, old_secret, &access, again));
  EXPECT_FAULT(Fault::damaged, keys::open_header(kPlace, new_secret, nullptr, again));
  EXPECT_FAULT(Fault::damaged, keys::reseal_header(kPlace, new_secret, old_secret, &access, for_access()));
  EXPECT_FAULT(Fault::damaged, keys::reseal_header(kPlace, old_secret, new_secret, nullptr, for_access()));
  EXPECT_FAULT(Fault::damaged, keys::reseal_header(kPlace, old_secret, secret_of(32, 0), &access, for_access()));
}

TEST(SealedHeaderDeathTest, EraseSecretsOfAnotherSizeStopTheProcess) {
  EXPECT_DEATH((void)keys::seal_header(kPlace, secret_of(31, 1), nullptr, kHeader), "");
}

TEST(Commitment, BindsFileKeyAndRecording) {  // A11
  const auto one = must(keys::commitment(secret_of(16, 1), "r-1"));
  EXPECT_EQ(one.size(), 32U);
  EXPECT_EQ(one, must(keys::commitment(secret_of(16, 1), "r-1")));
  EXPECT_NE(one, must(keys::commitment(secret_of(16, 2), "r-1")));
  EXPECT_NE(one, must(keys::commitment(secret_of(16, 1), "r-2")));
  const auto by_hand = must(
      keys::hkdf_sha256(Bytes(16, std::byte{1}), base::as_bytes("r-1"), base::as_bytes("callvault/v1/commit"), 32));
  EXPECT_EQ(base::hex(one), base::hex(by_hand.reveal()));
}

}  // namespace
