#include "keys/bech32.h"

#include <algorithm>

#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"

namespace {

using base::Fault;
using testkit::must;

// BIP 173's own example of a valid string with data (all 32 symbols).
constexpr std::string_view kBip = "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw";

TEST(Bech32, ReadsTheExampleOfBip173) {
  const auto decoded = must(keys::bech32_decode(base::as_bytes(kBip)));
  EXPECT_EQ(decoded.prefix, "abcdef");
  EXPECT_EQ(base::hex(decoded.data.reveal()), "00443214c74254b635cf84653a56d7c675be77df");
}

TEST(Bech32, ReadsUpperCaseAndGivesTheLowerCasePrefix) {
  std::string upper(kBip);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  const auto decoded = must(keys::bech32_decode(base::as_bytes(upper)));
  EXPECT_EQ(decoded.prefix, "abcdef");
}

TEST(Bech32, EverySizeComesBack) {
  for (std::size_t size = 0; size < 100; ++size) {
    const base::Bytes data = testkit::pattern(size);
    const std::string text = keys::bech32_encode("age", data);
    const auto decoded = keys::bech32_decode(base::as_bytes(text));
    ASSERT_OK(decoded);
    EXPECT_EQ(decoded->prefix, "age");
    EXPECT_EQ(testkit::bytes_of(decoded->data), data);
  }
}

TEST(Bech32, SecretTextIsUpperCaseAndComesBack) {
  const auto text = must(keys::bech32_encode_secret("AGE-SECRET-KEY-", testkit::secret_of(32, 7)));
  const std::string shown = testkit::shown(text);
  EXPECT_TRUE(shown.starts_with("AGE-SECRET-KEY-1"));
  EXPECT_EQ(shown.size(), 74U);
  EXPECT_EQ(std::count_if(shown.begin(), shown.end(), [](char c) { return c >= 'a' && c <= 'z'; }), 0);
  const auto decoded = must(keys::bech32_decode(text.reveal()));
  EXPECT_EQ(decoded.prefix, "age-secret-key-");
  EXPECT_TRUE(decoded.data == testkit::secret_of(32, 7));
}

TEST(Bech32, EveryOtherSymbolAnywhereIsDamage) {
  const std::string good = keys::bech32_encode("age", testkit::pattern(32));
  for (std::size_t at = 0; at < good.size(); ++at)
    for (int c = 0; c < 256; ++c) {
      std::string bad = good;
      bad[at] = static_cast<char>(c);
      if (bad == good) continue;
      EXPECT_FAULT(Fault::damaged, keys::bech32_decode(base::as_bytes(bad))) << bad;
    }
}

TEST(Bech32, SwappedNeighboursAreDamage) {
  const std::string good = keys::bech32_encode("age", testkit::pattern(32));
  for (std::size_t at = 4; at + 1 < good.size(); ++at) {
    std::string bad = good;
    std::swap(bad[at], bad[at + 1]);
    if (bad != good) {
      EXPECT_FAULT(Fault::damaged, keys::bech32_decode(base::as_bytes(bad)));
    }
  }
}

TEST(Bech32, EveryCutIsDamage) {
  const std::string good = keys::bech32_encode("age", testkit::pattern(32));
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FAULT(Fault::damaged, keys::bech32_decode(base::as_bytes(good.substr(0, size))));
}

TEST(Bech32, MixedCaseIsDamage) {
  std::string mixed(kBip);
  mixed[0] = 'A';
  EXPECT_FAULT(Fault::damaged, keys::bech32_decode(base::as_bytes(mixed)));
}

TEST(Bech32, PaddingThatIsNotZeroIsDamage) {
  // All with a right checksum: one symbol, three symbols, and one byte with a set bit behind it.
  EXPECT_OK(keys::bech32_decode(base::as_bytes("age1qywnyetw")));
  for (const std::string_view bad : {"age1qdd35qf", "age1qqqyst3gn", "age1qpu0j2ex", "age1qzju8uhe", "age1qr02nf2t"})
    EXPECT_FAULT(Fault::damaged, keys::bech32_decode(base::as_bytes(bad))) << bad;
}

TEST(Bech32, BadPrefixesAreDamage) {
  for (const std::string_view bad :
       {"", "1", "1qqqqqq", "pzry9x0s0muk", "1pzry9x0s0muk", "x1b4n0q5v", "li1dgmt3", "A1G7SGD8"})
    EXPECT_FAULT(Fault::damaged, keys::bech32_decode(base::as_bytes(bad))) << bad;
}

TEST(Bech32, TextOverOneKibibyteIsDamage) {
  EXPECT_OK(keys::bech32_decode(base::as_bytes(keys::bech32_encode("age", testkit::pattern(600)))));
  EXPECT_FAULT(Fault::damaged, keys::bech32_decode(base::as_bytes(keys::bech32_encode("age", testkit::pattern(700)))));
}

}  // namespace
