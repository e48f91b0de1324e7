#include "sftp/folder.h"

#include <limits>

#include "tests/testkit/expect.h"

namespace sftp {
namespace {

Folder two_files() { return testkit::must(Folder::create({{"a.wav", 10, 1000}, {"B (2).wav", 20, 3000}})); }

TEST(Folder, FindsItselfInEveryForm) {
  const Folder folder = two_files();
  for (const char* path : {"", ".", "/", "/.", "./", "//", "/./", "././."}) {
    const auto place = folder.find(path);
    ASSERT_TRUE(place) << path;
    EXPECT_TRUE(place->is_folder) << path;
  }
}

TEST(Folder, FindsAFileInEveryForm) {
  const Folder folder = two_files();
  for (const char* path :
       {"B (2).wav", "/B (2).wav", "./B (2).wav", "//B (2).wav", "/./B (2).wav", "///.//B (2).wav"}) {
    const auto place = folder.find(path);
    ASSERT_TRUE(place) << path;
    EXPECT_FALSE(place->is_folder) << path;
    EXPECT_EQ(place->file, 1U) << path;
  }
}

TEST(Folder, FindsNothingElse) {
  const Folder folder = two_files();
  using namespace std::string_view_literals;
  for (const auto path : {"..",
                          "/..",
                          "../a.wav",
                          "/../a.wav",
                          "../../etc/passwd",
                          "/etc/passwd",
                          "x/../a.wav",
                          "a.wav/../a.wav",
                          "./../a.wav",
                          "\\a.wav",
                          ".\\a.wav",
                          "..\\a.wav",
                          "C:\\a.wav",
                          "/\\a.wav",  // other systems' separators
                          "A.wav",
                          "a.WAV",
                          "b (2).wav",  // another case
                          "a.wav/",
                          "a.wav/.",
                          "a.wav/x",
                          "/a.wav//",
                          "x/a.wav",  // below a file, below nothing
                          " a.wav",
                          "a.wav ",
                          "a.wa",
                          "a.wavx",
                          "*",
                          "?.wav",
                          "~",
                          "%2e"}) {
    EXPECT_FALSE(folder.find(path)) << path;
  }
  for (const auto path : {"a.wav\0"sv, "a.wav\0.txt"sv, "\0"sv, "/\0/a.wav"sv, "\xff\xfe"sv,
                          "\xc0\xaf"sv
                          "a.wav"sv})
    EXPECT_FALSE(folder.find(path)) << path;
  EXPECT_FALSE(folder.find(std::string(4096, 'x')));
  EXPECT_FALSE(folder.find("/" + std::string(4000, '.') + "/a.wav"));
}

TEST(Folder, RealPathIsCanonicalAndNeverAboveTheRoot) {
  const std::vector<std::pair<std::string, std::string>> cases = {{"", "/"},
                                                                  {".", "/"},
                                                                  {"/", "/"},
                                                                  {"/.", "/"},
                                                                  {"./", "/"},
                                                                  {"//", "/"},
                                                                  {"..", "/"},
                                                                  {"../..", "/"},
                                                                  {"/../..", "/"},
                                                                  {"/x/..", "/"},
                                                                  {"x/../..", "/"},
                                                                  {"a.wav", "/a.wav"},
                                                                  {"/a.wav", "/a.wav"},
                                                                  {"./a.wav", "/a.wav"},
                                                                  {"//a.wav//", "/a.wav"},
                                                                  {"../a.wav", "/a.wav"},
                                                                  {"x/../a.wav", "/a.wav"},
                                                                  {"//x/./y", "/x/y"},
                                                                  {"/x/y/../../../z", "/z"},
                                                                  {"...", "/..."},
                                                                  {"..\\..", "/..\\.."}};
  for (const auto& [path, real] : cases) EXPECT_EQ(Folder::real_path(path), real) << path;
}

TEST(Folder, RealPathIsItsOwnRealPath) {
  for (const char* path : {"", "a", "//x/./y", "../..//x/../y/", "x/..y/..", "\\"}) {
    const auto once = Folder::real_path(path);
    EXPECT_EQ(Folder::real_path(once), once) << path;
  }
}

TEST(Folder, RealPathOfADeepPathIsQuick) {
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "/x";
  for (int i = 0; i < 1000; ++i) deep += "/..";
  EXPECT_EQ(Folder::real_path(deep), "/");
}

TEST(Folder, RefusesUnsafeNames) {
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string(".hidden"),
                                  std::string("a/b"), std::string("/a"), std::string("a\\b"), std::string("a\0b", 3),
                                  std::string("a\nb"), std::string("a\x7f"), std::string(256, 'x')})
    EXPECT_FAULT(base::Fault::damaged, Folder::create({{name, 1, 1}})) << name;
  EXPECT_OK(Folder::create({{std::string(255, 'x'), 1, 1},
                            {"Gespr\xc3\xa4"
                             "ch 1.wav",
                             1, 1}}));
}

TEST(Folder, RefusesDoubledNames) {
  EXPECT_FAULT(base::Fault::damaged, Folder::create({{"a.wav", 1, 1}, {"a.wav", 2, 2}}));
  EXPECT_FAULT(base::Fault::damaged, Folder::create({{"a.wav", 1, 1}, {"A.WAV", 2, 2}}));
}

TEST(Folder, MayBeEmpty) {
  const auto folder = testkit::must(Folder::create({}));
  EXPECT_TRUE(folder.find("/")->is_folder);
  EXPECT_FALSE(folder.find("a.wav"));
}

TEST(Folder, FilesAreReadOnly) {
  const Folder folder = two_files();
  const auto file = folder.attributes(*folder.find("a.wav"));
  EXPECT_EQ(file.size, 10U);
  EXPECT_EQ(file.permissions, 0100400U);
  EXPECT_EQ(file.uid, 0U);
  EXPECT_EQ(file.gid, 0U);
  EXPECT_EQ(file.mtime, 1000U);
  EXPECT_EQ(file.atime, 1000U);
}

TEST(Folder, IsAsNewAsItsNewestFile) {
  const Folder folder = two_files();
  const auto itself = folder.attributes(*folder.find("/"));
  EXPECT_EQ(itself.permissions, 0040500U);
  EXPECT_EQ(itself.uid, 0U);
  EXPECT_EQ(itself.mtime, 3000U);
}

TEST(Folder, TimesThatDoNotFitTheWireAreClamped) {
  const auto folder =
      testkit::must(Folder::create({{"old", 1, -5}, {"late", 1, std::numeric_limits<std::int64_t>::max()}}));
  EXPECT_EQ(folder.attributes(*folder.find("old")).mtime, 0U);
  EXPECT_EQ(folder.attributes(*folder.find("late")).mtime, 0xffffffffU);
}

}  // namespace
}  // namespace sftp
