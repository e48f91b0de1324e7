#include "vault/file_name.h"

#include <algorithm>
#include <random>
#include <set>

#include "tests/testkit/expect.h"
#include "vault/metadata.h"

namespace {

using vault::safe_name;
using vault::unique_names;
using Names = std::vector<std::string>;

TEST(WaitsForRename, TemporaryAndHiddenNamesOnly) {
  for (const char* name : {"a.wav.part", "b.wav.filepart", "c.wav.a1b2.partial", "d.tmp", "E.WAV.PART", "f.Partial",
                           ".g.wav", "x/.h.wav", "/x/y.part", ".part", "."})
    EXPECT_TRUE(vault::waits_for_rename(name)) << name;
  for (const char* name : {"", "a.wav", "part", "tmp", "x.part.wav", ".x/a.wav", "x.tmp/a.wav", "a.wav.part2", "apart"})
    EXPECT_FALSE(vault::waits_for_rename(name)) << name;
}

TEST(SafeName, LeavesOrdinaryNamesAlone) {
  for (const std::string name : {"in-02079460123-07700900456-20261122-093015-1795339815.1042.wav", "a b.mp3",
                                 "caf\xC3\xA9.wav", "noextension", "a.b.c", "(1) #&%@!~';,[]{}+=.wav",
                                 "\xE5\xBC\xA0\xE4\xB8\x89.wav", "console.wav", "com10.wav", "comx", "nulls"})
    EXPECT_EQ(safe_name(name), name);
}

TEST(SafeName, WhatAFileSystemRefusesBecomesAnUnderscore) {
  EXPECT_EQ(safe_name("a/b\\c:d*e?f\"g<h>i|j.wav"), "a_b_c_d_e_f_g_h_i_j.wav");
  EXPECT_EQ(safe_name("2026-11-22 09:30.wav"), "2026-11-22 09_30.wav");
}

TEST(SafeName, ControlCharactersBecomeAnUnderscore) {
  EXPECT_EQ(safe_name("a\nb\r\tc\x1b[2Jd\x7f.wav"), "a_b__c_[2Jd_.wav");
  EXPECT_EQ(safe_name(std::string_view("a\0b", 3)), "a_b");
  EXPECT_EQ(safe_name("a\xC2\x85z"), "a_z");                  // next line, of C1
  EXPECT_EQ(safe_name("a\xE2\x80\xA8z"), "a_z");              // line separator
  EXPECT_EQ(safe_name("a\xE2\x80\xAEvaw.exe"), "a_vaw.exe");  // right to left override
}

TEST(SafeName, InvalidUtf8BecomesUnderscores) {
  EXPECT_EQ(safe_name("a\xFFz"), "a_z");
  EXPECT_EQ(safe_name("\xC0\xAE\xC0\xAE\xC0\xAF"), "______");
  EXPECT_EQ(safe_name("a\xC3"), "a_");
}

TEST(SafeName, NeverLeavesTheFolder) {
  EXPECT_EQ(safe_name("../../etc/passwd"), "_.._etc_passwd");
  EXPECT_EQ(safe_name(".."), "unnamed");
  EXPECT_EQ(safe_name("."), "unnamed");
  EXPECT_EQ(safe_name(""), "unnamed");
  EXPECT_EQ(safe_name("/"), "_");
  EXPECT_EQ(safe_name("C:\\Windows"), "C__Windows");
}

TEST(SafeName, LeadingDotsAndTrailingDotsAndSpacesGo) {
  EXPECT_EQ(safe_name(".hidden"), "hidden");
  EXPECT_EQ(safe_name("...a"), "a");
  EXPECT_EQ(safe_name("a.wav."), "a.wav");
  EXPECT_EQ(safe_name("a.wav . . "), "a.wav");
  EXPECT_EQ(safe_name(" . . "), "unnamed");
}

TEST(SafeName, WindowsDevicesGetAnUnderscore) {
  for (const std::string name : {"con", "CON", "Con.wav", "prn.wav", "AUX", "nul.tar.gz", "com1.wav", "COM0",
                                 "lpt9.wav", "conin$", "CONOUT$.wav", "nul .wav", "com\xC2\xB9.wav", "lpt\xC2\xB3"})
    EXPECT_EQ(safe_name(name), "_" + name);
  EXPECT_EQ(safe_name("con."), "_con");
  EXPECT_EQ(safe_name(".nul"), "_nul");
}

TEST(SafeName, ALongNameKeepsItsExtension) {
  const auto name = safe_name(std::string(300, 'a') + ".wav");
  EXPECT_EQ(name, std::string(196, 'a') + ".wav");
  EXPECT_EQ(safe_name(std::string(300, 'a')), std::string(200, 'a'));
  EXPECT_EQ(safe_name("a." + std::string(300, 'x')).size(), 200U);
}

TEST(SafeName, ALongNameIsCutAtACharacter) {
  for (std::size_t before = 190; before < 200; ++before) {
    std::string name(before, 'a');
    for (int i = 0; i < 20; ++i) name += "\xE2\x82\xAC";
    const auto safe = safe_name(name + ".wav");
    EXPECT_LE(safe.size(), 200U);
    EXPECT_GT(safe.size(), 196U);
    EXPECT_EQ(vault::clean_utf8(safe), safe) << "no character is cut";
    EXPECT_TRUE(safe.ends_with(".wav"));
  }
}

TEST(SafeName, ANameThatIsADeviceOnlyOnceCutIsStillSafe) {
  const auto name = safe_name("con" + std::string(250, ' ') + "x");
  EXPECT_EQ(name, "_con");
}

TEST(UniqueNames, TheSecondOneGetsANumber) {
  EXPECT_EQ(unique_names({"a.wav", "a.wav", "a.wav", "b"}), (Names{"a.wav", "a (2).wav", "a (3).wav", "b"}));
  EXPECT_EQ(unique_names({"x", "x"}), (Names{"x", "x (2)"}));
}

TEST(UniqueNames, CaseDoesNotMakeADifference) {
  EXPECT_EQ(unique_names({"a.wav", "A.WAV"}), (Names{"a.wav", "A (2).WAV"}));
  EXPECT_EQ(unique_names({"\xC3\xA9.wav", "\xC3\x89.wav"}), (Names{"\xC3\xA9.wav", "\xC3\x89 (2).wav"}));
  EXPECT_EQ(unique_names({"\xD0\xB6", "\xD0\x96"}), (Names{"\xD0\xB6", "\xD0\x96 (2)"}));
  EXPECT_EQ(unique_names({"\xC3\xA9", "\xC3\xA8"}), (Names{"\xC3\xA9", "\xC3\xA8"}));
}

TEST(UniqueNames, WhatIsTakenStaysTaken) {
  EXPECT_EQ(unique_names({"readme.txt"}, {"README.txt"}), (Names{"readme (2).txt"}));
  EXPECT_EQ(unique_names({"a"}, {"a", "A (2)"}), (Names{"a (3)"}));
}

TEST(UniqueNames, ANumberedNameMayBeThereAlready) {
  EXPECT_EQ(unique_names({"a (2).wav", "a.wav", "a.wav"}), (Names{"a (2).wav", "a.wav", "a (3).wav"}));
}

TEST(UniqueNames, NamesThatBecomeEqualAreToldApart) {
  EXPECT_EQ(unique_names({"a:b", "a?b", "..", ""}), (Names{"a_b", "a_b (2)", "unnamed", "unnamed (2)"}));
}

TEST(UniqueNames, ManyEqualLongNamesStayShortAndFast) {
  const auto names = unique_names(Names(20000, std::string(250, 'a') + ".wav"));
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  EXPECT_EQ(names.back().size(), 200U);
  EXPECT_TRUE(names.back().ends_with(" (20000).wav"));
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

TEST(UniqueNames, AlwaysSafeUniqueNonEmptyAndStable) {
  const Names pieces = {"a",
                        "A",
                        ".",
                        " ",
                        "/",
                        "\\",
                        "con",
                        "NUL",
                        ".wav",
                        "com1",
                        "\xC3\xA9",
                        "\xFF",
                        "..",
                        "\n",
                        "\x01",
                        "\xE2\x82",
                        "(2)",
                        " (2)",
                        "|",
                        "\"",
                        "_",
                        "\xE2\x80\xAE",
                        std::string(60, 'x'),
                        std::string(70, ' '),
                        std::string(65, '.'),
                        std::string(3, '\0')};
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    Names originals(1 + random() % 12);
    for (auto& name : originals)
      for (std::size_t n = random() % 7; n > 0; --n) name += pieces[random() % pieces.size()];
    const auto names = unique_names(originals);
    ASSERT_EQ(names.size(), originals.size());
    std::set<std::string> seen;
    for (const auto& name : names) {
      EXPECT_FALSE(name.empty());
      EXPECT_LE(name.size(), 200U);
      EXPECT_EQ(name.find_first_of(std::string_view("/\\:*?\"<>|\n\x01\0", 12)), std::string::npos);
      EXPECT_NE(name.front(), '.');
      EXPECT_NE(name.back(), '.');
      EXPECT_NE(name.back(), ' ');
      EXPECT_EQ(vault::clean_utf8(name), name);
      EXPECT_EQ(safe_name(name), name) << "a safe name is safe";
      EXPECT_TRUE(seen.insert(lower(name)).second) << name;
    }
    EXPECT_EQ(unique_names(names), names) << "unique names are unique";
  }
}

}  // namespace
