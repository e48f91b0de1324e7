#include "keys/kdf.h"

#include <set>

#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"

namespace {

using base::Fault;
using testkit::must;
using testkit::secret;

base::Bytes from_hex(std::string_view text) { return must(base::unhex(text)); }
std::string hex(const base::SecretBytes& s) { return base::hex(s.reveal()); }

TEST(Sha256, OfNothingAndOfAbc) {  // FIPS 180-4
  EXPECT_EQ(base::hex(keys::sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(base::hex(keys::sha256(base::as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, StreamOfPiecesEqualsTheWhole) {
  const base::Bytes data = testkit::pattern(1000);
  for (const std::size_t piece : {1U, 7U, 64U, 999U}) {
    keys::Sha256Stream stream;
    for (std::size_t at = 0; at < data.size(); at += piece)
      stream.update(base::ByteView(data).subspan(at, std::min(piece, data.size() - at)));
    EXPECT_EQ(stream.finish(), keys::sha256(data));
  }
}

TEST(Hmac, Rfc4231Case2) {
  EXPECT_EQ(base::hex(keys::hmac_sha256(secret("Jefe"), base::as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Hkdf, Rfc5869Case1) {
  const auto out = keys::hkdf_sha256(base::Bytes(22, std::byte{0x0b}), from_hex("000102030405060708090a0b0c"),
                                     from_hex("f0f1f2f3f4f5f6f7f8f9"), 42);
  ASSERT_OK(out);
  EXPECT_EQ(hex(*out), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
}

TEST(Hkdf, Rfc5869Case3WithoutSaltAndInfo) {
  const auto out = keys::hkdf_sha256(base::Bytes(22, std::byte{0x0b}), {}, {}, 42);
  ASSERT_OK(out);
  EXPECT_EQ(hex(*out), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Hkdf, LongerThanItCanBeFails) {
  EXPECT_FAULT(Fault::failed, keys::hkdf_sha256(base::Bytes(16), {}, {}, 255 * 32 + 1));
}

TEST(Scrypt, Rfc7914WithParametersOfAge) {  // the RFC's third vector: N = 2^14, r = 8, p = 1
  const auto out = keys::scrypt(secret("pleaseletmein"), base::as_bytes("SodiumChloride"), 14, 64);
  ASSERT_OK(out);
  EXPECT_EQ(hex(*out),
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
            "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
}

TEST(Scrypt, RefusesFactorsOutsideOneToTwenty) {
  for (const unsigned log_n : {0U, 21U, 63U, 64U, 255U})
    EXPECT_FAULT(Fault::usage, keys::scrypt(secret("x"), base::as_bytes("salt"), log_n, 32)) << log_n;
}

TEST(Labels, NoneIsAPrefixOfAnother) {
  namespace l = keys::label;
  const std::set<std::string_view> labels{l::kAccess, l::kHeader,  l::kCommit,   l::kChallenge,
                                          l::kEntry,  l::kDetails, l::kDuplicate};
  EXPECT_EQ(labels.size(), 7U);
  for (const auto a : labels)
    for (const auto b : labels) EXPECT_TRUE(a == b || !b.starts_with(a)) << a << " " << b;
}

}  // namespace
