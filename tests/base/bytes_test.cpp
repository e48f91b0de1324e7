#include "base/bytes.h"

#include "tests/testkit/expect.h"

namespace base {
namespace {

using testkit::must;

Bytes counting(std::size_t size) {
  Bytes out;
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::byte>(i * 37 + 11));
  return out;
}

TEST(BytesPut, NumbersAreBigEndian) {
  Bytes out;
  put_u8(out, 0x01);
  put_u16(out, 0x0203);
  put_u32(out, 0x04050607);
  put_u64(out, 0x08090a0b0c0d0e0f);
  EXPECT_EQ(hex(out), "0102030405060708090a0b0c0d0e0f");
}

TEST(BytesPut, StringsCarryTheirLength) {
  Bytes out;
  put_string(out, "ab");
  put_string(out, std::string_view());
  put_raw(out, as_bytes("c"));
  EXPECT_EQ(hex(out),
            "000000026162"
            "00000000"
            "63");
}

TEST(BytesReader, ReadsWhatWasPut) {
  Bytes in;
  put_u8(in, 0xff);
  put_u16(in, 0xfffe);
  put_u32(in, 0xfffffffd);
  put_u64(in, 0xfffffffffffffffc);
  put_string(in, "text");
  put_raw(in, as_bytes("raw"));
  Reader reader(in);
  EXPECT_EQ(reader.u8(), 0xff);
  EXPECT_EQ(reader.u16(), 0xfffe);
  EXPECT_EQ(reader.u32(), 0xfffffffd);
  EXPECT_EQ(reader.u64(), 0xfffffffffffffffc);
  EXPECT_EQ(reader.text(4), "text");
  EXPECT_EQ(reader.left(), 3U);
  EXPECT_FALSE(reader.done());
  EXPECT_EQ(as_text(*reader.raw(3)), "raw");
  EXPECT_TRUE(reader.done());
}

TEST(BytesReader, OneByteTooFewFailsForEveryNumber) {
  const Bytes in = counting(8);
  EXPECT_FALSE(Reader(ByteView(in).first(0)).u8());
  EXPECT_FALSE(Reader(ByteView(in).first(1)).u16());
  EXPECT_FALSE(Reader(ByteView(in).first(3)).u32());
  EXPECT_FALSE(Reader(ByteView(in).first(7)).u64());
  EXPECT_TRUE(Reader(in).u64());
}

TEST(BytesReader, AfterAShortReadEverythingFails) {
  const Bytes in = counting(6);
  Reader reader(in);
  EXPECT_TRUE(reader.u16());
  EXPECT_FALSE(reader.u64());
  EXPECT_FALSE(reader.u8()) << "four bytes are there, but the reader has failed";
  EXPECT_FALSE(reader.raw(0));
  EXPECT_EQ(reader.left(), 0U);
  EXPECT_FALSE(reader.done());
}

TEST(BytesReader, HugeSizesDoNotOverflow) {
  const Bytes in = counting(6);
  EXPECT_FALSE(Reader(in).raw(~std::size_t{0}));
  EXPECT_FALSE(Reader(in).raw(7));
  EXPECT_TRUE(Reader(in).raw(6));
}

TEST(BytesReader, AStringLongerThanAllowedOrThanTheInputFails) {
  Bytes in;
  put_string(in, "12345");
  EXPECT_TRUE(Reader(in).string(5));
  EXPECT_FALSE(Reader(in).string(4));
  EXPECT_FALSE(Reader(ByteView(in).first(8)).string(5));
  EXPECT_FALSE(Reader(ByteView(in).first(3)).text(5));
  Reader sticky(in);
  EXPECT_FALSE(sticky.text(4));
  EXPECT_FALSE(sticky.u8());
  const Bytes huge = *unhex("ffffffff61");
  EXPECT_FALSE(Reader(huge).string(0xffffffff));
}

TEST(BytesReader, NothingLeftIsDone) {
  Reader reader{ByteView()};
  EXPECT_TRUE(reader.done());
  EXPECT_TRUE(reader.raw(0));
  EXPECT_TRUE(reader.done());
}

TEST(BytesHex, BothWays) {
  EXPECT_EQ(hex(counting(3)), "0b3055");
  EXPECT_EQ(*unhex("0b3055"), counting(3));
  EXPECT_EQ(must(unhex("")), Bytes());
}

TEST(BytesHex, OnlyPairsOfLowerCaseDigits) {
  for (const char* bad : {"0", "0B", "0g", "0 ", " 0", "0x", "-1", "0/", "0:", "0`"})
    EXPECT_FAULT(Fault::damaged, unhex(bad)) << bad;
}

TEST(BytesBase64, KnownTexts) {  // RFC 4648, section 10
  const std::pair<const char*, const char*> known[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : known) {
    EXPECT_EQ(base64(as_bytes(plain)), text);
    EXPECT_EQ(must(unbase64(text)), to_bytes(plain));
  }
  EXPECT_EQ(base64(*unhex("fbefbe"), Padding::none), "++++");
  EXPECT_EQ(base64(*unhex("ffffff"), Padding::none), "////");
}

TEST(BytesBase64, EverySizeBothWays) {
  for (std::size_t size = 0; size < 70; ++size) {
    for (const Padding padding : {Padding::none, Padding::full}) {
      const std::string text = base64(counting(size), padding);
      EXPECT_EQ(must(unbase64(text, padding)), counting(size)) << text;
      EXPECT_EQ(text.size(), padding == Padding::full ? (size + 2) / 3 * 4 : (size * 8 + 5) / 6);
    }
  }
}

TEST(BytesBase64, PaddingMustBeExactlyRight) {
  for (const char* bad : {"Zg", "Zg=", "Zg===", "Zg====", "=", "==", "===", "====", "Z===", "Zm8",
                          "Zm8==", "Zm9v=", "Zm9v====", "Z=g=", "=Zg=", "Zg==Zg==", "Zm8=Zg=="})
    EXPECT_FAULT(Fault::damaged, unbase64(bad, Padding::full)) << bad;
  for (const char* bad : {"Zg==", "Zm8=", "Z", "Zm9vY", "="})
    EXPECT_FAULT(Fault::damaged, unbase64(bad, Padding::none)) << bad;
}

TEST(BytesBase64, UnusedBitsMustBeZero) {
  for (const char* bad : {"Zh==", "Zv==", "Zo==", "Zm9=", "Zm+="}) EXPECT_FAULT(Fault::damaged, unbase64(bad)) << bad;
  for (const char* bad : {"Zh", "Zm9"}) EXPECT_FAULT(Fault::damaged, unbase64(bad, Padding::none)) << bad;
}

TEST(BytesBase64, OnlyTheStandardAlphabet) {
  for (int c = 0; c < 256; ++c) {
    const char symbol = static_cast<char>(c);
    const bool good =
        (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
    const std::string text{'A', symbol, 'A', 'A'};
    EXPECT_EQ(static_cast<bool>(unbase64(text)), good) << c;
  }
  for (const char* bad : {"Zm9v\n", "Zm9v\r\n", " Zm9v", "Zm 9", "Zm9vZm8=\n"})
    EXPECT_FAULT(Fault::damaged, unbase64(bad)) << bad;
}

TEST(BytesConcat, JoinsInOrder) {
  EXPECT_EQ(to_text(concat({as_bytes("a"), ByteView(), as_bytes("bc")})), "abc");
  EXPECT_TRUE(concat({}).empty());
}

}  // namespace
}  // namespace base
