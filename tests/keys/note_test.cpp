#include "keys/note.h"

#include <sodium.h>

#include <random>

#include "tests/testkit/expect.h"

namespace keys {
namespace {

using base::Fault;
using testkit::must;

base::SecretBytes seed_of(unsigned char fill) {
  base::Bytes bytes(32, std::byte{fill});
  return must(base::SecretBytes::take(std::span(bytes)));
}

NoteSigner signer_of(std::string_view name, unsigned char fill) {
  return must(NoteSigner::create(name, seed_of(fill)));
}

const std::string kText = "callvault/v1/example\nsize: 12\n";

std::string signed_text(const NoteSigner& signer, std::string_view text = kText) { return must(signer.sign(text)); }

// A note whose signature is right whatever its text is: for texts that sign() refuses.
std::string forced(std::string_view name, unsigned char fill, std::string_view text) {
  const auto signer = signer_of(name, fill);
  unsigned char public_key[32], secret_key[64], signature[64];
  crypto_sign_seed_keypair(public_key, secret_key, std::vector<unsigned char>(32, fill).data());
  crypto_sign_detached(signature, nullptr, reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                       secret_key);
  base::Bytes blob;
  base::put_u32(blob, signer.verifier().hash());
  base::put_raw(blob, std::as_bytes(std::span(signature)));
  return std::string(text) + "\n\u2014 " + std::string(name) + " " + base::base64(blob) + "\n";
}

std::string signature_line(std::string_view note) { return std::string(note.substr(note.rfind("\n\n") + 2)); }

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  if (at == std::string::npos) std::abort();
  return text.replace(at, from.size(), to);
}

// --- Notes -----------------------------------------------------------------------------------------------------------

TEST(Note, OfDocumentedExample) {  // docs/format.md; computed with another implementation of Ed25519
  const auto signer = signer_of("example", 1);
  EXPECT_EQ(signer.verifier().text(), "example+fcbb9f61+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c");
  EXPECT_EQ(signed_text(signer),
            kText +
                "\n\u2014 example "
                "/LufYezNCYLGIrNm7wEt6dyKoDLlfNAScIlXuPMNsruO54pYIEo+hp9WeJlFn/tAjqHJjdYF7v8i/XLVwN4OP3vTiQM=\n");
}

TEST(Note, ASecondSignatureCountsForWhoKnowsItsKeyOnly) {
  const auto a = signer_of("a", 1);
  const auto b = signer_of("b", 2);
  const std::string both = must(b.cosign(signed_text(a)));
  EXPECT_EQ(both, signed_text(a) + signature_line(signed_text(b)));
  EXPECT_EQ(must(verify_note(both, {a.verifier()})).text, kText);
  EXPECT_EQ(must(verify_note(both, {b.verifier()})).signer, "b");
  EXPECT_FAULT(Fault::denied, verify_note(both, {signer_of("c", 3).verifier()}));
  EXPECT_FAULT(Fault::damaged, b.cosign(kText));
}

TEST(Note, IsVerifiedAndGivesTextAndSigner) {
  const auto signer = signer_of("it-manager", 1);
  const auto verified = verify_note(signed_text(signer), {signer.verifier()});
  ASSERT_OK(verified);
  EXPECT_EQ(verified->text, kText);
  EXPECT_EQ(verified->signer, "it-manager");
}

TEST(Note, TextMayHaveEmptyLinesAndOtherAlphabets) {
  const auto signer = signer_of("a", 1);
  for (const std::string text :
       {"\n", "\n\n", "a\n\n\nb\n\n", "na\u00efve \u20ac \U0001f512\n", "a\n\n\u2014 b AAAA\n"}) {
    const auto verified = verify_note(signed_text(signer, text), {signer.verifier()});
    ASSERT_OK(verified) << text;
    EXPECT_EQ(verified->text, text);
  }
}

TEST(Note, WithAnyByteChangedIsRefused) {
  const auto signer = signer_of("service", 1);
  const std::string note = signed_text(signer);
  for (std::size_t i = 0; i < note.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = note;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      EXPECT_FALSE(verify_note(damaged, {signer.verifier()})) << "byte " << i << " bit " << bit;
    }
}

TEST(Note, WithAnyByteOfItsTextChangedIsDamaged) {
  const auto signer = signer_of("service", 1);
  const std::string note = signed_text(signer);
  for (std::size_t i = 0; i < kText.size(); ++i) {
    std::string damaged = note;
    damaged[i] ^= 1;
    EXPECT_FAULT(Fault::damaged, verify_note(damaged, {signer.verifier()})) << "byte " << i;
  }
}

TEST(Note, CutAnywhereIsRefused) {
  const auto signer = signer_of("service", 1);
  const std::string note = signed_text(signer);
  for (std::size_t size = 0; size < note.size(); ++size)
    EXPECT_FAULT(Fault::damaged, verify_note(note.substr(0, size), {signer.verifier()})) << size;
}

TEST(NoteDamage, Unsigned) {
  const auto signer = signer_of("a", 1);
  for (const std::string& note : {kText, kText + "\n", kText + "\n\n", std::string()})
    EXPECT_FAULT(Fault::damaged, verify_note(note, {signer.verifier()}));
}

TEST(NoteDamage, SignedByAForeignKeyIsDenied) {
  EXPECT_FAULT(Fault::denied, verify_note(signed_text(signer_of("a", 1)), {signer_of("b", 2).verifier()}));
  EXPECT_FAULT(Fault::denied, verify_note(signed_text(signer_of("a", 1)), {}));
}

TEST(NoteDamage, SignedByAForeignKeyOfTheSameNameIsDenied) {
  EXPECT_FAULT(Fault::denied, verify_note(signed_text(signer_of("a", 2)), {signer_of("a", 1).verifier()}));
}

TEST(NoteDamage, SignedByTheSameKeyUnderAnotherNameIsDenied) {
  EXPECT_FAULT(Fault::denied, verify_note(signed_text(signer_of("b", 1)), {signer_of("a", 1).verifier()}));
}

// The hash of key "a" in front of a signature by "b": the hash alone must not select the key.
TEST(NoteDamage, HashOfAnotherNamesKeyIsNotThatKey) {
  const auto a = signer_of("a", 1).verifier();
  const std::string note = signed_text(signer_of("b", 2));
  const std::string line = signature_line(note);
  base::Bytes blob = must(base::unbase64(std::string_view(line).substr(6, line.size() - 7)));
  base::Bytes forged;
  base::put_u32(forged, a.hash());
  base::put_raw(forged, base::ByteView(blob).subspan(4));
  const std::string collision = kText + "\n\u2014 b " + base::base64(forged) + "\n";
  EXPECT_FAULT(Fault::denied, verify_note(collision, {a}));
  EXPECT_FAULT(Fault::denied, verify_note(collision, {a, signer_of("b", 2).verifier()}));
  EXPECT_FAULT(Fault::damaged, verify_note(replaced(collision, "\u2014 b", "\u2014 a"), {a}));
}

TEST(NoteDamage, CarriageReturns) {
  const auto signer = signer_of("a", 1);
  const std::string note = signed_text(signer);
  EXPECT_FAULT(Fault::damaged, verify_note(replaced(note, "size: 12\n", "size: 12\r\n"), {signer.verifier()}));
  EXPECT_FAULT(Fault::damaged, verify_note(note.substr(0, note.size() - 1) + "\r\n", {signer.verifier()}));
  EXPECT_FAULT(Fault::damaged, verify_note(forced("a", 1, "one\r\ntwo\r\n"), {signer.verifier()}));
}

TEST(NoteDamage, ControlCharactersUnderARightSignature) {
  const auto signer = signer_of("a", 1);
  ASSERT_OK(verify_note(forced("a", 1, "x!y\n"), {signer.verifier()}));  // the builder itself is right
  for (int c = 0; c <= 0x7f; c = c == 0x1f ? 0x7f : c + 1) {
    if (c == '\n') continue;
    const std::string text = std::string("x") + static_cast<char>(c) + "y\n";
    EXPECT_FAULT(Fault::damaged, verify_note(forced("a", 1, text), {signer.verifier()})) << c;
    EXPECT_FAULT(Fault::usage, signer.sign(text)) << c;
  }
}

TEST(NoteDamage, BrokenUtf8UnderARightSignature) {
  const auto signer = signer_of("a", 1);
  for (const std::string bad : {"\x80", "\xc3", "\xc0\x8a", "\xe0\x80\x8a", "\xed\xa0\x80", "\xf0\x80\x80\x8a",
                                "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82", "\xc3\x28"}) {
    EXPECT_FAULT(Fault::damaged, verify_note(forced("a", 1, bad + "\n"), {signer.verifier()}))
        << base::hex(base::as_bytes(bad));
    EXPECT_FAULT(Fault::usage, signer.sign(bad + "\n"));
  }
}

TEST(NoteDamage, LineAddedToTheText) {
  const auto signer = signer_of("a", 1);
  EXPECT_FAULT(Fault::damaged, verify_note("more: 1\n" + signed_text(signer), {signer.verifier()}));
  EXPECT_FAULT(Fault::damaged,
               verify_note(replaced(signed_text(signer), "\n\n", "\nmore: 1\n\n"), {signer.verifier()}));
}

TEST(NoteDamage, LineBehindTheSignatures) {
  const auto signer = signer_of("a", 1);
  for (const std::string more :
       {"\n", "x\n", "x", "\u2014 b AAAA\n", "\u2014 b\n", "\u2014  AAAAAAA=\n", "- b AAAAAAA=\n",
        "\u2014 b+ AAAAAAA=\n", "\u2014 b AAAAAAA\n", "\u2014 b AAAAAAA= \n", "\u2014 b AAAAAAB=\n"})
    EXPECT_FAULT(Fault::damaged, verify_note(signed_text(signer) + more, {signer.verifier()})) << more;
}

TEST(NoteDamage, EmptyLineMissing) {
  const auto signer = signer_of("a", 1);
  EXPECT_FAULT(Fault::damaged, verify_note(replaced(signed_text(signer), "\n\n", "\n"), {signer.verifier()}));
}

TEST(NoteDamage, SignatureShorterOrLongerThanItsTypes) {
  const auto signer = signer_of("a", 1);
  for (const std::size_t size : {1u, 63u, 65u}) {
    base::Bytes blob;
    base::put_u32(blob, signer.verifier().hash());
    blob.resize(4 + size);
    const std::string note = kText + "\n\u2014 a " + base::base64(blob) + "\n";
    EXPECT_FAULT(Fault::damaged, verify_note(note, {signer.verifier()})) << size;
  }
}

// Ed25519 signatures have a second form s + L, which a verifier must not take.
TEST(NoteDamage, SignatureInItsOtherForm) {
  const auto signer = signer_of("a", 1);
  const std::string line = signature_line(signed_text(signer));
  base::Bytes blob = must(base::unbase64(std::string_view(line).substr(6, line.size() - 7)));
  const base::Bytes order = must(base::unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"));
  unsigned carry = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    carry += static_cast<unsigned>(blob[36 + i]) + static_cast<unsigned>(order[i]);
    blob[36 + i] = static_cast<std::byte>(carry & 0xff);
    carry >>= 8;
  }
  EXPECT_FAULT(Fault::damaged, verify_note(kText + "\n\u2014 a " + base::base64(blob) + "\n", {signer.verifier()}));
}

TEST(NoteSignatures, OfUnknownKeysBesideAKnownOneAreFine) {
  const auto known = signer_of("known", 1), other = signer_of("other", 2);
  const std::string both = signed_text(known) + signature_line(signed_text(other));
  const std::string reversed = signed_text(other) + signature_line(signed_text(known));
  for (const auto& note : {both, reversed}) {
    const auto verified = verify_note(note, {known.verifier()});
    ASSERT_OK(verified);
    EXPECT_EQ(verified->text, kText);
    EXPECT_EQ(verified->signer, "known");
  }
  EXPECT_EQ(must(verify_note(reversed, {known.verifier(), other.verifier()})).signer, "other");
}

TEST(NoteSignatures, BadOneOfAKnownKeyDamagesTheNoteWhereverItStands) {
  const auto good = signer_of("good", 1), bad = signer_of("bad", 2);
  const std::string wrong = signature_line(signed_text(bad, "another text\n"));
  const std::string right = signature_line(signed_text(good));
  for (const auto& note : {kText + "\n" + right + wrong, kText + "\n" + wrong + right}) {
    EXPECT_FAULT(Fault::damaged, verify_note(note, {good.verifier(), bad.verifier()}));
    EXPECT_OK(verify_note(note, {good.verifier()}));
  }
}

TEST(NoteSignatures, MoreThanAHundredAreRefused) {
  const auto known = signer_of("known", 1);
  const std::string other = signature_line(signed_text(signer_of("other", 2)));
  std::string note = signed_text(known);
  for (int i = 0; i < 99; ++i) note += other;
  EXPECT_OK(verify_note(note, {known.verifier()}));
  EXPECT_FAULT(Fault::damaged, verify_note(note + other, {known.verifier()}));
}

TEST(NoteLimits, OneMebibyteWithItsSignature) {
  const auto signer = signer_of("a", 1);
  const std::size_t rest = signed_text(signer, "x\n").size() - 2;
  std::string text((std::size_t{1} << 20) - rest, 'x');
  text.back() = '\n';
  EXPECT_OK(verify_note(signed_text(signer, text), {signer.verifier()}));
  EXPECT_FAULT(Fault::usage, signer.sign("x" + text));
  EXPECT_FAULT(Fault::damaged, verify_note(forced("a", 1, "x" + text), {signer.verifier()}));
}

// --- Keys ------------------------------------------------------------------------------------------------------------

TEST(NoteKeys, SignerRefusesBadNamesSeedsAndTexts) {
  for (const std::string name : {"", "a b", "a+b", "a\n", "\u00e9", "a\x7f"})
    EXPECT_FAULT(Fault::usage, NoteSigner::create(name, seed_of(1))) << name;
  for (const std::size_t size : {0u, 31u, 33u})
    EXPECT_FAULT(Fault::usage, NoteSigner::create("a", must(base::SecretBytes::zeros(size))));
  EXPECT_FAULT(Fault::usage, signer_of("a", 1).sign(""));
  EXPECT_FAULT(Fault::usage, signer_of("a", 1).sign("no newline"));
}

TEST(NoteKeys, VerifierTextIsReadAndPrintedTheSame) {
  for (unsigned char fill = 0; fill < 8; ++fill) {
    const auto verifier = signer_of("callvault.example/log", fill).verifier();
    const auto parsed = NoteVerifier::parse(verifier.text());
    ASSERT_OK(parsed);
    EXPECT_EQ(*parsed, verifier);
    EXPECT_EQ(parsed->text(), verifier.text());
  }
}

TEST(NoteKeys, VerifierTextWithAnyByteChangedIsAnotherNameOrRefused) {
  const std::string text = signer_of("name", 1).verifier().text();
  for (std::size_t i = 0; i < text.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      EXPECT_FAULT(Fault::damaged, NoteVerifier::parse(damaged)) << damaged;
    }
}

TEST(NoteKeys, BadVerifierTextsAreRefused) {
  const std::string text = signer_of("name", 1).verifier().text();
  const std::string upper = [&] {
    std::string t = text;
    for (std::size_t i = 5; i < 13; ++i) t[i] = static_cast<char>(std::toupper(t[i]));
    return t;
  }();
  for (const std::string& bad : {std::string(), std::string("name"), std::string("name+"), std::string("name+00000000"),
                                 std::string("name+00000000+"), "+" + text, text + "\n", " " + text,
                                 text.substr(0, text.size() - 1), text.substr(4), upper})
    EXPECT_FAULT(Fault::damaged, NoteVerifier::parse(bad)) << bad;
}

TEST(NoteKeys, PublicKeysThatAreNoneAreRefused) {
  for (const std::size_t size : {0u, 31u, 33u})
    EXPECT_FAULT(Fault::damaged, NoteVerifier::make("a", base::Bytes(size)));
  base::Bytes identity(32), low_order(32), not_reduced(32, std::byte{0xff});
  identity[0] = std::byte{1};
  for (const auto& key : {identity, low_order, not_reduced}) EXPECT_FAULT(Fault::damaged, NoteVerifier::make("a", key));
}

// --- Fields ----------------------------------------------------------------------------------------------------------

TEST(NoteFieldsText, IsReadAndPrintedTheSame) {
  for (const std::string text :
       {"t\n", "t\na: 1\n", "t\na: 1\na: 2\nb-2: x: y\n", "t\nempty: \n", "t\nspaces:   x  \n", "t\nx: \u20ac\n"}) {
    const auto fields = NoteFields::parse(text, "t");
    ASSERT_OK(fields) << text;
    EXPECT_EQ(fields->print(), text);
  }
}

TEST(NoteFieldsText, OfAnyBytesIsRefusedOrPrintedTheSame) {
  std::mt19937 random(1);
  const std::string alphabet = "a-9A: \n\n::\r\t\xc3\xa9";
  int read = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = "t\n";
    for (auto n = random() % 12; n > 0; --n) text += alphabet[random() % alphabet.size()];
    if (random() % 2) text += "\n";
    const auto fields = NoteFields::parse(text, "t");
    if (!fields) continue;
    ++read;
    EXPECT_EQ(fields->print(), text);
  }
  EXPECT_GT(read, 100);
}

TEST(NoteFieldsText, OfAnotherShapeIsDamaged) {
  for (const std::string text :
       {"",         "t",           "\n",          "u\n",        "t \n",         " t\n",
        "tt\n",     "t\r\n",       "t\n\n",       "t\na\n",     "t\na:\n",      "t\na:1\n",
        "t\n: 1\n", "t\nA: 1\n",   "t\na b: 1\n", "t\n a: 1\n", "t\na : 1\n",   "t\na_b: 1\n",
        "t\na: 1",  "t\na: 1\n\n", "t\na: 1\r\n", "t\na: \t\n", "t\na: \xff\n", "t\n# comment\n",
        "a: 1\nt\n"})
    EXPECT_FAULT(Fault::damaged, NoteFields::parse(text, "t")) << text;
}

TEST(NoteFieldsText, OfAnotherTypeIsDamagedEvenWhenOneIsThePrefixOfTheOther) {
  EXPECT_FAULT(Fault::damaged, NoteFields::parse("callvault/v1/record\na: 1\n", "callvault/v1/roster"));
  EXPECT_FAULT(Fault::damaged, NoteFields::parse("callvault/v1/rosters\na: 1\n", "callvault/v1/roster"));
  EXPECT_FAULT(Fault::damaged, NoteFields::parse("callvault/v1/roste\na: 1\n", "callvault/v1/roster"));
}

TEST(NoteFieldsText, GivesSingleFieldsAndRefusesDoubledOrMissingOnes) {
  const auto fields = must(NoteFields::parse("t\na: 1\nb: 2\na: 3\n", "t"));
  EXPECT_EQ(must(fields.get("b")), "2");
  EXPECT_FAULT(Fault::damaged, fields.get("a"));
  EXPECT_FAULT(Fault::damaged, fields.get("c"));
  EXPECT_EQ(fields.all("a"), (std::vector<std::string>{"1", "3"}));
  EXPECT_TRUE(fields.all("c").empty());
}

TEST(NoteFieldsTextDeathTest, ForgedByANewlineInAValueIsNeverPrinted) {
  EXPECT_DEATH((void)(NoteFields{"t", {{"a", "1\nb: 2"}}}.print()), "");
  EXPECT_DEATH((void)(NoteFields{"t", {{"a: 1\nb", "2"}}}.print()), "");
}

TEST(NoteNumber, HasOneForm) {
  for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{10}, UINT64_MAX})
    EXPECT_EQ(note_number(std::to_string(n)), n);
  for (const std::string bad :
       {"", "00", "01", "-1", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "18446744073709551616", "\xd9\xa1"})
    EXPECT_EQ(note_number(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace keys
