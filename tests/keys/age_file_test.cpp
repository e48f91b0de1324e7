#include "keys/age_file.h"

#include "keys/age_stream.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_folder.h"

namespace {

using base::Bytes;
using base::ByteView;
using base::Fault;
using testkit::must;
using testkit::secret;

const keys::Identity& me() {
  static const auto identity = must(keys::Identity::from_secret(testkit::secret_of(32, 1)));
  return identity;
}

std::string armor(ByteView file, const std::string& newline = "\n") {
  std::string out = "-----BEGIN AGE ENCRYPTED FILE-----" + newline;
  const std::string text = base::base64(file);
  for (std::size_t at = 0; at < text.size(); at += 64) out += text.substr(at, 64) + newline;
  return out + "-----END AGE ENCRYPTED FILE-----" + newline;
}

class AgeFile : public ::testing::Test {
 protected:
  base::Result<Bytes> open(ByteView bytes, const keys::OpenWith& with = {&me(), {}}) {
    const base::Path path = folder_ / "f";
    testkit::put_file(path, bytes);
    Bytes out;
    const auto r = keys::open_age_file(must(base::open_to_read(path)), with, [&](ByteView part) -> base::Result<void> {
      base::put_raw(out, part);
      return {};
    });
    if (!r) return r.error();
    return out;
  }
  base::Result<Bytes> open(const std::string& text) { return open(base::as_bytes(text)); }

 private:
  testkit::TempFolder folder_;
};

Bytes sealed(ByteView plain) { return must(keys::seal_to({me().recipient()}, plain)); }

Bytes with_passphrase(const char* passphrase, ByteView plain) {
  const auto file_key = testkit::secret_of(16, 3);
  const auto header =
      must(keys::make_age_header(file_key, {must(keys::wrap_with_passphrase(secret(passphrase), file_key, 4))}));
  return base::concat({header, must(keys::seal_payload(file_key, plain))});
}

TEST_F(AgeFile, OpensEverySizeBinaryAndArmored) {
  for (const std::size_t size : {0U, 1U, 40U, 41U, 42U, 65535U, 65536U, 65537U, 131072U, 1100000U}) {
    const Bytes plain = testkit::pattern(size);
    EXPECT_EQ(must(open(sealed(plain))), plain) << size;
    EXPECT_EQ(must(open(armor(sealed(plain)))), plain) << size;
  }
}

TEST_F(AgeFile, OpensWithAPassphrase) {
  const auto ask = [](const char* text) {
    return [text]() -> base::Result<base::SecretBytes> { return secret(text); };
  };
  const Bytes file = with_passphrase("right", testkit::pattern(100));
  EXPECT_EQ(must(open(file, {nullptr, ask("right")})), testkit::pattern(100));
  EXPECT_EQ(must(open(base::as_bytes(armor(file)), {&me(), ask("right")})), testkit::pattern(100));
  EXPECT_FAULT(Fault::denied, open(file, {nullptr, ask("wrong")}));
  EXPECT_FAULT(Fault::denied, open(file, {&me(), {}})) << "nobody to ask";
}

TEST_F(AgeFile, IsNotAskedAPassphraseForARecipientsFile) {
  EXPECT_OK(open(sealed({}), {&me(), []() -> base::Result<base::SecretBytes> {
                                ADD_FAILURE() << "asked";
                                return secret("x");
                              }}));
}

TEST_F(AgeFile, OtherOrNoIdentityIsDenied) {
  const auto other = must(keys::Identity::generate());
  EXPECT_FAULT(Fault::denied, open(sealed({}), {&other, {}}));
  EXPECT_FAULT(Fault::denied, open(sealed({}), {nullptr, {}}));
}

TEST_F(AgeFile, WhatIsNoAgeFileIsDamage) {
  for (const std::string& text : {std::string(), std::string("hello"), std::string(5000, '\n'), std::string(100, '\0'),
                                  std::string("age-encryption.org/v2\n"), std::string("-----BEGIN PGP MESSAGE-----\n")})
    EXPECT_FAULT(Fault::damaged, open(text)) << text.substr(0, 20);
}

TEST_F(AgeFile, EveryCutIsDamage) {
  const Bytes file = sealed(testkit::pattern(100));
  for (std::size_t size = 0; size < file.size(); ++size)
    EXPECT_FAULT(Fault::damaged, open(ByteView(file).first(size))) << size;
}

TEST_F(AgeFile, EveryCutOfArmorIsDamage) {  // but for the last newline
  const std::string text = armor(sealed(testkit::pattern(30)));
  for (std::size_t size = 0; size + 1 < text.size(); ++size)
    EXPECT_FAULT(Fault::damaged, open(text.substr(0, size))) << size;
  EXPECT_OK(open(text.substr(0, text.size() - 1)));
}

TEST_F(AgeFile, ArmorMayHaveCrlfAndWhiteSpaceAround) {
  const Bytes file = sealed(testkit::pattern(30));
  EXPECT_OK(open(armor(file, "\r\n")));
  EXPECT_OK(open(" \r\n\t\n" + armor(file) + "\n \r\n\t"));
}

TEST_F(AgeFile, ArmorIsStrict) {
  const std::string good = armor(sealed(testkit::pattern(30)));
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string out = good;
    const std::size_t at = out.find(from);
    EXPECT_NE(at, std::string::npos);
    return out.replace(at, from.size(), to);
  };
  const std::size_t body = good.find('\n') + 1;
  const std::string first = good.substr(body, 64);
  const std::string end = "-----END AGE ENCRYPTED FILE-----";
  EXPECT_OK(open(good));
  EXPECT_FAULT(Fault::damaged, open(good + "x")) << "bytes behind";
  EXPECT_FAULT(Fault::damaged, open(good + good)) << "two files";
  EXPECT_FAULT(Fault::damaged, open("x\n" + good)) << "bytes before";
  EXPECT_FAULT(Fault::damaged, open(replaced("-----BEGIN", "----BEGIN")));
  EXPECT_FAULT(Fault::damaged, open(replaced(end, "-----END AGE FILE-----")));
  EXPECT_FAULT(Fault::damaged, open(replaced(end, end + " x")));
  EXPECT_FAULT(Fault::damaged, open(replaced(first, first + "\n"))) << "empty line";
  EXPECT_FAULT(Fault::damaged, open(replaced(first, first + " "))) << "space at the end of a line";
  EXPECT_FAULT(Fault::damaged, open(replaced(first, " " + first)));
  EXPECT_FAULT(Fault::damaged, open(replaced(first, first.substr(0, 60) + "\n" + first.substr(60))))
      << "short line inside";
  EXPECT_FAULT(Fault::damaged, open(replaced(first + "\n", first))) << "line of 128";
  EXPECT_FAULT(Fault::damaged, open(replaced(first, "Header: value\n\n" + first)));
  EXPECT_FAULT(Fault::damaged, open(replaced(first, "*" + first.substr(1))));
  EXPECT_FAULT(Fault::damaged, open(replaced("\n" + first, "\r" + first))) << "CR alone";
}

TEST_F(AgeFile, ArmorWithUnusedBitsSetOrPaddingMissingIsDamage) {
  for (std::size_t size = 30; size < 33; ++size) {
    std::string text = armor(sealed(testkit::pattern(size)));
    const std::size_t pad = text.find('=');
    if (pad == std::string::npos) continue;
    EXPECT_FAULT(Fault::damaged, open(text.substr(0, pad) + text.substr(text.find('\n', pad)))) << "padding missing";
    text[pad - 1] = static_cast<char>(text[pad - 1] + 1);
    EXPECT_FAULT(Fault::damaged, open(text)) << "unused bits";
  }
}

TEST_F(AgeFile, ASinkThatFailsEndsIt) {
  testkit::TempFolder folder;
  testkit::put_file(folder / "f", sealed(testkit::pattern(200000)));
  int calls = 0;
  EXPECT_FAULT(Fault::busy, keys::open_age_file(must(base::open_to_read(folder / "f")), {&me(), {}},
                                                [&](ByteView) -> base::Result<void> {
                                                  ++calls;
                                                  return base::Error{Fault::busy, "full"};
                                                }));
  EXPECT_EQ(calls, 1);
}

TEST(IsAgeFile, KnowsBothForms) {
  EXPECT_TRUE(keys::is_age_file(base::as_bytes("age-encryption.org/v1\n")));
  EXPECT_TRUE(keys::is_age_file(base::as_bytes(" \n-----BEGIN AGE ENCRYPTED FILE-----\n")));
  for (const char* text : {"", " ", "# comment", "AGE-SECRET-KEY-1", " age-encryption.org/v1"})
    EXPECT_FALSE(keys::is_age_file(base::as_bytes(text))) << text;
}

}  // namespace
