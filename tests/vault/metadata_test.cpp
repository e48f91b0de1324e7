#include "vault/metadata.h"

#include "tests/testkit/expect.h"

namespace {

using base::Fault;
using vault::clean_utf8;
using vault::Metadata;
using vault::parse_metadata;
using vault::print_metadata;

Metadata example() {
  Metadata m;
  m.recording = "r-1";
  m.klass = "customer";
  m.customer = "acme";
  m.category = "inbound";
  m.call_time = 1795339815;
  m.size = 240044;
  m.sha256 = std::string(64, 'a');
  m.version = 2;
  m.name = "in-02079460123-07700900456-20261122-093015-1795339815.1042.wav";
  m.convention = "freepbx";
  m.from = "07700900456";
  m.to = "02079460123";
  m.agent = "201";
  m.direction = "in";
  m.reference = "1795339815.1042";
  m.group = "600";
  m.time_uncertain = true;
  m.sidecar = "line 1\nline 2\n";
  return m;
}

std::string text_of(const Metadata& m) { return base::to_text(print_metadata(m)); }

std::string with(std::string_view from, std::string_view to) {
  auto text = text_of(example());
  const auto at = text.find(from);
  if (at == std::string::npos) std::abort();
  return text.replace(at, from.size(), to);
}

TEST(Metadata, IsReadBack) {
  EXPECT_EQ(testkit::must(parse_metadata(print_metadata(example()))), example());
  EXPECT_EQ(testkit::must(parse_metadata(print_metadata(Metadata{}))), Metadata{});
}

TEST(Metadata, BeginsWithItsVersion) { EXPECT_TRUE(text_of(example()).starts_with("callvault/v1/metadata\n{")); }

TEST(Metadata, ExtremeNumbersAreReadBack) {
  auto m = example();
  m.size = m.version = UINT64_MAX;
  for (const base::Seconds time : {INT64_MIN, INT64_MAX, base::Seconds{-1}}) {
    m.call_time = time;
    EXPECT_EQ(testkit::must(parse_metadata(print_metadata(m))), m);
  }
}

TEST(Metadata, HostileTextIsDataAndReadBack) {
  for (const std::string text : {"../../etc/passwd", "=cmd|' /C calc'!A0", "<script>alert(1)</script>", "\x1b[2J\x07",
                                 "\"},{\"class\":\"own", "line\r\nbreak", "\xE2\x80\xAEgpj", "'; DROP TABLE x; --"}) {
    auto m = example();
    m.name = m.from = m.to = m.sidecar = text;
    EXPECT_EQ(testkit::must(parse_metadata(print_metadata(m))), m) << text;
  }
}

TEST(Metadata, ANulByteIsReadBack) {
  auto m = example();
  m.name = std::string("a\0b", 3);
  EXPECT_EQ(testkit::must(parse_metadata(print_metadata(m))), m);
}

TEST(Metadata, InvalidUtf8IsReplacedAndStillParses) {
  auto m = example();
  m.name = "a\xFF.wav";
  EXPECT_EQ(testkit::must(parse_metadata(print_metadata(m))).name, "a\xEF\xBF\xBD.wav");
}

TEST(Metadata, AnotherVersionIsRefused) {
  EXPECT_FAULT(Fault::damaged, parse_metadata(base::as_bytes(with("v1", "v2"))));
}

TEST(Metadata, EveryMissingFieldIsRefused) {
  const auto text = text_of(example());
  std::size_t fields = 0;
  for (auto at = text.find('"'); at != std::string::npos; ++fields) {
    const auto next = text.find(",\"", at);
    auto cut = text;
    if (next == std::string::npos) {
      cut.replace(at - 1, text.size() - at, "");
    } else {
      cut.erase(at, next + 1 - at);
    }
    EXPECT_FAULT(Fault::damaged, parse_metadata(base::as_bytes(cut))) << cut;
    at = next == std::string::npos ? next : next + 1;
  }
  EXPECT_EQ(fields, 20U);
}

TEST(Metadata, OtherFormsAreRefused) {
  for (const auto& text :
       {with("\"version\":2", "\"version\":2,\"version\":2"), with("\"version\":2", "\"version\":2,\"x\":1"),
        with("\"version\":2", "\"version\":2.0"), with("\"version\":2", "\"version\":-2"),
        with("\"version\":2", "\"version\":\"2\""), with("\"version\":2", "\"version\":true"),
        with("\"version\":2", "\"version\":18446744073709551616"), with("\"version\":2", "\"version\":1e300"),
        with("\"version\":2", "\"version\":null"), with("\"version\":2", "\"version\":[2]"),
        with("\"agent\":\"201\"", "\"agent\":201"), with("\"agent\":\"201\"", "\"agent\":{\"a\":1}"),
        with("\"agent\":\"201\"", "\"agent\": \"201\""),
        with("\"agent\":\"201\"", "\"agent\":\"\\u0032\\u0030\\u0031\""), with("\n{", "\n["), with("\n{", "\n {"),
        with("\"time_uncertain\":true", "\"time_uncertain\":1"), text_of(example()) + "\n", text_of(example()) + "{}"})
    EXPECT_FAULT(Fault::damaged, parse_metadata(base::as_bytes(text))) << text;
}

TEST(Metadata, EveryCutIsRefused) {
  const auto text = text_of(example());
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FAULT(Fault::damaged, parse_metadata(base::as_bytes(std::string_view(text).substr(0, size)))) << size;
}

TEST(Metadata, InvalidUtf8InTheTextIsRefused) {
  EXPECT_FAULT(Fault::damaged, parse_metadata(base::as_bytes(with("\"201\"", "\"\xFF\""))));
}

TEST(Metadata, DeepNestingIsRefused) {
  const auto deep = "callvault/v1/metadata\n" + std::string(200000, '[') + std::string(200, '{');
  EXPECT_FAULT(Fault::damaged, parse_metadata(base::as_bytes(deep)));
}

TEST(Metadata, MoreThan256KiBIsRefused) {
  auto m = example();
  m.sidecar = std::string(255 * 1024, 'x');
  EXPECT_OK(parse_metadata(print_metadata(m)));
  m.sidecar = std::string(256 * 1024, 'x');
  EXPECT_FAULT(Fault::damaged, parse_metadata(print_metadata(m)));
}

TEST(CleanUtf8, KeepsWhatIsValid) {
  for (const std::string text : {"", "plain", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\x7F\x01\n"})
    EXPECT_EQ(clean_utf8(text), text);
}

TEST(CleanUtf8, ReplacesEachInvalidByte) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(clean_utf8("a\xFFz"), "a" + bad + "z");
  EXPECT_EQ(clean_utf8("\xC3"), bad);                                // cut short
  EXPECT_EQ(clean_utf8("\xC0\xAF"), bad + bad);                      // overlong slash
  EXPECT_EQ(clean_utf8("\xE0\x80\xAF"), bad + bad + bad);            // overlong slash
  EXPECT_EQ(clean_utf8("\xED\xA0\x80"), bad + bad + bad);            // surrogate
  EXPECT_EQ(clean_utf8("\xF4\x90\x80\x80"), bad + bad + bad + bad);  // above U+10FFFF
  EXPECT_EQ(clean_utf8("\xF8\x88\x80\x80\x80"), bad + bad + bad + bad + bad);
  EXPECT_EQ(clean_utf8("\x80"), bad);
  EXPECT_EQ(clean_utf8("\xE2\x82z"), bad + bad + "z");
}

TEST(CleanUtf8, CutsAtACharacter) {
  EXPECT_EQ(clean_utf8("aa\xE2\x82\xAC", 5), "aa\xE2\x82\xAC");
  EXPECT_EQ(clean_utf8("aa\xE2\x82\xAC", 4), "aa");
  EXPECT_EQ(clean_utf8("aa\xFF", 4), "aa");
  EXPECT_EQ(clean_utf8("abc", 0), "");
  EXPECT_EQ(clean_utf8(std::string(5000, 'x')).size(), 1024U);
}

}  // namespace
