#include "vault/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <boost/filesystem/operations.hpp>

#include "tests/testkit/capability.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_vault.h"

namespace vault {
namespace {

namespace fs = boost::filesystem;
using base::Bytes, base::Fault, base::Path;
using testkit::must, testkit::TempVault, testkit::wav;

constexpr std::int64_t kQuiet = 5'000, kUnsure = 60'000, kSideFile = 60'000, kRescan = 60'000;

class SpoolTest : public ::testing::Test {
 protected:
  Spool& spool() {
    if (!spool_) spool_.emplace(must(Spool::open({v.sources()})));
    return *spool_;
  }
  void again() { spool_.reset(); }  // as after a restart

  // The names of the files that are ready at this time.
  std::vector<std::string> ready() {
    must(spool().look(config, now));
    std::vector<std::string> names;
    for (const auto& file : spool().ready(config, now))
      names.push_back(file.path.lexically_relative(v.sources()).string());
    return names;
  }
  std::vector<std::string> ready_after(std::int64_t ms) {
    (void)ready();
    now += ms;
    return ready();
  }

  struct Taken {
    IngestOutcome outcome;
    bool news;
  };
  // Takes in what is ready, as the command does.
  std::vector<Taken> take(bool remove = true) {
    must(spool().look(config, now));
    const auto files = spool().ready(config, now);
    IngestRequest request;
    request.klass = "customer";
    request.customer = "acme";
    request.remove_source = remove;
    request.watched = true;
    std::vector<Taken> all;
    must(ingest_files(*v, files, request, [&](const IngestOutcome& outcome) {
      all.push_back({outcome, spool().taken(files[all.size()], outcome, config, now)});
    }));
    return all;
  }
  std::vector<Taken> take_after(std::int64_t ms, bool remove = true) {
    must(spool().look(config, now));
    now += ms;
    return take(remove);
  }

  using Names = std::vector<std::string>;
  TempVault v;
  Config config;
  std::int64_t now = 1'000'000;

 private:
  std::optional<Spool> spool_;
};

TEST_F(SpoolTest, WhatIsThereAtTheStartIsReadyWhenItStaysAsItIs) {
  v.source("a.wav", wav(500, 1));
  v.source("2026/11/b.wav", wav(500, 2));
  EXPECT_EQ(ready(), Names{});
  now += kQuiet - 1;
  EXPECT_EQ(ready(), Names{});
  now += 1;
  EXPECT_EQ(ready(), (Names{"2026/11/b.wav", "a.wav"}));
}

// It would stay in the clear.
TEST_F(SpoolTest, WhatIsHeldAndCouldNotBeRemovedComesAgain) {
  const Path source = v.source("a.wav", wav(500));
  ASSERT_EQ(ready_after(kQuiet), Names{"a.wav"});
  IngestOutcome outcome;
  outcome.id = "r-0123456789abcdef";
  outcome.error = base::Error{base::Fault::failed, "it is sealed, but the source cannot be removed"};
  const SourceFile file{fs::canonical(source), fs::canonical(v.sources())};
  EXPECT_TRUE(spool().taken(file, outcome, config, now));
  EXPECT_EQ(ready(), Names{});
  now += config.ingest_rescan * 1000;
  EXPECT_EQ(ready(), Names{"a.wav"});
  EXPECT_FALSE(spool().taken(file, outcome, config, now)) << "said once";
}

TEST_F(SpoolTest, WhatComesLaterIsTold) {
  EXPECT_EQ(ready(), Names{});
  v.source("a.wav", wav(500));
  v.source("new/deep/b.wav", wav(500));  // its folders are new too
  EXPECT_EQ(ready_after(kQuiet), (Names{"a.wav", "new/deep/b.wav"}));
}

TEST_F(SpoolTest, AFileThatGrowsStartsItsTimeAnew) {
  const Path source = v.source("a.wav", wav(500));
  EXPECT_EQ(ready(), Names{});
  now += kQuiet - 1;
  testkit::put_file(source, wav(700));
  EXPECT_EQ(ready_after(1), Names{});
  EXPECT_EQ(ready_after(kQuiet - 2), Names{});
  EXPECT_EQ(ready_after(1), Names{"a.wav"});
}

// A recorder's clock may be wrong, and so may that of a file server.
TEST_F(SpoolTest, TheTimesOfFilesDoNotCount) {
  const Path future = v.source("a.wav", wav(500, 1));
  fs::last_write_time(future, v.clock.now() + 366 * 86'400);
  v.source("b.wav", wav(500, 2));
  EXPECT_EQ(ready_after(kQuiet - 1), Names{});
  const auto all = take_after(1);
  ASSERT_EQ(all.size(), 2U);
  for (const auto& one : all) EXPECT_FALSE(one.outcome.error) << one.outcome.error->what;
}

TEST_F(SpoolTest, AFileThatIsHeldOpenForAnHourWaits) {
  const Path source = v.source("a.wav", wav(500));
  const int writer = ::open(source.c_str(), O_WRONLY | O_APPEND);
  for (int minute = 0; minute < 60; ++minute) EXPECT_EQ(ready_after(60'000), Names{}) << minute;
  ::close(writer);
  EXPECT_EQ(ready_after(kQuiet), Names{"a.wav"});
}

TEST_F(SpoolTest, WhereNobodyKnowsTheWriterTheTimeIsLonger) {
  if (geteuid() != 0) GTEST_SKIP() << "not root: no file of another user can be made";
  const Path source = v.source("a.wav", wav(500));
  ASSERT_EQ(::chown(source.c_str(), 65'534, 65'534), 0);
  const testkit::WithoutCapability no_leases{CAP_LEASE};  // but of its own files
  EXPECT_EQ(ready_after(kUnsure - 1), Names{});
  EXPECT_EQ(ready_after(1), Names{"a.wav"});
  const auto all = take_after(kQuiet);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_FALSE(all[0].outcome.error) << all[0].outcome.error->what;
}

TEST_F(SpoolTest, TemporaryNamesWaitForTheirRename) {
  for (const char* name : {"a.wav.part", "b.wav.filepart", "c.tmp", ".d.wav", ".hidden/e.wav", "f.wav.a1b2.partial",
                           "g.wav.PART", "later.Tmp/h.wav"})
    v.source(name, wav(500));
  EXPECT_EQ(ready_after(10 * kRescan), Names{});
  fs::rename(v.sources() / "a.wav.part", v.sources() / "a.wav");
  fs::rename(v.sources() / ".d.wav", v.sources() / "d.wav");
  fs::rename(v.sources() / "f.wav.a1b2.partial", v.sources() / "f.wav");
  EXPECT_EQ(ready_after(kQuiet), (Names{"a.wav", "d.wav", "f.wav"}));
}

TEST_F(SpoolTest, AFolderThatIsMovedHereIsLookedAt) {
  const Path outside = v.source("../elsewhere/x/a.wav", wav(500)).parent_path();
  EXPECT_EQ(ready(), Names{});
  fs::rename(outside, v.sources() / "x");
  EXPECT_EQ(ready_after(kQuiet), Names{"x/a.wav"});
  fs::rename(v.sources() / "x", v.sources() / "y");
  EXPECT_EQ(ready_after(kQuiet), (Names{"x/a.wav", "y/a.wav"}));  // ingest says that the first is gone
}

TEST_F(SpoolTest, WhatTheKernelDidNotTellIsFoundByTheNextScan) {
  EXPECT_EQ(ready(), Names{});
  v.source("a.wav", wav(500));
  std::array<char, 4096> events{};
  ASSERT_GT(::read(spool().descriptor(), events.data(), events.size()), 0);  // as if another host had made it
  EXPECT_EQ(ready_after(kRescan - 1), Names{});
  now += 1;
  EXPECT_EQ(ready_after(kQuiet), Names{"a.wav"});
}

// The side file

constexpr const char* kText = "[message]\norigmailbox=1001\ncallerid=\"J\" <01632960007>\norigtime=1795300000\n";

TEST_F(SpoolTest, AVoicemailWaitsForItsSideFileAndTakesItIn) {
  const Path sound = v.source("default/1001/INBOX/msg0000.wav", wav(500));
  EXPECT_EQ(ready_after(kSideFile - 1'000), Names{});
  const Path text = v.source("default/1001/INBOX/msg0000.txt", base::as_bytes(kText));
  const auto all = take_after(kQuiet);
  ASSERT_EQ(all.size(), 1U);
  ASSERT_FALSE(all[0].outcome.error) << all[0].outcome.error->what;
  EXPECT_FALSE(base::exists(sound));
  EXPECT_FALSE(base::exists(text));
  EXPECT_EQ(must(v->catalog().recording(all[0].outcome.id)).columns.call_time, 1795300000);
}

TEST_F(SpoolTest, WithoutASideFileItGoesInAfterAWhile) {
  v.source("default/1001/INBOX/msg0000.wav", wav(500));
  EXPECT_EQ(ready_after(kSideFile - 1), Names{});
  EXPECT_EQ(ready_after(1), Names{"default/1001/INBOX/msg0000.wav"});
}

TEST_F(SpoolTest, ASideFileWaitsForItsVoicemailToo) {
  const Path text = v.source("default/1001/INBOX/msg0000.txt", base::as_bytes(kText));
  EXPECT_EQ(ready_after(kSideFile - 1'000), Names{});
  v.source("default/1001/INBOX/msg0000.wav", wav(500));
  const auto all = take_after(kQuiet);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].outcome.name, "msg0000.wav");
  EXPECT_FALSE(base::exists(text));
}

TEST_F(SpoolTest, ASideFileThatNothingBelongsToIsQuarantinedAndNotLost) {
  const Path text = v.source("default/1001/INBOX/msg0000.txt", base::as_bytes(kText));
  const auto all = take_after(kSideFile);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].outcome.quarantined);
  EXPECT_TRUE(base::exists(text));
}

TEST_F(SpoolTest, AVoicemailInTwoFormatsKeepsItsSideFileUntilTheLast) {
  v.source("default/1001/INBOX/msg0000.wav", wav(500));
  v.source("default/1001/INBOX/msg0000.gsm", testkit::pattern(300));
  const Path text = v.source("default/1001/INBOX/msg0000.txt", base::as_bytes(kText));
  const auto all = take_after(kQuiet);
  ASSERT_EQ(all.size(), 2U);
  for (const auto& one : all) {
    ASSERT_FALSE(one.outcome.error) << one.outcome.error->what;
    EXPECT_EQ(must(v->catalog().recording(one.outcome.id)).columns.call_time, 1795300000);
  }
  EXPECT_FALSE(base::exists(text));
  EXPECT_TRUE(fs::is_empty(text.parent_path()));
}

TEST_F(SpoolTest, ASideFileThatIsBeingWrittenKeepsItsVoicemailWaiting) {
  const Path sound = v.source("default/1001/INBOX/msg0000.wav", wav(500));
  const Path text = v.source("default/1001/INBOX/msg0000.txt", base::as_bytes(kText));
  const int writer = ::open(text.c_str(), O_WRONLY | O_APPEND);
  auto all = take_after(kQuiet);
  ASSERT_EQ(all.size(), 1U);
  ASSERT_TRUE(all[0].outcome.error);
  EXPECT_EQ(all[0].outcome.error->fault, Fault::busy);
  EXPECT_FALSE(all[0].news);
  EXPECT_TRUE(base::exists(sound));
  ::close(writer);
  all = take_after(kQuiet);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_FALSE(all[0].outcome.error);
}

// What became of it

TEST_F(SpoolTest, AQuarantinedFileIsToldOnceAndStays) {
  const Path source = v.source("cut.wav", testkit::pattern(0));
  auto all = take_after(kQuiet);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].outcome.quarantined);
  EXPECT_TRUE(all[0].news);
  for (int scan = 0; scan < 5; ++scan) EXPECT_TRUE(take_after(kRescan).empty());
  EXPECT_TRUE(base::exists(source));
  // Another file of the same name is another one.
  v.source("cut.wav", wav(500));
  all = take_after(kQuiet);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_FALSE(all[0].outcome.error);
  EXPECT_FALSE(base::exists(source));
  EXPECT_EQ(v.sql("SELECT count(*) FROM recording"), "2");
}

TEST_F(SpoolTest, WhatCannotBeReadIsToldOnceAndTriedAgain) {
  const Path real = v.source("../real.wav", wav(500));
  const Path link = v.sources() / "link.wav";
  fs::create_symlink(real, link);
  auto all = take_after(kQuiet);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].outcome.error && all[0].news);
  all = take_after(kRescan);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].outcome.error && !all[0].news);
  fs::remove(link);
  fs::copy_file(real, link);
  fs::last_write_time(link, v.clock.now() - 60);
  all = take_after(kRescan);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_FALSE(all[0].outcome.error);
}

TEST_F(SpoolTest, WhatTheVaultCannotTakeNowComesAgainAndIsNoNews) {
  v.source("a.wav", wav(500));
  v.sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END");
  auto all = take_after(kQuiet);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].outcome.vault_failed);
  EXPECT_FALSE(all[0].news);
  v.sql("DROP TRIGGER full");
  all = take_after(kQuiet);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_FALSE(all[0].outcome.error);
  EXPECT_EQ(spool().waiting(), 0U);
  EXPECT_EQ(v.damage(), "");
}

TEST_F(SpoolTest, FilesThatAreKeptAreTakenInOnce) {
  const Path source = v.source("a.wav", wav(500));
  ASSERT_EQ(take_after(kQuiet, false).size(), 1U);
  for (int scan = 0; scan < 3; ++scan) EXPECT_TRUE(take_after(kRescan, false).empty());
  again();
  const auto all = take_after(kQuiet, false);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].outcome.duplicate);
  EXPECT_TRUE(base::exists(source));
  EXPECT_EQ(v.sql("SELECT count(*) FROM recording"), "1");
}

TEST_F(SpoolTest, ManyFilesComeInBatches) {
  const std::size_t count = 2 * kBatchFiles + 10;
  for (unsigned i = 0; i < count; ++i) v.source("f" + std::to_string(i) + ".wav", wav(100, i));
  must(spool().look(config, now));
  now += kQuiet;
  std::vector<std::size_t> sizes;
  for (auto all = take(); !all.empty(); all = take()) sizes.push_back(all.size());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{kBatchFiles, kBatchFiles, 10}));
  EXPECT_TRUE(fs::is_empty(v.sources()));
  EXPECT_EQ(v.sql("SELECT count(*) FROM recording WHERE state = 'sealed'"), std::to_string(count));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(SpoolTest, FoldersThatAreNotThereOrLieInEachOtherAreRefused) {
  v.source("in/a.wav", wav(500));
  EXPECT_FAULT(Fault::not_found, Spool::open({v.sources() / "missing"}));
  EXPECT_FAULT(Fault::not_found, Spool::open({v.sources() / "in" / "a.wav"}));
  EXPECT_FAULT(Fault::usage, Spool::open({v.sources(), v.sources() / "in"}));
  EXPECT_FAULT(Fault::usage, Spool::open({v.sources() / "in", v.sources() / "in" / "."}));
}

TEST_F(SpoolTest, AFolderThatGoesAwayIsSaidAndLookedForAgain) {
  EXPECT_EQ(ready(), Names{});
  const Path away = v.sources().parent_path() / "away";
  fs::rename(v.sources(), away);
  now += kRescan;
  EXPECT_FAULT(Fault::not_found, spool().look(config, now));
  fs::rename(away, v.sources());
  now += kRescan;
  EXPECT_OK(spool().look(config, now));
  v.source("a.wav", wav(500));
  EXPECT_EQ(ready_after(kQuiet), Names{"a.wav"});
}

}  // namespace
}  // namespace vault
