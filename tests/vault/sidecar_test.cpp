#include "vault/sidecar.h"

#include "tests/testkit/expect.h"

namespace {

using base::Fault;
using vault::parse_meta_json;
using vault::parse_voicemail_txt;

const std::string kMessage =
    ";\n; Message Information file\n;\n[message]\n"
    "origmailbox=201\ncontext=default\nmacrocontext=\nexten=s\nrdnis=unknown\npriority=2\n"
    "callerchan=PJSIP/trunk-0000004a\ncallerid=\"Ada Example\" <07700900456>\n"
    "origdate=Sun Nov 22 09:30:15 AM UTC 2026\norigtime=1795339815\ncategory=\nmsg_id=1795339815-00000007\n"
    "flag=\nduration=17\n";

std::string message_with(std::string_view from, std::string_view to) {
  auto text = kMessage;
  const auto at = text.find(from);
  if (at == std::string::npos) std::abort();
  return text.replace(at, from.size(), to);
}

TEST(VoicemailTxt, TellsTheCall) {
  const auto facts = testkit::must(parse_voicemail_txt(kMessage));
  EXPECT_EQ(facts.convention, "asterisk-voicemail");
  EXPECT_EQ(facts.category, "message");
  EXPECT_EQ(facts.direction, "in");
  EXPECT_EQ(facts.from, "07700900456");
  EXPECT_EQ(facts.to, "201");
  EXPECT_EQ(facts.agent, "201");
  EXPECT_EQ(facts.reference, "1795339815-00000007");
  EXPECT_EQ(facts.started_at, 1795339815);
  EXPECT_FALSE(facts.time_uncertain);
}

TEST(VoicemailTxt, ACarriageReturnBeforeTheEndOfALineIsNoData) {
  std::string text;
  for (const char c : kMessage) text += c == '\n' ? std::string("\r\n") : std::string(1, c);
  EXPECT_EQ(testkit::must(parse_voicemail_txt(text)).to, "201");
}

TEST(VoicemailTxt, CallersWithoutANumberStayRaw) {
  const std::pair<const char*, const char*> callers[] = {{"Unknown", "Unknown"},        {"07700900456", "07700900456"},
                                                         {"\"x\" <>", "\"x\" <>"},      {"<1> x", "<1> x"},
                                                         {"\"<script>\" <201>", "201"}, {"", ""}};
  for (const auto& [caller, from] : callers) {
    const auto text = message_with("\"Ada Example\" <07700900456>", caller);
    EXPECT_EQ(testkit::must(parse_voicemail_txt(text)).from, from) << caller;
  }
}

TEST(VoicemailTxt, ATimeThatIsNoneIsMarked) {
  for (const std::string time : {"", "x", "-5", "0", "1795339815x", "99999999999999999999"}) {
    const auto facts = testkit::must(parse_voicemail_txt(message_with("origtime=1795339815", "origtime=" + time)));
    EXPECT_EQ(facts.started_at, std::nullopt) << time;
    EXPECT_TRUE(facts.time_uncertain) << time;
  }
}

TEST(VoicemailTxt, OtherSectionsAreNotRead) {
  const auto facts = testkit::must(parse_voicemail_txt("[other]\norigmailbox=666\n" + kMessage + "[more]\nmsg_id=9\n"));
  EXPECT_EQ(facts.to, "201");
  EXPECT_EQ(facts.reference, "1795339815-00000007");
}

TEST(VoicemailTxt, ADoubledKeyIsRefused) {  // a caller's name with a line break in it
  EXPECT_FAULT(Fault::usage, parse_voicemail_txt(message_with("Ada", "Ada\norigtime=1")));
}

TEST(VoicemailTxt, WhatIsNoSideFileIsRefused) {
  for (const std::string& text : {std::string(), std::string("x"), std::string("origtime=1\n"),
                                  std::string("[messages]\n"), kMessage + std::string(65536, '\n')})
    EXPECT_FAULT(Fault::usage, parse_voicemail_txt(text)) << text.substr(0, 40);
}

TEST(VoicemailTxt, InvalidUtf8IsReplaced) {
  EXPECT_EQ(testkit::must(parse_voicemail_txt(message_with("=201", "=\xFF"))).to, "\xEF\xBF\xBD");
}

TEST(MetaJson, TellsTheCall) {
  const auto meta = testkit::must(
      parse_meta_json(R"({"started_at":"2026-11-22T09:30:15Z","from":"07700900456","to":"02079460123","agent":"201",
                          "direction":"in","reference":"A-1","name":"call.wav","category":"inbound"})"));
  EXPECT_EQ(meta.facts.started_at, 1795339815);
  EXPECT_EQ(meta.facts.from, "07700900456");
  EXPECT_EQ(meta.facts.to, "02079460123");
  EXPECT_EQ(meta.facts.agent, "201");
  EXPECT_EQ(meta.facts.direction, "in");
  EXPECT_EQ(meta.facts.reference, "A-1");
  EXPECT_EQ(meta.facts.category, "inbound");
  EXPECT_EQ(meta.name, "call.wav");
  EXPECT_FALSE(meta.facts.time_uncertain);
}

TEST(MetaJson, EveryKeyMayBeMissing) {
  const auto meta = testkit::must(parse_meta_json("{}"));
  EXPECT_EQ(meta.facts.started_at, std::nullopt);
  EXPECT_EQ(meta.name, "");
}

TEST(MetaJson, OtherTextsAreRefused) {
  for (const std::string_view text : {"",
                                      "{",
                                      "[]",
                                      "null",
                                      "\"from\"",
                                      "{\"from\":\"1\"} x",
                                      "{\"form\":\"1\"}",
                                      "{\"From\":\"1\"}",
                                      "{\"from\":1}",
                                      "{\"from\":null}",
                                      "{\"from\":[\"1\"]}",
                                      "{\"from\":{\"from\":\"1\"}}",
                                      "{\"from\":\"1\",\"from\":\"2\"}",
                                      "{\"from\":\"\xFF\"}",
                                      "{\"from\":\"\\ud800\"}",
                                      "{from:\"1\"}",
                                      "{\"direction\":\"sideways\"}",
                                      "{\"started_at\":\"\"}",
                                      "{\"started_at\":\"yesterday\"}",
                                      "{\"started_at\":\"2026-02-30T00:00:00Z\"}",
                                      "{\"started_at\":1795339815}",
                                      "{\"from\":\"1\",}"})
    EXPECT_FAULT(Fault::usage, parse_meta_json(text)) << text;
}

TEST(MetaJson, DeepNestingIsRefused) {
  EXPECT_FAULT(Fault::usage, parse_meta_json("{\"from\":" + std::string(60000, '[')));
  EXPECT_FAULT(Fault::usage, parse_meta_json(std::string(30000, '[') + std::string(30000, ']')));
}

TEST(MetaJson, MoreThan64KiBIsRefused) {
  EXPECT_OK(parse_meta_json("{}" + std::string(65534, ' ')));
  EXPECT_FAULT(Fault::usage, parse_meta_json("{}" + std::string(65535, ' ')));
}

TEST(MetaJson, ErrorsHoldNoValue) {
  for (const std::string_view text :
       {"{\"direction\":\"07700900456\"}", "{\"started_at\":\"07700900456\"}", "{\"07700900456\":\"\"}",
        "{\"from\":\"07700900456\",\"from\":\"07700900456\"}", "{\"from\":\"07700900456\""}) {
    const auto result = parse_meta_json(text);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().what.find("07700"), std::string::npos) << result.error().what;
  }
}

}  // namespace
