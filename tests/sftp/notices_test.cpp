#include "sftp/notices.h"

#include <cstdlib>
#include <string>

#include "base/files.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/temp_folder.h"

namespace sftp {
namespace {

ReadMe some_facts() {
  return {.access = "d-41", .files = 12, .bytes = 2949120, .ends = 1795339815, .checkpoint = "callvault\n7\nROOT\n"};
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

TEST(Banner, SaysThatFilesAreDeleted) {
  EXPECT_TRUE(has(banner(), "DELETED once they are downloaded"));
  EXPECT_TRUE(has(banner(), kReadMeName));
  EXPECT_TRUE(banner().ends_with('\n'));
  for (const char c : banner()) EXPECT_TRUE(c == '\n' || (c >= ' ' && c <= '~'));
}

TEST(ReadMe, StatesTheFacts) {
  const auto text = read_me(some_facts());
  for (const char* fact : {"d-41", "12 (2949120 bytes)", "2026-11-22T09:30:15Z", "deleted", "resumed", "Do not mount",
                           "sha256sum -c SHA256SUMS", "callvault\r\n7\r\nROOT\r\n"})
    EXPECT_TRUE(has(text, fact)) << fact;
}

TEST(ReadMe, OfWhatIsKeptDoesNotSpeakOfDeletion) {
  auto facts = some_facts();
  facts.erases = false;
  const auto text = read_me(facts);
  EXPECT_TRUE(has(text, "Nothing is deleted"));
  EXPECT_TRUE(has(text, "Access:          d-41"));
  EXPECT_TRUE(has(text, "audit log"));
  EXPECT_FALSE(has(text, "as soon as it is downloaded"));
  EXPECT_FALSE(has(text, "Do not mount"));
}

TEST(ReadMe, WithoutACheckpointDoesNotMentionOne) {
  auto facts = some_facts();
  facts.checkpoint.clear();
  EXPECT_FALSE(has(read_me(facts), "checkpoint"));
}

TEST(ReadMe, HasWindowsLineEndsOnly) {
  const auto text = read_me(some_facts());
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_EQ(text[i] == '\n', i > 0 && text[i - 1] == '\r') << i;
  }
  EXPECT_TRUE(text.ends_with("\r\n"));
}

TEST(Sums, OfNothingAreEmpty) { EXPECT_EQ(sums({}), ""); }

class SumsForTheTool : public testing::Test {
 protected:
  // "abc" and nothing (FIPS 180-2 example, and the well-known hash of the empty string).
  const std::vector<Sum> files_ = {{"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "a b (2).wav"},
                                   {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                    "Gespr\xc3\xa4"
                                    "ch.wav"}};

  void SetUp() override {
    write("a b (2).wav", "abc");
    write(
        "Gespr\xc3\xa4"
        "ch.wav",
        "");
    write(std::string(kSumsName).c_str(), sums(files_));
  }
  void write(const char* name, std::string_view text) {
    testkit::must(base::system_files().replace_whole(folder_ / name, base::as_bytes(text)));
  }
  int check() const {
    return std::system(
        ("cd '" + folder_.path().string() + "' && sha256sum --strict --quiet -c SHA256SUMS >/dev/null 2>&1").c_str());
  }

  testkit::TempFolder folder_;
};

TEST_F(SumsForTheTool, AreAccepted) { EXPECT_EQ(check(), 0); }

TEST_F(SumsForTheTool, FindAChangedFile) {
  write("a b (2).wav", "abd");
  EXPECT_NE(check(), 0);
}

}  // namespace
}  // namespace sftp
