#include "base/files.h"

#include <sys/stat.h>

#include <array>
#include <boost/filesystem/operations.hpp>
#include <string>

#include "base/clock.h"
#include "base/secret.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/faulty_files.h"
#include "tests/testkit/temp_folder.h"

namespace base {
namespace {

namespace fs = boost::filesystem;
using testkit::FaultyFiles, testkit::must, testkit::TempFolder;
using Loss = FaultyFiles::Loss;

unsigned mode_of(const Path& path) {
  struct stat st {};
  EXPECT_EQ(::lstat(path.c_str(), &st), 0);
  return st.st_mode & 07777U;
}

std::string text_of(const Path& path) { return to_text(must(read_file(path, 1 << 20))); }

class FilesTest : public ::testing::Test {
 protected:
  void make(const char* name, std::string_view text) { must(files.create_whole(temp / name, as_bytes(text))); }
  TempFolder temp;
  Files& files = system_files();
};

TEST_F(FilesTest, CreateIsExclusiveAndPrivate) {
  const auto fd = files.create(temp / "a");
  ASSERT_OK(fd);
  EXPECT_EQ(mode_of(temp / "a"), 0600U);
  EXPECT_FAULT(Fault::failed, files.create(temp / "a"));
  fs::create_symlink(temp / "target", temp / "link");
  EXPECT_FAULT(Fault::failed, files.create(temp / "link"));
  EXPECT_FALSE(base::exists(temp / "target")) << "nothing is made through a link";
  EXPECT_FAULT(Fault::not_found, files.create(temp.path() / "no" / "a"));
}

TEST_F(FilesTest, AppendAddsAtTheEnd) {
  const auto fd = must(files.create(temp / "a"));
  EXPECT_OK(files.append(fd.get(), as_bytes("one")));
  EXPECT_OK(files.append(fd.get(), {}));
  EXPECT_OK(files.append(fd.get(), as_bytes("two")));
  EXPECT_OK(files.sync(fd.get()));
  EXPECT_EQ(text_of(temp / "a"), "onetwo");
  EXPECT_FAULT(Fault::failed, files.append(-1, as_bytes("x")));
}

TEST_F(FilesTest, WriteAtChangesOnlyItsRange) {
  make("a", "0123456789");
  EXPECT_OK(files.write_at(temp / "a", 3, as_bytes("xyz")));
  EXPECT_EQ(text_of(temp / "a"), "012xyz6789");
  EXPECT_FAULT(Fault::not_found, files.write_at(temp / "none", 0, as_bytes("x")));
  EXPECT_FALSE(base::exists(temp / "none"));
  fs::create_symlink(temp / "a", temp / "link");
  EXPECT_FAULT(Fault::failed, files.write_at(temp / "link", 0, as_bytes("x")));
  EXPECT_EQ(text_of(temp / "a"), "012xyz6789");
}

TEST_F(FilesTest, RenameReplacesAndRenameNewDoesNot) {
  make("a", "a");
  make("b", "b");
  EXPECT_FAULT(Fault::failed, files.rename_new(temp / "a", temp / "b"));
  EXPECT_EQ(text_of(temp / "b"), "b");
  EXPECT_OK(files.rename_new(temp / "a", temp / "c"));
  EXPECT_OK(files.rename(temp / "c", temp / "b"));
  EXPECT_EQ(text_of(temp / "b"), "a");
  EXPECT_EQ(must(list_folder(temp.path())), std::vector<std::string>{"b"});
  EXPECT_FAULT(Fault::not_found, files.rename(temp / "none", temp / "b"));
}

TEST_F(FilesTest, RemoveOfNothingIsFine) {
  make("a", "a");
  EXPECT_OK(files.remove(temp / "a"));
  EXPECT_OK(files.remove(temp / "a"));
  EXPECT_FALSE(base::exists(temp / "a"));
}

TEST_F(FilesTest, MakeFolderIsPrivateAndMayExist) {
  EXPECT_OK(files.make_folder(temp / "f"));
  EXPECT_OK(files.make_folder(temp / "f"));
  EXPECT_EQ(mode_of(temp / "f"), 0700U);
  make("a", "a");
  EXPECT_FALSE(files.make_folder(temp / "a")) << "a file is no folder";
  EXPECT_FAULT(Fault::not_found, files.make_folder(temp.path() / "no" / "f"));
}

TEST_F(FilesTest, OpenToReadTakesRegularFilesOnly) {
  make("a", "a");
  EXPECT_OK(open_to_read(temp / "a"));
  EXPECT_FAULT(Fault::not_found, open_to_read(temp / "none"));
  EXPECT_FAULT(Fault::damaged, open_to_read(temp.path()));
  fs::create_symlink(temp / "a", temp / "link");
  EXPECT_FAULT(Fault::damaged, open_to_read(temp / "link"));
  ASSERT_EQ(::mkfifo((temp / "fifo").c_str(), 0600), 0);
  EXPECT_FAULT(Fault::damaged, open_to_read(temp / "fifo")) << "and it does not wait for a writer";
}

TEST_F(FilesTest, ReadAtIsShortOnlyAtTheEnd) {
  make("a", "0123456789");
  const auto fd = must(open_to_read(temp / "a"));
  std::array<std::byte, 4> out{};
  EXPECT_EQ(must(read_at(fd.get(), 0, out)), 4U);
  EXPECT_EQ(must(read_at(fd.get(), 8, out)), 2U);
  EXPECT_EQ(as_text(ByteView(out).first(2)), "89");
  EXPECT_EQ(must(read_at(fd.get(), 10, out)), 0U);
  EXPECT_EQ(must(read_at(fd.get(), 99, out)), 0U);
  EXPECT_FAULT(Fault::failed, read_at(-1, 0, out));
  EXPECT_EQ(must(info(fd.get())).size, 10U);
}

TEST_F(FilesTest, ReadFileKeepsToItsMaximum) {
  for (const std::size_t size : {0U, 1U, 65535U, 65536U, 65537U, 65538U, 200000U}) {
    const Bytes content = random_bytes(size);
    const std::string name = std::to_string(size);
    must(files.create_whole(temp.path() / name, content));
    EXPECT_EQ(must(read_file(temp.path() / name, size)), content) << size;
    EXPECT_EQ(must(read_file(temp.path() / name, size + 1)), content) << size;
    EXPECT_EQ(must(read_file(temp.path() / name, 1 << 20)), content) << size;
    if (size > 0) {
      EXPECT_FAULT(Fault::damaged, read_file(temp.path() / name, size - 1)) << size;
    }
  }
  EXPECT_FAULT(Fault::not_found, read_file(temp / "none", 10));
}

TEST_F(FilesTest, ListFolderIsSorted) {
  for (const char* name : {"b", "a", ".hidden", "c"}) make(name, "");
  EXPECT_EQ(must(list_folder(temp.path())), (std::vector<std::string>{".hidden", "a", "b", "c"}));
  EXPECT_FAULT(Fault::not_found, list_folder(temp / "none"));
}

TEST_F(FilesTest, ALockIsHeldByOneAndGivenBack) {
  {
    const auto first = FileLock::take(temp / "lock", 0);
    ASSERT_OK(first);
    const auto start = monotonic_ms();
    EXPECT_FAULT(Fault::busy, FileLock::take(temp / "lock", 50));
    EXPECT_GE(monotonic_ms() - start, 50);
    EXPECT_OK(FileLock::take(temp / "other", 0));
  }
  EXPECT_OK(FileLock::take(temp / "lock", 0));
}

TEST_F(FilesTest, FdMovesAndCloses) {
  Fd a = must(files.create(temp / "a"));
  const int number = a.get();
  Fd b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): that is the claim
  EXPECT_EQ(b.get(), number);
  b = Fd();
  EXPECT_FAULT(Fault::failed, info(number));
}

TEST_F(FilesTest, OverwritesInPlaceKnowsTmpfs) {
  std::string kind;
  if (base::exists("/dev/shm")) {
    EXPECT_FALSE(overwrites_in_place("/dev/shm", kind));
    EXPECT_EQ(kind, "tmpfs");
  }
  EXPECT_FALSE(overwrites_in_place(temp / "none", kind));
  EXPECT_EQ(kind, "unknown");
}

// ---- replace_whole ----

TEST_F(FilesTest, ReplaceWholeMakesOrReplaces) {
  EXPECT_OK(files.replace_whole(temp / "a", as_bytes("one")));
  EXPECT_OK(files.replace_whole(temp / "a", as_bytes("two")));
  EXPECT_EQ(text_of(temp / "a"), "two");
  EXPECT_EQ(mode_of(temp / "a"), 0600U);
  EXPECT_EQ(must(list_folder(temp.path())), std::vector<std::string>{"a"});
}

TEST(FilesFault, ReplaceWholeLeavesTheOldOrTheNewFileWhole) {
  for (const Loss loss : {Loss::unsynced_is_lost, Loss::all_is_kept}) {
    for (int k = 0, finished = 0; finished == 0; ++k) {
      SCOPED_TRACE(k);
      const TempFolder temp;
      must(system_files().replace_whole(temp / "a", as_bytes("the old content")));
      FaultyFiles files(k, loss);
      const auto replaced = files.replace_whole(temp / "a", as_bytes("the new, longer content"));
      finished = files.reached() ? 0 : 1;
      EXPECT_EQ(static_cast<bool>(replaced), finished == 1);
      const std::string now = text_of(temp / "a");
      EXPECT_TRUE(now == "the old content" || now == "the new, longer content") << now;
      if (replaced) {
        EXPECT_EQ(now, "the new, longer content");
      }
      EXPECT_OK(system_files().replace_whole(temp / "a", as_bytes("again"))) << "what a crash left is no obstacle";
      EXPECT_EQ(text_of(temp / "a"), "again");
      EXPECT_EQ(must(list_folder(temp.path())), std::vector<std::string>{"a"});
    }
  }
}

TEST(FilesFault, AFirstReplaceWholeLeavesNothingOrAll) {
  for (int k = 0, finished = 0; finished == 0; ++k) {
    const TempFolder temp;
    FaultyFiles files(k);
    const auto made = files.replace_whole(temp / "a", as_bytes("content"));
    finished = files.reached() ? 0 : 1;
    EXPECT_EQ(static_cast<bool>(made), finished == 1);
    if (base::exists(temp / "a")) {
      EXPECT_EQ(text_of(temp / "a"), "content") << k;
    }
  }
}

// ---- the test tool itself: a power cut takes what was not synced ----

TEST(FaultyFilesTest, UnsyncedBytesAreCut) {
  const TempFolder temp;
  FaultyFiles files(6);
  {
    const Fd fd = must(files.create(temp / "a"));
    must(files.append(fd.get(), as_bytes("synced")));
    must(files.sync(fd.get()));
    must(files.sync_folder(temp.path()));
    must(files.append(fd.get(), as_bytes(", lost")));
    must(files.append(fd.get(), as_bytes(", lost too")));
  }
  EXPECT_FALSE(files.reached());
  EXPECT_FAULT(Fault::failed, files.remove(temp / "a"));
  EXPECT_TRUE(files.reached());
  EXPECT_EQ(text_of(temp / "a"), "synced");
}

TEST(FaultyFilesTest, UnsyncedNamesAreUndone) {
  const TempFolder temp;
  for (const char* name : {"removed", "from", "over", "to", "kept"}) {
    must(system_files().create_whole(temp / name, as_bytes(name)));
  }
  FaultyFiles files(7);
  must(files.remove(temp / "kept"));
  must(files.sync_folder(temp.path()));
  must(files.create(temp / "created"));
  must(files.remove(temp / "removed"));
  must(files.rename(temp / "over", temp / "to"));
  must(files.rename_new(temp / "from", temp / "moved"));
  must(files.make_folder(temp / "folder"));
  EXPECT_FAULT(Fault::failed, files.sync_folder(temp.path()));
  EXPECT_EQ(must(list_folder(temp.path())), (std::vector<std::string>{"from", "over", "removed", "to"}));
  for (const char* name : {"from", "over", "removed", "to"}) EXPECT_EQ(text_of(temp / name), name);
}

TEST(FaultyFilesTest, SyncedNamesStay) {
  const TempFolder temp;
  FaultyFiles files(2);
  must(files.create(temp / "a"));
  must(files.sync_folder(temp.path()));
  EXPECT_FAULT(Fault::failed, files.sync_folder(temp.path()));
  EXPECT_TRUE(base::exists(temp / "a"));
}

TEST(FaultyFilesTest, WhatIsSyncedTogetherStaysAndTheRestGoes) {
  const TempFolder temp;
  for (const char* folder : {"here", "there"}) must(system_files().make_folder(temp / folder));
  FaultyFiles files(7);
  std::vector<Fd> fds;
  for (const char* name : {"here/a", "here/b", "there/c"}) {
    fds.push_back(must(files.create(temp / name)));
    must(files.append(fds.back().get(), as_bytes(name)));
  }
  must(files.sync_together(std::vector{fds[0].get(), fds[1].get()}, {temp / "here"}));
  EXPECT_FAULT(Fault::failed, files.sync(fds[2].get()));
  for (const char* name : {"here/a", "here/b"}) EXPECT_EQ(text_of(temp / name), name);
  EXPECT_FALSE(base::exists(temp / "there/c"));
}

TEST(FaultyFilesTest, AFileRenamedBeforeItsDataIsSyncedIsCut) {
  const TempFolder temp;
  FaultyFiles files(4);
  const Fd fd = must(files.create(temp / "a.new"));
  must(files.append(fd.get(), as_bytes("never synced")));
  must(files.rename(temp / "a.new", temp / "a"));
  must(files.sync_folder(temp.path()));
  EXPECT_FAULT(Fault::failed, files.sync(fd.get()));
  EXPECT_EQ(text_of(temp / "a"), "");
}

TEST(FaultyFilesTest, AFailingWriteInPlaceIsTorn) {
  const TempFolder temp;
  must(system_files().create_whole(temp / "a", as_bytes("........")));
  FaultyFiles files(0);
  EXPECT_FAULT(Fault::failed, files.write_at(temp / "a", 0, as_bytes("xxxxxxxx")));
  EXPECT_FAULT(Fault::failed, files.write_at(temp / "a", 0, as_bytes("yyyyyyyy")));
  EXPECT_EQ(text_of(temp / "a"), "xxxx....");
}

TEST(FaultyFilesTest, AKilledProcessLosesNothing) {
  const TempFolder temp;
  FaultyFiles files(2, Loss::all_is_kept);
  const Fd fd = must(files.create(temp / "a"));
  must(files.append(fd.get(), as_bytes("kept")));
  EXPECT_FAULT(Fault::failed, files.append(fd.get(), as_bytes("half")));
  EXPECT_EQ(text_of(temp / "a"), "keptha");
  EXPECT_EQ(files.calls(), 3);
}

}  // namespace
}  // namespace base
