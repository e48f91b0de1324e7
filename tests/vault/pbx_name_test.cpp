#include "vault/pbx_name.h"

#include "tests/testkit/expect.h"
#include "vault/metadata.h"

namespace {

using vault::CallFacts;
using vault::parse_pbx_name;

const std::string kZone = "Europe/London";

// All that a name says, in one line, so that a test states everything and nothing can be missed.
std::string facts_of(std::string_view path, const std::string& zone = kZone) {
  const auto f = parse_pbx_name(path, zone);
  if (!f) return "none";
  std::string out = f->convention;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) out += std::string(" ") + name + "=" + value;
  };
  add("at", f->started_at ? base::rfc3339(*f->started_at) : "");
  add("from", f->from);
  add("to", f->to);
  add("agent", f->agent);
  add("direction", f->direction);
  add("reference", f->reference);
  add("group", f->group);
  add("category", f->category);
  return out + (f->time_uncertain ? " time?" : "") + (f->parties_uncertain ? " parties?" : "");
}

struct Case {
  const char* path;
  const char* facts;
};

class PbxName : public testing::TestWithParam<Case> {};
TEST_P(PbxName, Says) { EXPECT_EQ(facts_of(GetParam().path), GetParam().facts) << GetParam().path; }

INSTANTIATE_TEST_SUITE_P(
    FreePbx, PbxName,
    testing::Values(
        Case{"in-02079460123-07700900456-20261122-093015-1795339815.1042.wav",
             "freepbx at=2026-11-22T09:30:15Z from=07700900456 to=02079460123 direction=in reference=1795339815.1042"},
        Case{"2026/11/22/in-unknown-anonymous-20261122-093015-1795339815.1042.wav",
             "freepbx at=2026-11-22T09:30:15Z from=anonymous to=unknown direction=in reference=1795339815.1042"},
        Case{"out-07700900789-201-20261122-094501-1795340701.1050.wav",
             "freepbx at=2026-11-22T09:45:01Z from=201 to=07700900789 agent=201 direction=out "
             "reference=1795340701.1050"},
        Case{"internal-202-201-20261122-094501-1795340701.1050.wav",
             "freepbx at=2026-11-22T09:45:01Z from=201 to=202 agent=202 direction=internal reference=1795340701.1050"},
        Case{"external-202-07700900456-20261122-094501-1795340701.1050.wav",
             "freepbx at=2026-11-22T09:45:01Z from=07700900456 to=202 agent=202 direction=in "
             "reference=1795340701.1050"},
        Case{"exten-202-201-20261122-094501-1795340701.1050.wav",
             "freepbx at=2026-11-22T09:45:01Z from=201 to=202 agent=202 reference=1795340701.1050"},
        Case{
            "q-600-01214960999-20261122-111500-1795346100.1102.wav",
            "freepbx at=2026-11-22T11:15:00Z from=01214960999 to=600 direction=in reference=1795346100.1102 group=600"},
        Case{"rg-610-unknown-20261122-113000-1795347000.1110.WAV",
             "freepbx at=2026-11-22T11:30:00Z from=unknown to=610 direction=in reference=1795347000.1110 group=610"},
        Case{"ondemand-201-07700900456-20261122-113000-1795347000.1110.wav",
             "freepbx at=2026-11-22T11:30:00Z from=07700900456 to=201 reference=1795347000.1110"},
        Case{"in-441614960555-+447700900321-20261122-140010-pbx1-1795356010.1188.wav",
             "freepbx at=2026-11-22T14:00:10Z from=+447700900321 to=441614960555 direction=in "
             "reference=pbx1-1795356010.1188"},
        Case{"in-441614960555-07700900321-20261122-140010-pbx-1.lon_a-1795356010.1188.wav",
             "freepbx at=2026-11-22T14:00:10Z from=07700900321 to=441614960555 direction=in "
             "reference=pbx-1.lon_a-1795356010.1188"},
        Case{"8000-8000-always-20261122-150000-1795359600.1201.wav",
             "freepbx at=2026-11-22T15:00:00Z reference=1795359600.1201 group=8000"},
        Case{"700-201-dontcare-20261122-150000-1795359600.1201.wav",
             "freepbx at=2026-11-22T15:00:00Z from=201 reference=1795359600.1201 group=700"},
        Case{"in-020-7946-0123-07700-900456-20261122-093015-1795339815.1042.wav",
             "freepbx at=2026-11-22T09:30:15Z from=020-7946-0123-07700-900456 to=020-7946-0123-07700-900456 "
             "direction=in reference=1795339815.1042 parties?"},
        Case{"q-6-0-07700900456-20261122-093015-1795339815.1042.wav",
             "freepbx at=2026-11-22T09:30:15Z from=6-0-07700900456 to=6-0-07700900456 direction=in "
             "reference=1795339815.1042 parties?"},
        Case{"in--07700900456-20261122-093015-1795339815.1042.wav",
             "freepbx at=2026-11-22T09:30:15Z from=07700900456 direction=in reference=1795339815.1042"},
        // the summer's date is local, the epoch is UTC, and wins
        Case{"in-1-2-20260701-093015-1782894615.1.wav",
             "freepbx at=2026-07-01T08:30:15Z from=2 to=1 direction=in reference=1782894615.1"},
        // some hours apart: a zone that was configured wrong; more than a day: doubt
        Case{"in-1-2-20261122-203015-1795339815.1.wav",
             "freepbx at=2026-11-22T09:30:15Z from=2 to=1 direction=in reference=1795339815.1"},
        Case{"in-1-2-20261121-093014-1795339815.1.wav",
             "freepbx at=2026-11-22T09:30:15Z from=2 to=1 direction=in reference=1795339815.1 time?"},
        Case{"in-1-2-20261399-093014-1795339815.1.wav",
             "freepbx at=2026-11-22T09:30:15Z from=2 to=1 direction=in reference=1795339815.1 time?"}));

INSTANTIATE_TEST_SUITE_P(
    Asterisk, PbxName,
    testing::Values(
        Case{"1795339815.1042.wav", "asterisk at=2026-11-22T09:30:15Z reference=1795339815.1042"},
        Case{"pbx1-1795339815.1042.gsm", "asterisk at=2026-11-22T09:30:15Z reference=pbx1-1795339815.1042"},
        Case{"auto-1795340900-PJSIP-trunk-0000004a-202.wav",
             "asterisk at=2026-11-22T09:48:20Z from=PJSIP-trunk-0000004a-202 to=PJSIP-trunk-0000004a-202 parties?"},
        Case{"auto-1795340900-07700900456-202.wav", "asterisk at=2026-11-22T09:48:20Z from=07700900456 to=202"},
        Case{"sales-1795341000-complaint4711.wav", "asterisk at=2026-11-22T09:50:00Z"},
        Case{"auto-1795340900-complaint-4711.wav",
             "asterisk at=2026-11-22T09:48:20Z from=complaint-4711 to=complaint-4711 parties?"},
        // a number of ten digits may be a time as well: the first counts, marked
        Case{"auto-1795340900-2079460123-202.wav", "asterisk at=2026-11-22T09:48:20Z from=2079460123 to=202 time?"},
        Case{"confbridge-3000-1795340900.wav", "asterisk at=2026-11-22T09:48:20Z group=3000"},
        Case{"confbridge-board-room-1795340900.wav", "asterisk at=2026-11-22T09:48:20Z group=board-room"},
        Case{"monday-1795340900.wav", "asterisk at=2026-11-22T09:48:20Z group=monday time?"},
        Case{"201-1795340900.wav", "none"}, Case{"201-1795340900-202.wav", "none"},
        Case{"confbridge-3000-1214960999.wav", "none"},  // 2008: a number, no time
        Case{"auto-1214960999-x.wav", "none"}, Case{"1795339815.wav", "none"}, Case{"1795339815.x.wav", "none"},
        Case{"17953398150.1.wav", "none"}, Case{"a b-1795339815.1.wav", "none"}));

INSTANTIATE_TEST_SUITE_P(
    Voicemail, PbxName,
    testing::Values(Case{"voicemail/default/201/INBOX/msg0003.wav",
                         "asterisk-voicemail to=201 agent=201 direction=in category=message"},
                    Case{"201/Old/msg0000.WAV", "asterisk-voicemail to=201 agent=201 direction=in category=message"},
                    Case{"msg0000.gsm", "asterisk-voicemail direction=in category=message"}, Case{"msg000.wav", "none"},
                    Case{"msg00000.wav", "none"}, Case{"msg0000.txt", "none"},
                    Case{"default/acme/201/msg_0b9d7c3e-5a41-4b7e-9d0f-2f4e6a8c1d23.wav",
                         "freeswitch to=201 agent=201 direction=in reference=0b9d7c3e-5a41-4b7e-9d0f-2f4e6a8c1d23 "
                         "category=message"},
                    Case{"201/intro_msg_0b9d7c3e-5a41-4b7e-9d0f-2f4e6a8c1d23.wav", "none"}));

INSTANTIATE_TEST_SUITE_P(
    FusionPbx, PbxName,
    testing::Values(
        Case{"acme.example.co.uk/archive/2026/Nov/22/0b9d7c3e-5a41-4b7e-9d0f-2f4e6a8c1d23.wav",
             "fusionpbx at=2026-11-22T23:59:59Z reference=0b9d7c3e-5a41-4b7e-9d0f-2f4e6a8c1d23 "
             "group=acme.example.co.uk time?"},
        Case{"recordings/acme/archive/2026/Jul/01/0b9d7c3e-5a41-4b7e-9d0f-2f4e6a8c1d23.mp3",
             "fusionpbx at=2026-07-01T22:59:59Z reference=0b9d7c3e-5a41-4b7e-9d0f-2f4e6a8c1d23 group=acme time?"},
        Case{"acme/archive/2026/nov/22/0b9d7c3e-5a41-4b7e-9d0f-2f4e6a8c1d23.wav", "none"},
        Case{"acme/archive/2026/Feb/30/0b9d7c3e-5a41-4b7e-9d0f-2f4e6a8c1d23.wav", "none"},
        Case{"acme/archive/2026/Nov/22/0B9D7C3E-5A41-4B7E-9D0F-2F4E6A8C1D23.wav", "none"},
        Case{"acme/other/2026/Nov/22/0b9d7c3e-5a41-4b7e-9d0f-2f4e6a8c1d23.wav", "none"},
        Case{"0b9d7c3e-5a41-4b7e-9d0f-2f4e6a8c1d23.wav", "none"},
        Case{"acme/archive/2026/Nov/22/02079460123-07700900456_2026-11-22 09:30.wav",
             "fusionpbx at=2026-11-22T09:30:00Z from=07700900456 to=02079460123"},
        Case{"020-7946-0123-07700900456_2026-11-22 09:30.wav",
             "fusionpbx at=2026-11-22T09:30:00Z from=020-7946-0123-07700900456 to=020-7946-0123-07700900456 parties?"},
        Case{"02079460123_2026-11-22 09:30.wav", "none"},
        Case{"02079460123-07700900456_2026-11-22 24:30.wav", "none"}));

INSTANTIATE_TEST_SUITE_P(
    FreeSwitch, PbxName,
    testing::Values(Case{"07700900456.2026-11-22-09-30-15.wav", "freeswitch at=2026-11-22T09:30:15Z from=07700900456"},
                    Case{"a.b.2026-11-22-09-30-15.wav", "freeswitch at=2026-11-22T09:30:15Z from=a.b to=a.b parties?"},
                    Case{"2026-11-22-09-30-15.600.07700900456.7c304780-5ea5-4ca6-b538-c4d610c46b84.wav",
                         "freeswitch at=2026-11-22T09:30:15Z from=07700900456 to=600 "
                         "reference=7c304780-5ea5-4ca6-b538-c4d610c46b84 group=600"},
                    Case{"2026-11-22-09-30-15.600.a.b.7c304780-5ea5-4ca6-b538-c4d610c46b84.wav",
                         "freeswitch at=2026-11-22T09:30:15Z from=600.a.b to=600.a.b "
                         "reference=7c304780-5ea5-4ca6-b538-c4d610c46b84 parties?"},
                    Case{"3000-lon1_2026-11-22-10-00-00.wav", "freeswitch at=2026-11-22T10:00:00Z group=3000-lon1"},
                    Case{"2026-11-22-09-30-15_600_07700900456.wav",
                         "freeswitch at=2026-11-22T09:30:15Z from=07700900456 to=600"},
                    Case{"2026-11-22-09-30-15_6_0_07700900456.wav",
                         "freeswitch at=2026-11-22T09:30:15Z from=6_0_07700900456 to=6_0_07700900456 parties?"},
                    Case{"07700900456.2026-11-31-09-30-15.wav", "none"}, Case{"2026-11-22-09-30-15.wav", "none"}));

INSTANTIATE_TEST_SUITE_P(
    Others, PbxName,
    testing::Values(
        Case{"2026/11/22/09/20261122_093015_AAQK.wav", "oreka at=2026-11-22T09:30:15Z"},
        Case{"20261122_093015_AAQK-20261122093015_00123.gsm", "oreka at=2026-11-22T09:30:15Z"},
        Case{"20261122_093015_AAQ.wav", "none"}, Case{"20261122_093015_AAQKZ.wav", "none"},
        Case{"20261122_093015_aaqk.wav", "none"}, Case{"20261122_093015_AAQK.mcf", "none"},
        Case{"20261122_093015_AAQK-.wav", "none"},
        Case{"a84b4c76e66710%40pbx.example.co.uk-0f3c9d12ab45ef67-mix.wav",
             "rtpengine reference=a84b4c76e66710@pbx.example.co.uk"},
        Case{"VkQrBaNWk~-8327f1aa02d8c8ae-mix.wav", "rtpengine reference=VkQrBaNWk~"},
        Case{"VkQrBaNWk~-8327f1aa02d8c8ae-1f00ba7.mp3", "rtpengine reference=VkQrBaNWk~"},
        Case{"100%-%zz%4-8327f1aa02d8c8ae-mix.wav", "rtpengine reference=100%-%zz%4"},
        Case{"VkQrBaNWk~-8327f1aa02d8c8ae.pcap", "none"}, Case{"VkQrBaNWk~-8327f1aa02d8c8a-mix.wav", "none"},
        Case{"-8327f1aa02d8c8ae-mix.wav", "none"}, Case{"x-8327f1aa02d8c8ae-mixx.wav", "none"},
        Case{"20261122-093015_07700900456_SALES_agent7-all.mp3",
             "vicidial at=2026-11-22T09:30:15Z from=07700900456 agent=agent7 group=SALES"},
        Case{"20261122-093015_07700900456-in.wav", "vicidial at=2026-11-22T09:30:15Z from=07700900456"},
        Case{"20261122-093015_07700900456_SA_LES_agent7-all.mp3",
             "vicidial at=2026-11-22T09:30:15Z from=07700900456_SA_LES_agent7 to=07700900456_SA_LES_agent7 parties?"},
        Case{"20261122-093015_-all.mp3", "none"}, Case{"20261122-093015_0770-both.mp3", "none"},
        Case{"c6ad7525-4209-4f4c-aca2-f04597dd29b3_20220407T13:14_UTC.wav",
             "amazon-connect at=2022-04-07T13:14:00Z reference=c6ad7525-4209-4f4c-aca2-f04597dd29b3"},
        Case{"connect/acme/CallRecordings/ivr/2022/07/07/c6ad7525-4209-4f4c-aca2-f04597dd29b3_20220707T13%3A14_UTC.wav",
             "amazon-connect at=2022-07-07T13:14:00Z reference=c6ad7525-4209-4f4c-aca2-f04597dd29b3 group=ivr"},
        Case{"c6ad7525-4209-4f4c-aca2-f04597dd29b3_20220407T13:14_BST.wav", "none"}));

INSTANTIATE_TEST_SUITE_P(
    Nothing, PbxName,
    testing::Values(Case{"", "none"}, Case{"/", "none"}, Case{"call.wav", "none"}, Case{".wav", "none"},
                    Case{"in-02079460123-07700900456-20261122-093015-1795339815.1042", "none"},
                    Case{"in-02079460123-07700900456-20261122-093015-1795339815.1042.exe", "none"},
                    Case{"in-02079460123-07700900456-20261122-093015-1795339815.1042.wav.part", "none"},
                    Case{"in-02079460123-07700900456-20261122-093015-1795339815.1042.wav/", "none"},
                    Case{"....wav", "none"}, Case{"-----.wav", "none"}, Case{"_____.wav", "none"},
                    Case{"-1795339815.1.wav", "none"}));

// --- Times

TEST(PbxNameTime, TheDoubledHourIsTheLaterInstantAndMarked) {
  EXPECT_EQ(facts_of("07700900456.2026-10-25-01-30-00.wav"),
            "freeswitch at=2026-10-25T01:30:00Z from=07700900456 time?");
}

TEST(PbxNameTime, TheMissingHourIsMarked) {
  EXPECT_EQ(facts_of("07700900456.2026-03-29-01-30-00.wav"),
            "freeswitch at=2026-03-29T01:30:00Z from=07700900456 time?");
}

TEST(PbxNameTime, AnEpochNeedsNoZoneInTheDoubledHour) {
  EXPECT_EQ(facts_of("in-1-2-20261025-013000-1792888200.1.wav"),
            "freepbx at=2026-10-25T00:30:00Z from=2 to=1 direction=in reference=1792888200.1");
}

TEST(PbxNameTime, AnUnknownZoneLeavesLocalTimesOutAndMarksThem) {
  EXPECT_EQ(facts_of("07700900456.2026-11-22-09-30-15.wav", "Mars/Olympus"), "freeswitch from=07700900456 time?");
  EXPECT_EQ(facts_of("1795339815.1042.wav", "Mars/Olympus"),
            "asterisk at=2026-11-22T09:30:15Z reference=1795339815.1042");
  EXPECT_EQ(facts_of("c6ad7525-4209-4f4c-aca2-f04597dd29b3_20220407T13:14_UTC.wav", "Mars/Olympus"),
            "amazon-connect at=2022-04-07T13:14:00Z reference=c6ad7525-4209-4f4c-aca2-f04597dd29b3");
}

TEST(PbxNameTime, TheZoneIsTheConfiguredOne) {
  EXPECT_EQ(facts_of("20261122_093015_AAQK.wav", "America/New_York"), "oreka at=2026-11-22T14:30:15Z");
}

// --- Hostile names: the text is data, wherever it stands

TEST(PbxNameHostile, TextInANumberFieldIsKeptRaw) {
  for (const std::string text : {"=cmd|' C calc'!A0", "<script>alert(1)<script>", "'; DROP TABLE x; ", "\x1b[2J\x07",
                                 "line\nbreak\r", "\xE2\x80\xAEgpj", "sip:x%40y", "%5B%2e%2e", "%s%n", "\"quoted\""}) {
    const auto facts = parse_pbx_name("in-02079460123-" + text + "-20261122-093015-1795339815.1042.wav", kZone);
    ASSERT_TRUE(facts) << text;
    EXPECT_EQ(facts->from, text);
    EXPECT_EQ(facts->to, "02079460123");
    EXPECT_FALSE(facts->parties_uncertain) << text;
  }
}

TEST(PbxNameHostile, ANulByteIsKeptRaw) {
  const std::string text("a\0b", 3);
  const auto facts = parse_pbx_name("in-1-" + text + "-20261122-093015-1795339815.1042.wav", kZone);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->from, text);
}

TEST(PbxNameHostile, InvalidUtf8IsReplaced) {
  for (const std::string_view path :
       {"in-\xFF-\xFF-20261122-093015-1795339815.1042.wav", "\xC0\xAF.2026-11-22-09-30-15.wav",
        "\xED\xA0\x80_2026-11-22-10-00-00.wav", "%ff%c0-8327f1aa02d8c8ae-mix.wav", "\xFF/INBOX/msg0000.wav",
        "\xFF/archive/2026/Nov/22/0b9d7c3e-5a41-4b7e-9d0f-2f4e6a8c1d23.wav"}) {
    const auto facts = parse_pbx_name(path, kZone);
    ASSERT_TRUE(facts) << path;
    for (const auto& text : {facts->from, facts->to, facts->agent, facts->reference, facts->group})
      EXPECT_EQ(vault::clean_utf8(text), text) << path;
  }
}

TEST(PbxNameHostile, ASlashOnlyEndsAFolder) {
  EXPECT_EQ(facts_of("in-02079460123-../../../etc/passwd-20261122-093015-1795339815.1042.wav"),
            "asterisk at=2026-11-22T09:30:15Z reference=passwd-20261122-093015-1795339815.1042");
  EXPECT_EQ(facts_of("../../../../1795339815.1042.wav"), "asterisk at=2026-11-22T09:30:15Z reference=1795339815.1042");
}

TEST(PbxNameHostile, NamesOver255BytesMatchNothing) {
  const std::string tail = "-20261122-093015-1795339815.1042.wav";
  const std::string head = "in-1-";
  const auto fill = 255 - head.size() - tail.size();
  EXPECT_NE(facts_of(head + std::string(fill, '7') + tail), "none");
  EXPECT_EQ(facts_of(head + std::string(fill + 1, '7') + tail), "none");
  EXPECT_EQ(facts_of(head + std::string(4096, '7') + tail), "none");
}

TEST(PbxNameHostile, OnlyTheLast4KiBOfAPathAreLookedAt) {
  const std::string name = "1795339815.1042.wav";
  EXPECT_NE(facts_of(std::string(1U << 20U, '/') + name), "none");
  EXPECT_EQ(facts_of("acme/archive/2026/Nov/22/" + std::string(4096, 'x') + "/" + name),
            "asterisk at=2026-11-22T09:30:15Z reference=1795339815.1042");
}

TEST(PbxNameHostile, EveryCutAndEveryChangedByteIsHandled) {
  for (const std::string_view path :
       {"in-02079460123-07700900456-20261122-093015-pbx1-1795339815.1042.wav",
        "acme/archive/2026/Nov/22/0b9d7c3e-5a41-4b7e-9d0f-2f4e6a8c1d23.wav",
        "2026-11-22-09-30-15.600.07700900456.7c304780-5ea5-4ca6-b538-c4d610c46b84.wav",
        "20261122-093015_07700900456_SALES_agent7-all.mp3", "20261122_093015_AAQK-20261122093015_00123.gsm",
        "c6ad7525-4209-4f4c-aca2-f04597dd29b3_20220407T13%3A14_UTC.wav",
        "a84b4c76e66710%40pbx.example.co.uk-0f3c9d12ab45ef67-mix.wav",
        "auto-1795340900-PJSIP-trunk-0000004a-202.wav"}) {
    for (std::size_t i = 0; i <= path.size(); ++i) {
      parse_pbx_name(path.substr(0, i), kZone);
      parse_pbx_name(path.substr(i), kZone);
      for (const char c : {'-', '_', '.', '/', '%', '\0', '9', '\xFF'}) {
        std::string changed(path);
        if (i < path.size()) changed[i] = c;
        const auto facts = parse_pbx_name(changed, kZone);
        EXPECT_TRUE(!facts || !facts->convention.empty());
      }
    }
  }
}

}  // namespace
