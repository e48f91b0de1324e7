#include "keys/aead.h"

#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"

namespace {

using base::Fault;
using testkit::bytes_of;
using testkit::must;
using testkit::secret_of;

base::Bytes flipped(base::Bytes bytes, std::size_t bit) {
  bytes[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
  return bytes;
}

TEST(Chacha, Rfc8439Section282) {
  base::Bytes key;
  for (unsigned i = 0x80; i < 0xa0; ++i) base::put_u8(key, static_cast<std::uint8_t>(i));
  const auto plain = base::as_bytes(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be "
      "it.");
  const auto sealed =
      must(keys::chacha_seal(testkit::secret(base::ByteView(key)), must(base::unhex("070000004041424344454647")),
                             must(base::unhex("50515253c0c1c2c3c4c5c6c7")), plain));
  EXPECT_EQ(base::hex(base::ByteView(sealed).first(16)), "d31a8d34648e60db7b86afbc53ef7ec2");
  EXPECT_EQ(base::hex(base::ByteView(sealed).last(16)), "1ae10b594f09e26a7e902ecbd0600691");
}

TEST(Chacha, OpensWhatItSealed) {
  for (const std::size_t size : {0U, 1U, 16U, 64U, 65U, 100000U})
    for (const std::string_view ad : {"", "ad"}) {
      const base::Bytes plain = testkit::pattern(size);
      const auto sealed = must(keys::chacha_seal(secret_of(32, 1), keys::kZeroNonce, base::as_bytes(ad), plain));
      EXPECT_EQ(sealed.size(), size + 16);
      const auto opened = keys::chacha_open(secret_of(32, 1), keys::kZeroNonce, base::as_bytes(ad), sealed);
      ASSERT_OK(opened);
      EXPECT_EQ(bytes_of(*opened), plain);
    }
}

TEST(Chacha, EveryFlippedBitIsDamage) {
  for (const std::size_t size : {0U, 20U}) {
    const auto sealed = must(keys::chacha_seal(secret_of(32, 1), keys::kZeroNonce, {}, testkit::pattern(size)));
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit)
      EXPECT_FAULT(Fault::damaged, keys::chacha_open(secret_of(32, 1), keys::kZeroNonce, {}, flipped(sealed, bit)));
  }
}

TEST(Chacha, EveryShorterOrLongerTextIsDamage) {
  auto sealed = must(keys::chacha_seal(secret_of(32, 1), keys::kZeroNonce, {}, testkit::pattern(20)));
  for (std::size_t size = 0; size < sealed.size(); ++size)
    EXPECT_FAULT(Fault::damaged,
                 keys::chacha_open(secret_of(32, 1), keys::kZeroNonce, {}, base::ByteView(sealed).first(size)));
  sealed.push_back(std::byte{0});
  EXPECT_FAULT(Fault::damaged, keys::chacha_open(secret_of(32, 1), keys::kZeroNonce, {}, sealed));
}

TEST(Chacha, OtherKeyNonceOrAdIsDamage) {
  const auto sealed =
      must(keys::chacha_seal(secret_of(32, 1), keys::kZeroNonce, base::as_bytes("ad"), testkit::pattern(20)));
  auto nonce = keys::kZeroNonce;
  nonce[11] = std::byte{1};
  EXPECT_FAULT(Fault::damaged, keys::chacha_open(secret_of(32, 2), keys::kZeroNonce, base::as_bytes("ad"), sealed));
  EXPECT_FAULT(Fault::damaged, keys::chacha_open(secret_of(32, 1), nonce, base::as_bytes("ad"), sealed));
  EXPECT_FAULT(Fault::damaged, keys::chacha_open(secret_of(32, 1), keys::kZeroNonce, base::as_bytes("Ad"), sealed));
  EXPECT_FAULT(Fault::damaged, keys::chacha_open(secret_of(32, 1), keys::kZeroNonce, {}, sealed));
}

TEST(Chacha, SixteenBytesAloneAreNoEmptyText) {  // an empty text needs a right tag too
  for (int value = 0; value < 256; ++value)
    EXPECT_FAULT(Fault::damaged, keys::chacha_open(secret_of(32, 1), keys::kZeroNonce, {},
                                                   base::Bytes(16, static_cast<std::byte>(value))));
}

TEST(ChachaDeathTest, KeyOrNonceOfAnotherSizeStopsTheProcess) {
  EXPECT_DEATH((void)keys::chacha_seal(secret_of(31, 1), keys::kZeroNonce, {}, {}), "");
  EXPECT_DEATH((void)keys::chacha_open(secret_of(32, 1), base::Bytes(24), {}, base::Bytes(16)), "");
}

TEST(Xchacha, OpensWhatItSealedAndDrawsANewNonce) {
  const base::Bytes plain = testkit::pattern(168);
  const auto first = must(keys::xchacha_seal(secret_of(32, 1), base::as_bytes("ad"), plain));
  const auto second = must(keys::xchacha_seal(secret_of(32, 1), base::as_bytes("ad"), plain));
  EXPECT_EQ(first.size(), 24 + 168 + 16U);
  EXPECT_NE(base::hex(base::ByteView(first).first(24)), base::hex(base::ByteView(second).first(24)));
  EXPECT_EQ(bytes_of(must(keys::xchacha_open(secret_of(32, 1), base::as_bytes("ad"), first))), plain);
}

TEST(Xchacha, EveryFlippedBitIsDamage) {
  const auto sealed = must(keys::xchacha_seal(secret_of(32, 1), {}, testkit::pattern(20)));
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit)
    EXPECT_FAULT(Fault::damaged, keys::xchacha_open(secret_of(32, 1), {}, flipped(sealed, bit)));
}

TEST(Xchacha, OtherKeyOrAdOrACutIsDamage) {
  const auto sealed = must(keys::xchacha_seal(secret_of(32, 1), {}, testkit::pattern(20)));
  EXPECT_FAULT(Fault::damaged, keys::xchacha_open(secret_of(32, 2), {}, sealed));
  EXPECT_FAULT(Fault::damaged, keys::xchacha_open(secret_of(32, 1), base::as_bytes("ad"), sealed));
  for (std::size_t size = 0; size < sealed.size(); ++size)
    EXPECT_FAULT(Fault::damaged, keys::xchacha_open(secret_of(32, 1), {}, base::ByteView(sealed).first(size)));
}

}  // namespace
