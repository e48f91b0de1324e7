#include "keys/identity.h"

#include "keys/age_stream.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_folder.h"

namespace {

using base::as_bytes;
using base::Bytes;
using base::ByteView;
using base::Fault;
using testkit::must;
using testkit::secret;
using testkit::secret_of;
using testkit::shown;

const base::SecretBytes& file_key() {
  static const auto key = secret_of(16, 5);
  return key;
}

const keys::Identity& me() {
  static const auto identity = must(keys::Identity::from_secret(secret_of(32, 1)));
  return identity;
}

base::Result<base::SecretBytes> unwrap(const keys::Identity& identity, ByteView header) {
  return identity.unwrap(header, must(keys::parse_age_header(header)));
}

Bytes header_of(const std::vector<keys::Stanza>& stanzas) { return must(keys::make_age_header(file_key(), stanzas)); }

// ---- unwrap

TEST(Unwrap, GivesTheFileKey) {
  const auto header = must(keys::header_for(me().recipient(), file_key()));
  EXPECT_TRUE(must(unwrap(me(), header)) == file_key());
  EXPECT_TRUE(must(me().unwrap_one(header)) == file_key());
}

TEST(Unwrap, OtherIdentityIsDenied) {
  const auto header = must(keys::header_for(me().recipient(), file_key()));
  const auto other = must(keys::Identity::from_secret(secret_of(32, 2)));
  EXPECT_FAULT(Fault::denied, unwrap(other, header));
}

TEST(Unwrap, FindsItsStanzaAmongOthers) {
  const auto other = must(keys::Identity::from_secret(secret_of(32, 2)));
  const auto header = header_of({must(other.recipient().wrap(file_key())),
                                 {{"some-grease", "x"}, testkit::pattern(100)},
                                 must(me().recipient().wrap(file_key()))});
  EXPECT_TRUE(must(unwrap(me(), header)) == file_key());
}

TEST(Unwrap, OtherTypesAloneAreDenied) {
  EXPECT_FAULT(Fault::denied, unwrap(me(), header_of({{{"ssh-ed25519", "x"}, Bytes(32)}})));
  auto stanza = must(me().recipient().wrap(file_key()));
  stanza.args[0] = "x25519";
  EXPECT_FAULT(Fault::denied, unwrap(me(), header_of({stanza})));
}

TEST(Unwrap, ExtraOrMissingArgumentIsDamage) {
  auto stanza = must(me().recipient().wrap(file_key()));
  stanza.args.push_back("1");
  EXPECT_FAULT(Fault::damaged, unwrap(me(), header_of({stanza})));
  stanza.args.resize(1);
  EXPECT_FAULT(Fault::damaged, unwrap(me(), header_of({stanza})));
}

TEST(Unwrap, BodyOfAnotherLengthIsDamageBeforeAnyDecryption) {
  auto stanza = must(me().recipient().wrap(file_key()));
  for (const std::size_t size : {0U, 16U, 31U, 33U, 48U}) {
    stanza.body.resize(size);
    EXPECT_FAULT(Fault::damaged, unwrap(me(), header_of({stanza}))) << size;
  }
}

TEST(Unwrap, FileKeyOfAnotherLengthIsDamage) {
  EXPECT_FAULT(Fault::damaged, unwrap(me(), header_of({must(me().recipient().wrap(secret_of(32, 1)))})));
}

TEST(Unwrap, ShareThatIsNoPublicKeyIsDamage) {  // A10
  auto stanza = must(me().recipient().wrap(file_key()));
  const Bytes low[] = {Bytes(32),
                       must(base::unhex("0100000000000000000000000000000000000000000000000000000000000000")),
                       must(base::unhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")),
                       must(base::unhex("f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")),
                       Bytes(31, std::byte{9}),
                       Bytes(33, std::byte{9})};
  for (const Bytes& share : low) {
    stanza.args[1] = base::base64(share, base::Padding::none);
    EXPECT_FAULT(Fault::damaged, unwrap(me(), header_of({stanza}))) << base::hex(share);
  }
  stanza.args[1] = "not+base64!";
  EXPECT_FAULT(Fault::damaged, unwrap(me(), header_of({stanza})));
}

TEST(Unwrap, WrongMacIsDamage) {
  auto parsed = must(keys::parse_age_header(must(keys::header_for(me().recipient(), file_key()))));
  parsed.header.mac[0] ^= std::byte{1};
  EXPECT_FAULT(Fault::damaged, unwrap(me(), keys::print_age_header(parsed.header)));
}

TEST(Unwrap, ScryptBesideOthersIsDamage) {
  const auto header = header_of(
      {must(me().recipient().wrap(file_key())), must(keys::wrap_with_passphrase(secret("x"), file_key(), 4))});
  EXPECT_FAULT(Fault::damaged, unwrap(me(), header));
}

TEST(UnwrapOne, NoFlippedBitOfA168ByteHeaderGivesTheKey) {  // A02: 1,344 bits
  const auto good = must(keys::header_for(me().recipient(), file_key()));
  ASSERT_EQ(good.size() * 8, 1344U);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    const auto r = me().unwrap_one(bad);
    ASSERT_FALSE(r) << bit;
    // A changed stanza may read as one for somebody else; everything else is damage.
    EXPECT_TRUE(r.error().fault == Fault::damaged || r.error().fault == Fault::denied) << bit;
  }
}

TEST(UnwrapOne, RefusesAnotherShape) {  // A09
  const auto good = must(keys::header_for(me().recipient(), file_key()));
  const auto mine = must(me().recipient().wrap(file_key()));
  EXPECT_FAULT(Fault::damaged, me().unwrap_one(base::concat({good, Bytes(1)})));
  EXPECT_FAULT(Fault::damaged, me().unwrap_one(ByteView(good).first(167)));
  EXPECT_FAULT(Fault::damaged, me().unwrap_one({}));
  EXPECT_FAULT(Fault::damaged, me().unwrap_one(header_of({mine, mine})));
  EXPECT_FAULT(Fault::damaged, me().unwrap_one(header_of({mine, {{"x"}, {}}})));
  // 168 bytes, but two stanzas; and 168 bytes of one stanza of another type.
  EXPECT_FAULT(Fault::damaged,
               me().unwrap_one(header_of({{{"X25519", std::string(30, 'A')}, {}}, {{"x", std::string(48, 'A')}, {}}})));
  auto renamed = mine;
  renamed.args[0] = "X25518";
  EXPECT_FAULT(Fault::damaged, me().unwrap_one(header_of({renamed})));
}

// ---- passphrases

TEST(Passphrase, OpensWithTheRightOneOnly) {
  const auto header = header_of({must(keys::wrap_with_passphrase(secret("right"), file_key(), 4))});
  const auto parsed = must(keys::parse_age_header(header));
  EXPECT_TRUE(must(keys::unwrap_with_passphrase(secret("right"), header, parsed)) == file_key());
  EXPECT_FAULT(Fault::denied, keys::unwrap_with_passphrase(secret("wrong"), header, parsed));
  EXPECT_FAULT(Fault::denied, keys::unwrap_with_passphrase(base::SecretBytes(), header, parsed));
}

base::Result<base::SecretBytes> with_factor(std::string factor) {
  auto stanza = must(keys::wrap_with_passphrase(secret("x"), file_key(), 4));
  stanza.args[2] = std::move(factor);
  const auto header = header_of({stanza});
  return keys::unwrap_with_passphrase(secret("x"), header, must(keys::parse_age_header(header)));
}

TEST(Passphrase, WorkFactorOver20IsDamageBeforeMemoryIsTaken) {  // A13
  for (int factor = 21; factor <= 255; ++factor) EXPECT_FAULT(Fault::damaged, with_factor(std::to_string(factor)));
  EXPECT_FAULT(Fault::damaged, with_factor("4294967300"));
  EXPECT_FAULT(Fault::damaged, with_factor("99999999999999999999"));
}

TEST(Passphrase, WorkFactorThatIsNoPlainNumberIsDamage) {
  for (const char* factor : {"0", "04", "+4", "-4", "4x", "0x4", "4.0"})
    EXPECT_FAULT(Fault::damaged, with_factor(factor)) << factor;
  EXPECT_FAULT(Fault::denied, with_factor("5")) << "a good number, but not the one it was made with";
}

TEST(Passphrase, BadStanzasAreDamage) {
  const auto good = must(keys::wrap_with_passphrase(secret("x"), file_key(), 4));
  const auto open = [](const std::vector<keys::Stanza>& stanzas) {
    const auto header = header_of(stanzas);
    return keys::unwrap_with_passphrase(secret("x"), header, must(keys::parse_age_header(header)));
  };
  EXPECT_OK(open({good}));
  auto bad = good;
  bad.args.push_back("x");
  EXPECT_FAULT(Fault::damaged, open({bad}));
  bad.args.resize(2);
  EXPECT_FAULT(Fault::damaged, open({bad}));
  for (const std::size_t size : {0U, 15U, 17U}) {
    bad = good;
    bad.args[1] = size == 0 ? "A" : base::base64(Bytes(size), base::Padding::none);
    EXPECT_FAULT(Fault::damaged, open({bad}));
  }
  bad = good;
  bad.body.resize(31);
  EXPECT_FAULT(Fault::damaged, open({bad}));
  EXPECT_FAULT(Fault::damaged, open({good, good}));
  EXPECT_FAULT(Fault::damaged, open({{{"X25519", "x"}, {}}, good}));
  EXPECT_FAULT(Fault::damaged, open({must(me().recipient().wrap(file_key()))}));
}

// ---- text

TEST(IdentityText, ComesBackWithItsSeed) {
  const auto identity = must(keys::Identity::generate());
  const auto text = must(identity.text("IT Manager"));
  EXPECT_TRUE(shown(text).starts_with("# IT Manager\n# public key: age1"));
  EXPECT_NE(shown(text).find("\n# callvault-signing-seed: "), std::string::npos);
  const auto back = must(keys::Identity::parse(text));
  EXPECT_TRUE(back.recipient() == identity.recipient());
  ASSERT_NE(back.signing_seed(), nullptr);
  EXPECT_TRUE(*back.signing_seed() == *identity.signing_seed());
}

TEST(IdentityText, WithoutASeedHasNoSeedLine) {
  const auto text = must(me().text("access"));
  EXPECT_EQ(shown(text).find("seed"), std::string::npos);
  EXPECT_EQ(must(keys::Identity::parse(text)).signing_seed(), nullptr);
}

TEST(IdentityText, ACommentCannotAddALine) {
  for (const char* comment : {"a\nAGE-SECRET-KEY-1", "a\r", "a\x1b[2J", "\x7f"})
    EXPECT_FAULT(Fault::usage, me().text(comment));
  EXPECT_OK(me().text("J\xc3\xbcrgen"));
}

std::string key_line(int value) {
  const std::string text = shown(must(must(keys::Identity::from_secret(secret_of(32, value))).text("x")));
  return text.substr(text.find("AGE-SECRET-KEY-1"));
}

TEST(IdentityText, FirstOfSeveralKeysCounts) {
  const auto identity = must(keys::Identity::parse(secret("\n# c\n" + key_line(1) + "\n" + key_line(2))));
  EXPECT_TRUE(identity.recipient() == me().recipient());
}

TEST(IdentityText, AcceptsCrlfAndAMissingLastNewline) {
  std::string line = key_line(1);
  line.pop_back();
  EXPECT_OK(keys::Identity::parse(secret(line)));
  EXPECT_OK(keys::Identity::parse(secret("# c\r\n" + line + "\r\n")));
}

TEST(IdentityText, BadTextIsDamage) {
  const std::string good = key_line(1);
  const std::string seed = "# callvault-signing-seed: " + base::base64(Bytes(32)) + "\n";
  std::string lower = good;
  for (char& c : lower) c = static_cast<char>(std::tolower(c));
  std::string typo = good;
  typo[30] = typo[30] == 'Q' ? 'P' : 'Q';
  EXPECT_OK(keys::Identity::parse(secret(seed + good)));
  for (const std::string& bad :
       {std::string(), std::string("# only a comment\n"), lower, typo, good + "garbage\n", " " + good,
        me().recipient().text(), seed + seed + good, "# callvault-signing-seed: \n" + good,
        "# callvault-signing-seed: AAAA\n" + good, "# callvault-signing-seed: " + base::base64(Bytes(33)) + "\n" + good,
        "# callvault-signing-seed: " + base::base64(Bytes(32)) + " \n" + good,
        "# callvault-signing-seed: " + base::base64(Bytes(32)).substr(0, 43) + "\n" + good,
        "# callvault-signing-seed: " + std::string(42, 'A') + "B=\n" + good})
    EXPECT_FAULT(Fault::damaged, keys::Identity::parse(secret(bad))) << bad;
}

TEST(Identity, SecretsOfAnotherSizeAreDamage) {
  EXPECT_FAULT(Fault::damaged, keys::Identity::from_secret(secret_of(31, 1)));
  EXPECT_FAULT(Fault::damaged, keys::Identity::from_secret(secret_of(33, 1)));
}

TEST(Identity, ParsesWhatStockAgePrinted) {  // age-keygen 1.1.1
  const auto identity = must(
      keys::Identity::parse(secret("# created: 2026-11-23T01:35:24Z\n"
                                   "# public key: age1yjkcn8d3envz6x09vdtzvcu5v0hzh2knmjl99vz83twtexsfhuksqle9c2\n"
                                   "AGE-SECRET-KEY-1X374GW5DMZD8X6GLKFFDVMXG7U9J8KAYPACSY4FV64AKHGNSHW6QJLS203\n")));
  EXPECT_EQ(identity.recipient().text(), "age1yjkcn8d3envz6x09vdtzvcu5v0hzh2knmjl99vz83twtexsfhuksqle9c2");
}

// ---- files

class IdentityFile : public ::testing::Test {
 protected:
  base::Result<keys::Identity> read(ByteView bytes, const char* passphrase) {
    const base::Path path = folder_ / "identity.age";
    testkit::put_file(path, bytes);
    asked_ = 0;
    return keys::read_identity(path, [&]() -> base::Result<base::SecretBytes> {
      ++asked_;
      return secret(passphrase);
    });
  }
  int asked_ = 0;
  testkit::TempFolder folder_;
};

TEST_F(IdentityFile, EncryptedOneOpensWithItsPassphrase) {
  const auto identity = must(keys::Identity::generate());
  const auto file = must(keys::encrypt_identity(identity, "c", secret("right"), 4));
  const auto back = read(file, "right");
  ASSERT_OK(back);
  EXPECT_EQ(asked_, 1);
  EXPECT_TRUE(back->recipient() == identity.recipient());
  EXPECT_TRUE(*back->signing_seed() == *identity.signing_seed());
  EXPECT_FAULT(Fault::denied, read(file, "wrong"));
}

TEST_F(IdentityFile, PlainOneIsReadWithoutAsking) {
  EXPECT_TRUE(must(read(must(me().text("c")).reveal(), "")).recipient() == me().recipient());
  EXPECT_EQ(asked_, 0);
}

TEST_F(IdentityFile, EveryCutOfAnEncryptedOneIsDamage) {  // A13
  const auto file = must(keys::encrypt_identity(me(), "c", secret("x"), 1));
  for (std::size_t size = 0; size < file.size(); ++size)
    EXPECT_FAULT(Fault::damaged, read(ByteView(file).first(size), "x")) << size;
}

TEST_F(IdentityFile, OneForARecipientInsteadOfAPassphraseIsDenied) {
  EXPECT_FAULT(Fault::denied, read(must(keys::seal_to({me().recipient()}, must(me().text("c")).reveal())), "x"));
}

TEST_F(IdentityFile, HugeWorkFactorIsDamage) {
  auto stanza = must(keys::wrap_with_passphrase(secret("x"), file_key(), 4));
  stanza.args[2] = "255";
  EXPECT_FAULT(Fault::damaged, read(header_of({stanza}), "x"));
}

TEST_F(IdentityFile, TooLongIsDamage) {
  EXPECT_FAULT(Fault::damaged, read(Bytes(64 * 1024, std::byte{'#'}), ""));
  const auto payload = must(keys::seal_payload(file_key(), Bytes(64 * 1024 - 400, std::byte{'#'})));
  const auto header = header_of({must(keys::wrap_with_passphrase(secret("x"), file_key(), 4))});
  EXPECT_FAULT(Fault::damaged, read(base::concat({header, payload}), "x")) << "no key in it";
}

TEST_F(IdentityFile, MissingOneIsNotFoundAndARefusedPromptPassesThrough) {
  EXPECT_FAULT(Fault::not_found, keys::read_identity(folder_ / "none", {}));
  testkit::put_file(folder_ / "i", must(keys::encrypt_identity(me(), "c", secret("x"), 4)));
  EXPECT_FAULT(Fault::busy, keys::read_identity(folder_ / "i", []() -> base::Result<base::SecretBytes> {
                 return base::Error{Fault::busy, "no terminal"};
               }));
  EXPECT_FAULT(Fault::denied, keys::read_identity(folder_ / "i", {}));
}

TEST(EncryptIdentity, TakesFactor18ByDefault) {
  const auto file = must(keys::encrypt_identity(me(), "c", secret("x")));
  EXPECT_EQ(must(keys::parse_age_header(file)).header.stanzas[0].args[2], "18");
}

}  // namespace
