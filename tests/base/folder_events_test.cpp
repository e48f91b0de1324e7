#include "base/folder_events.h"

#include <sys/stat.h>

#include <boost/filesystem/operations.hpp>
#include <fstream>

#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_folder.h"

namespace base {
namespace {

namespace fs = boost::filesystem;
using testkit::must;

class FolderEventsTest : public ::testing::Test {
 protected:
  void SetUp() override { must(events.add(folder.path())); }

  testkit::TempFolder folder;
  FolderEvents events = must(FolderEvents::open());
};

bool tells_of(const std::vector<Path>& paths, const Path& path) {
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

TEST_F(FolderEventsTest, TellsOfFilesThatAreClosedOrMovedHere) {
  EXPECT_TRUE(events.take().files.empty());
  testkit::put_file(folder / "a.wav", as_bytes("x"));
  EXPECT_TRUE(tells_of(events.take().files, folder / "a.wav"));
  std::ofstream open((folder / "a.wav").string(), std::ios::app);
  open << "y" << std::flush;
  EXPECT_TRUE(events.take().files.empty());  // still open
  open.close();
  EXPECT_TRUE(tells_of(events.take().files, folder / "a.wav"));
  fs::rename(folder / "a.wav", folder / "b.wav");
  EXPECT_TRUE(tells_of(events.take().files, folder / "b.wav"));
  EXPECT_FALSE(events.take().lost);
}

TEST_F(FolderEventsTest, TellsOfFoldersAndFollowsOneThatIsMoved) {
  const Path first = folder / "first";
  fs::create_directory(first);
  EXPECT_TRUE(tells_of(events.take().folders, first));
  must(events.add(first));
  fs::rename(first, folder / "second");
  EXPECT_TRUE(tells_of(events.take().folders, folder / "second"));
  must(events.add(folder / "second"));
  testkit::put_file(folder / "second" / "a.wav", as_bytes("x"));
  EXPECT_TRUE(tells_of(events.take().files, folder / "second" / "a.wav"));
  fs::remove_all(folder / "second");
  (void)events.take();
  fs::create_directory(folder / "second");
  testkit::put_file(folder / "second" / "b.wav", as_bytes("x"));
  EXPECT_FALSE(tells_of(events.take().files, folder / "second" / "b.wav"));  // another folder, which nobody added
}

TEST_F(FolderEventsTest, WhatIsNoFolderIsRefused) {
  testkit::put_file(folder / "file", {});
  fs::create_directory_symlink(folder.path(), folder / "link");
  EXPECT_FAULT(Fault::not_found, events.add(folder / "missing"));
  EXPECT_FAULT(Fault::not_found, events.add(folder / "file"));
  EXPECT_FALSE(events.add(folder / "link"));
}

TEST_F(FolderEventsTest, SaysThatSomethingWasLost) {
  std::ifstream limit("/proc/sys/fs/inotify/max_queued_events");
  std::size_t most = 0;
  if (!(limit >> most) || most > 200'000)
    GTEST_SKIP() << "the kernel keeps too many events to fill its queue: " << most;
  // Two names by turns: an event that repeats the newest one is not queued.
  testkit::put_file(folder / "a", {});
  for (std::size_t i = 0; i <= most; ++i)
    fs::rename(folder / (i % 2 == 0 ? "a" : "b"), folder / (i % 2 == 0 ? "b" : "a"));
  EXPECT_TRUE(events.take().lost);
  EXPECT_FALSE(events.take().lost);
}

}  // namespace
}  // namespace base
