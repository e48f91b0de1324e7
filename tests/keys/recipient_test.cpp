#include "keys/recipient.h"

#include "keys/identity.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"

namespace {

using base::Fault;
using testkit::must;
using testkit::secret_of;

// All points of order 1, 2, 4 and 8 with a canonical encoding, then p-1 (order 2), and encodings that are not
// canonical.
constexpr std::string_view kLowOrder[] = {"0000000000000000000000000000000000000000000000000000000000000000",
                                          "0100000000000000000000000000000000000000000000000000000000000000",
                                          "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                                          "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                                          "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
constexpr std::string_view kNonCanonical[] = {
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  // p
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  // p + 1
    "f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  // p + 9, of high order
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0900000000000000000000000000000000000000000000000000000000000080",  // the base point with the unused bit set
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"};

keys::Recipient some_recipient() { return must(keys::Identity::from_secret(secret_of(32, 1))).recipient(); }

TEST(Recipient, ParsesWhatStockAgePrinted) {  // age-keygen 1.1.1
  const std::string text = "age1yjkcn8d3envz6x09vdtzvcu5v0hzh2knmjl99vz83twtexsfhuksqle9c2";
  EXPECT_EQ(must(keys::Recipient::parse(text)).text(), text);
}

TEST(Recipient, TextComesBack) {
  const auto recipient = some_recipient();
  EXPECT_TRUE(must(keys::Recipient::parse(recipient.text())) == recipient);
  EXPECT_TRUE(must(keys::Recipient::from_key(recipient.key())) == recipient);
}

TEST(Recipient, RefusesLowOrderPoints) {  // A10
  for (const auto hex : kLowOrder)
    EXPECT_FAULT(Fault::damaged, keys::Recipient::from_key(must(base::unhex(hex)))) << hex;
}

TEST(Recipient, RefusesNonCanonicalPoints) {
  for (const auto hex : kNonCanonical)
    EXPECT_FAULT(Fault::damaged, keys::Recipient::from_key(must(base::unhex(hex)))) << hex;
}

TEST(Recipient, RefusesKeysOfAnotherSize) {
  for (const std::size_t size : {0U, 31U, 33U})
    EXPECT_FAULT(Fault::damaged, keys::Recipient::from_key(base::Bytes(size, std::byte{9})));
}

TEST(Recipient, RefusesTextThatIsNoRecipient) {
  const std::string good = some_recipient().text();
  std::string upper = good;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  for (const std::string& bad : {std::string(), std::string("age1"), good + "q", good.substr(1), good + "\n", upper,
                                 std::string("ssh-ed25519 AAAA")})
    EXPECT_FAULT(Fault::usage, keys::Recipient::parse(bad)) << bad;
}

TEST(Recipient, WrapsFreshEachTime) {
  const auto key = secret_of(16, 2);
  const auto a = must(some_recipient().wrap(key));
  const auto b = must(some_recipient().wrap(key));
  EXPECT_EQ(a.args[0], "X25519");
  EXPECT_EQ(a.args.size(), 2U);
  EXPECT_EQ(a.body.size(), 32U);
  EXPECT_NE(a.args[1], b.args[1]);
  EXPECT_NE(a.body, b.body);
}

TEST(HeaderFor, HasOneStanzaAndItsKnownSize) {
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(must(keys::header_for(some_recipient(), secret_of(16, 2))).size(), keys::kOneX25519Header);
}

TEST(SealTo, EachRecipientOpensAndNobodyElse) {
  const auto a = must(keys::Identity::generate());
  const auto b = must(keys::Identity::generate());
  const auto stranger = must(keys::Identity::generate());
  const auto file = must(keys::seal_to({a.recipient(), b.recipient()}, base::as_bytes("text")));
  EXPECT_EQ(testkit::shown(must(keys::open_sealed(a, file))), "text");
  EXPECT_EQ(testkit::shown(must(keys::open_sealed(b, file))), "text");
  EXPECT_FAULT(Fault::denied, keys::open_sealed(stranger, file));
}

TEST(SealTo, NobodyIsAnError) { EXPECT_FAULT(Fault::usage, keys::seal_to({}, base::as_bytes("text"))); }

TEST(WrapWithPassphrase, SaysItsWorkFactorAndRefusesHugeOnes) {
  const auto stanza = must(keys::wrap_with_passphrase(testkit::secret("x"), secret_of(16, 2), 4));
  EXPECT_EQ(stanza.args.size(), 3U);
  EXPECT_EQ(stanza.args[2], "4");
  EXPECT_EQ(stanza.body.size(), 32U);
  EXPECT_FAULT(Fault::usage, keys::wrap_with_passphrase(testkit::secret("x"), secret_of(16, 2), 21));
}

}  // namespace
