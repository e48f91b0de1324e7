#include "keys/age_header.h"

#include "keys/kdf.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"

namespace {

using base::as_bytes;
using base::Fault;
using testkit::must;
using testkit::secret_of;

const std::string kIntro = "age-encryption.org/v1\n";
const std::string kMac = "--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
const std::string kStanza = "-> X25519 abc\nAAAA\n";

std::string line(std::size_t columns) { return std::string(columns, 'A') + "\n"; }

void expect_damaged(const std::string& text) {
  EXPECT_FAULT(Fault::damaged, keys::parse_age_header(as_bytes(text))) << text;
}

// What parses prints as the same bytes.
void expect_round_trip(const std::string& text) {
  const auto parsed = keys::parse_age_header(as_bytes(text));
  ASSERT_OK(parsed);
  EXPECT_EQ(parsed->size, text.size());
  EXPECT_EQ(base::to_text(keys::print_age_header(parsed->header)), text);
}

TEST(AgeHeader, ParsesStanzasArgsAndBodies) {
  const auto parsed =
      must(keys::parse_age_header(as_bytes(kIntro + "-> one\n\n-> two a !~\n" + line(64) + "AAAA\n" + kMac)));
  ASSERT_EQ(parsed.header.stanzas.size(), 2U);
  EXPECT_EQ(parsed.header.stanzas[0].args, std::vector<std::string>{"one"});
  EXPECT_TRUE(parsed.header.stanzas[0].body.empty());
  EXPECT_EQ(parsed.header.stanzas[1].args, (std::vector<std::string>{"two", "a", "!~"}));
  EXPECT_EQ(parsed.header.stanzas[1].body.size(), 51U);
  EXPECT_EQ(parsed.header.mac, base::Bytes(32));
}

TEST(AgeHeader, SizeEndsBeforeThePayloadAndTheMacCoversUpToTheMark) {
  const std::string header = kIntro + kStanza + kMac;
  const auto parsed = must(keys::parse_age_header(as_bytes(header + "payload\n--- more")));
  EXPECT_EQ(parsed.size, header.size());
  EXPECT_EQ(header.substr(0, parsed.mac_covers), kIntro + kStanza + "---");
}

TEST(AgeHeader, BodiesOfEverySizePrintAndParseBack) {
  for (std::size_t size = 0; size < 150; ++size) {
    const keys::AgeHeader header{{{{"type", "arg"}, testkit::pattern(size)}}, base::Bytes(32, std::byte{9})};
    const base::Bytes printed = keys::print_age_header(header);
    const auto parsed = keys::parse_age_header(printed);
    ASSERT_OK(parsed);
    EXPECT_EQ(parsed->header.stanzas[0].body, header.stanzas[0].body);
    EXPECT_EQ(keys::print_age_header(parsed->header), printed);
  }
}

TEST(AgeHeader, FullBodyLineIsFollowedByAShorterOne) {
  expect_round_trip(kIntro + "-> a\n" + line(64) + "\n" + kMac);
  expect_damaged(kIntro + "-> a\n" + line(64) + kMac);
}

TEST(AgeHeader, UnknownVersion) { expect_damaged("age-encryption.org/v2\n" + kStanza + kMac); }
TEST(AgeHeader, VersionLineWithCarriageReturn) { expect_damaged("age-encryption.org/v1\r\n" + kStanza + kMac); }
TEST(AgeHeader, Empty) { expect_damaged(""); }
TEST(AgeHeader, NoStanza) { expect_damaged(kIntro + kMac); }
TEST(AgeHeader, StanzaWithoutType) { expect_damaged(kIntro + "-> \nAAAA\n" + kMac); }
TEST(AgeHeader, StanzaMarkWithoutSpace) { expect_damaged(kIntro + "->a\nAAAA\n" + kMac); }
TEST(AgeHeader, TwoSpacesBetweenArgs) { expect_damaged(kIntro + "-> a  b\nAAAA\n" + kMac); }
TEST(AgeHeader, SpaceAtTheEndOfArgs) { expect_damaged(kIntro + "-> a \nAAAA\n" + kMac); }
TEST(AgeHeader, TabInArgs) { expect_damaged(kIntro + "-> a\tb\nAAAA\n" + kMac); }
TEST(AgeHeader, CarriageReturnAfterArgs) { expect_damaged(kIntro + "-> a\r\nAAAA\n" + kMac); }
TEST(AgeHeader, CarriageReturnAfterBody) { expect_damaged(kIntro + "-> a\nAAAA\r\n" + kMac); }
TEST(AgeHeader, CarriageReturnAfterMac) { expect_damaged(kIntro + kStanza + kMac.substr(0, kMac.size() - 1) + "\r\n"); }
TEST(AgeHeader, NonAsciiArg) { expect_damaged(kIntro + "-> a\xc3\xa4\nAAAA\n" + kMac); }
TEST(AgeHeader, DeleteCharacterInArg) { expect_damaged(kIntro + "-> a\x7f\nAAAA\n" + kMac); }
TEST(AgeHeader, NulInArg) { expect_damaged(kIntro + "-> a" + std::string(1, '\0') + "\nAAAA\n" + kMac); }
TEST(AgeHeader, BodyLineOver64Columns) { expect_damaged(kIntro + "-> a\n" + line(68) + kMac); }
TEST(AgeHeader, BodyWithoutShortLine) { expect_damaged(kIntro + "-> a\n" + line(64) + line(64) + kMac); }
TEST(AgeHeader, ShortLineInsideBody) { expect_damaged(kIntro + "-> a\nAAAA\nAAAA\n" + kMac); }
TEST(AgeHeader, PaddedBody) { expect_damaged(kIntro + "-> a\nAA==\n" + kMac); }
TEST(AgeHeader, NonCanonicalBody) { expect_damaged(kIntro + "-> a\nAB\n" + kMac); }
TEST(AgeHeader, UrlAlphabetInBody) { expect_damaged(kIntro + "-> a\nAA-_\n" + kMac); }
TEST(AgeHeader, SpaceInBody) { expect_damaged(kIntro + "-> a\nAA AA\n" + kMac); }
TEST(AgeHeader, MissingBody) { expect_damaged(kIntro + "-> a\n" + kMac); }
TEST(AgeHeader, MissingMac) { expect_damaged(kIntro + kStanza); }
TEST(AgeHeader, MacLineWithoutMac) { expect_damaged(kIntro + kStanza + "---\n"); }
TEST(AgeHeader, EmptyMac) { expect_damaged(kIntro + kStanza + "--- \n"); }
TEST(AgeHeader, MacWithTwoSpaces) { expect_damaged(kIntro + kStanza + "---  " + kMac.substr(4)); }
TEST(AgeHeader, MacTooShort) { expect_damaged(kIntro + kStanza + "--- AAAA\n"); }
TEST(AgeHeader, MacTooLong) { expect_damaged(kIntro + kStanza + "--- " + line(44)); }
TEST(AgeHeader, PaddedMac) { expect_damaged(kIntro + kStanza + kMac.substr(0, kMac.size() - 1) + "=\n"); }
TEST(AgeHeader, NonCanonicalMac) { expect_damaged(kIntro + kStanza + kMac.substr(0, kMac.size() - 2) + "B\n"); }
TEST(AgeHeader, UnknownLine) { expect_damaged(kIntro + "# comment\n" + kStanza + kMac); }
TEST(AgeHeader, EmptyLineBetweenStanzas) { expect_damaged(kIntro + kStanza + "\n" + kStanza + kMac); }

TEST(AgeHeader, EveryCutIsDamage) {
  const std::string good = kIntro + "-> X25519 abc\n" + line(64) + "\n" + kStanza + kMac;
  expect_round_trip(good);
  for (std::size_t size = 0; size < good.size(); ++size) expect_damaged(good.substr(0, size));
}

TEST(AgeHeader, LongerThanOneMebibyteIsDamage) {
  const auto of_size = [](std::size_t arg) { return kIntro + "-> " + std::string(arg, 'a') + "\n\n" + kMac; };
  const std::size_t rest = of_size(0).size();
  expect_round_trip(of_size(1024 * 1024 - rest));
  EXPECT_FAULT(Fault::damaged, keys::parse_age_header(as_bytes(of_size(1024 * 1024 - rest + 1))));
}

TEST(AgeHeader, WhateverParsesAfterOneChangedByteStillPrintsTheSame) {
  const std::string good = kIntro + "-> X25519 abc\nAAAAAA\n" + kMac;
  int parsed = 0;
  for (std::size_t at = 0; at < good.size(); ++at)
    for (int c = 0; c < 256; ++c) {
      std::string text = good;
      text[at] = static_cast<char>(c);
      const auto header = keys::parse_age_header(as_bytes(text));
      if (!header) continue;
      ++parsed;
      ASSERT_EQ(base::to_text(keys::print_age_header(header->header)), text.substr(0, header->size));
    }
  EXPECT_GT(parsed, 1000);
}

TEST(AgeMac, VerifiesWhatWasMade) {
  const auto key = secret_of(16, 3);
  const auto header = must(keys::make_age_header(key, {{{"a", "b"}, testkit::pattern(48)}}));
  const auto parsed = must(keys::parse_age_header(header));
  EXPECT_OK(keys::verify_age_mac(key, header, parsed));
}

TEST(AgeMac, IsHmacUnderTheHeaderKey) {  // the formula of the specification, by hand
  const auto key = secret_of(16, 3);
  const auto header = must(keys::make_age_header(key, {{{"a"}, {}}}));
  const auto mac_key = must(keys::hkdf_sha256(key.reveal(), {}, as_bytes("header"), 32));
  const auto mac = keys::hmac_sha256(mac_key, as_bytes(kIntro + "-> a\n\n---"));
  EXPECT_EQ(base::to_text(header), kIntro + "-> a\n\n--- " + base::base64(mac, base::Padding::none) + "\n");
}

TEST(AgeMac, OtherFileKeyIsDamage) {
  const auto header = must(keys::make_age_header(secret_of(16, 3), {{{"a"}, {}}}));
  const auto parsed = must(keys::parse_age_header(header));
  EXPECT_FAULT(Fault::damaged, keys::verify_age_mac(secret_of(16, 4), header, parsed));
}

TEST(AgeMac, EveryFlippedBitThatStillParsesIsDamage) {
  const auto key = secret_of(16, 3);
  const auto good = must(keys::make_age_header(key, {{{"type", "arg"}, testkit::pattern(32)}}));
  int parsed = 0;
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    base::Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    const auto header = keys::parse_age_header(bad);
    if (!header) continue;
    ++parsed;
    EXPECT_FAULT(Fault::damaged, keys::verify_age_mac(key, bad, *header)) << bit;
  }
  EXPECT_GT(parsed, 100);
}

}  // namespace
