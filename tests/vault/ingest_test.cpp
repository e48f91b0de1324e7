#include "vault/ingest.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/filesystem/operations.hpp>
#include <csignal>
#include <fstream>
#include <functional>

#include "keys/kdf.h"
#include "tests/testkit/capability.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/faulty_files.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_vault.h"
#include "vault/customer.h"
#include "vault/erase.h"
#include "vault/open_recording.h"

namespace vault {
namespace {

namespace fs = boost::filesystem;
using base::Bytes, base::Fault, base::Path;
using testkit::FaultyFiles, testkit::must, testkit::TempVault, testkit::wav;
using Loss = FaultyFiles::Loss;

IngestRequest for_acme() {
  IngestRequest request;
  request.klass = "customer";
  request.customer = "acme";
  return request;
}

std::vector<IngestOutcome> ingest_all(Vault& vault, const std::vector<Path>& sources,
                                      const IngestRequest& request = for_acme()) {
  std::vector<IngestOutcome> out;
  must(ingest(vault, sources, request, [&](const IngestOutcome& outcome) { out.push_back(outcome); }));
  return out;
}

IngestOutcome ingest_one(TempVault& v, const Path& source, const IngestRequest& request = for_acme()) {
  const auto all = ingest_all(*v, {source}, request);
  EXPECT_EQ(all.size(), 1U);
  return all.front();
}

Metadata metadata_of(TempVault& v, const std::string& id) {
  return must(open_recording(*v, id, v.it_manager())).metadata;
}

bool refused_as(const IngestOutcome& outcome, Fault fault) {
  return outcome.id.empty() && outcome.error && outcome.error->fault == fault;
}

std::size_t objects(TempVault& v) { return must(v->store().ids()).size(); }

// The system's calls; `before` runs before each one that appends, commits objects or removes.
class HookedFiles final : public base::Files {
 public:
  using Hook = std::function<void(const std::string& call)>;
  explicit HookedFiles(Hook before) : before_(std::move(before)) {}
  base::Result<base::Fd> create(const Path& path) override { return real_.create(path); }
  base::Result<void> append(int fd, base::ByteView bytes) override {
    return before_("append"), real_.append(fd, bytes);
  }
  base::Result<void> write_at(const Path& path, std::uint64_t offset, base::ByteView bytes) override {
    return real_.write_at(path, offset, bytes);
  }
  base::Result<void> sync(int fd) override { return real_.sync(fd); }
  base::Result<void> sync_folder(const Path& folder) override { return real_.sync_folder(folder); }
  base::Result<void> sync_together(std::span<const int> fds, const std::set<Path>& folders) override {
    return before_("commit"), real_.sync_together(fds, folders);
  }
  base::Result<void> rename(const Path& from, const Path& to) override { return real_.rename(from, to); }
  base::Result<void> rename_new(const Path& from, const Path& to) override { return real_.rename_new(from, to); }
  base::Result<void> remove(const Path& path) override { return before_("remove"), real_.remove(path); }
  base::Result<void> make_folder(const Path& path) override { return real_.make_folder(path); }

 private:
  base::Files& real_ = base::system_files();
  Hook before_;
};

// Faults

class IngestFault : public ::testing::TestWithParam<std::tuple<Loss, bool>> {};
INSTANTIATE_TEST_SUITE_P(LossAndRemoval, IngestFault,
                         ::testing::Combine(::testing::Values(Loss::unsynced_is_lost, Loss::all_is_kept),
                                            ::testing::Bool()));

TEST_P(IngestFault, EveryInterruptionLeavesItSealedOrNotThere) {
  TempVault v;
  const auto neighbour = v.recording(1);
  const auto saved = v.save();
  const Bytes audio = wav(150'000, 2);
  auto request = for_acme();
  request.remove_source = std::get<bool>(GetParam());
  bool finished = false;
  for (std::int64_t k = 0; !finished; ++k) {
    SCOPED_TRACE("cut at call " + std::to_string(k));
    v.put_back(saved);
    const Path source = v.source("call.wav", audio);
    {
      FaultyFiles files(k, std::get<Loss>(GetParam()));
      auto cut = v.try_open(files);
      if (cut) {
        const auto ended = ingest(*cut, {source}, request, [&](const IngestOutcome& outcome) {
          EXPECT_EQ(outcome.error.has_value(), files.reached());
        });
        EXPECT_OK(ended);  // one file that cannot be taken in does not end the others
      }
      finished = !files.reached();
    }
    must(drop_unfinished(*v));
    const auto ids = v.sql("SELECT id FROM recording WHERE state = 'sealed' AND id <> '" + neighbour + "'");
    if (ids.empty()) {
      EXPECT_EQ(must(base::read_file(source, 1 << 20)), audio);  // nothing was taken in: the source is there
      EXPECT_EQ(v.sql("SELECT count(*) FROM recording"), "1");
      EXPECT_EQ(objects(v), 1U);
    } else {
      EXPECT_EQ(must(v.read(ids, v.it_manager())), audio);
      EXPECT_EQ(must(v.read(ids, v.recovery())), audio);
    }
    EXPECT_TRUE(v.whole(neighbour));
    EXPECT_EQ(v.damage(), "");
    if (base::exists(source)) {  // once more: taken in now, or known already
      const auto again = ingest_one(v, source);
      EXPECT_FALSE(again.error) << again.error->what;
      EXPECT_EQ(again.duplicate, !ids.empty());
      EXPECT_TRUE(v.whole(again.id));
    }
    if (HasFailure()) return;
    ASSERT_LT(k, 500);
  }
  EXPECT_EQ(base::exists(v.sources() / "call.wav"), !request.remove_source);
}

// Files that share a transaction: none is lost, none is there twice, whatever call fails.
TEST_P(IngestFault, EveryInterruptionOfABatchLeavesEachFileOnce) {
  TempVault v;
  const auto saved = v.save();
  const std::vector<Bytes> audio{wav(70'000, 1), wav(500, 2), wav(500, 3)};
  auto request = for_acme();
  request.remove_source = std::get<bool>(GetParam());
  bool finished = false;
  for (std::int64_t k = 0; !finished; ++k) {
    SCOPED_TRACE("cut at call " + std::to_string(k));
    v.put_back(saved);
    for (std::size_t i = 0; i < audio.size(); ++i) v.source("in/" + std::to_string(i) + ".wav", audio[i]);
    {
      FaultyFiles files(k, std::get<Loss>(GetParam()));
      auto cut = v.try_open(files);
      std::size_t told = 0;
      if (cut)
        must(ingest(*cut, {v.sources() / "in"}, request, [&](const IngestOutcome& outcome) {
          ++told;
          EXPECT_FALSE(outcome.error && !files.reached());
        }));
      EXPECT_TRUE(!cut || told == audio.size());
      finished = !files.reached();
    }
    // A removal that was lost gives a file of now.
    for (const auto& file : fs::directory_iterator(v.sources() / "in")) fs::last_write_time(file, v.clock.now() - 60);
    request.remove_source = true;
    for (const auto& outcome : ingest_all(*v, {v.sources() / "in"}, request))
      EXPECT_FALSE(outcome.error) << outcome.error->what;
    request.remove_source = std::get<bool>(GetParam());
    EXPECT_TRUE(fs::is_empty(v.sources() / "in"));
    std::vector<Bytes> held;
    for (const auto& row : must(v->catalog().recordings({})))
      held.push_back(must(v.read(row.columns.recording, v.it_manager())));
    EXPECT_TRUE(std::ranges::is_permutation(held, audio)) << held.size() << " are held";
    EXPECT_EQ(objects(v), audio.size());
    EXPECT_EQ(v.damage(), "");
    if (HasFailure()) return;
    ASSERT_LT(k, 500);
  }
}

// A full disk: no file may grow beyond a limit, the catalogue's included.
TEST(Ingest, OnAFullDiskIsWholeOrNotThere) {
  TempVault v;
  v.recording(1);
  const auto saved = v.save();
  const Bytes audio = wav(200'000, 2);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  int failed = 0;
  int done = 0;
  for (rlim_t most = 4096; most <= 262'144; most += 12'000) {
    SCOPED_TRACE(most);
    v.put_back(saved);
    const Path source = v.source("call.wav", audio);
    (void)*v;
    const rlimit limit{most, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    auto request = for_acme();
    request.remove_source = true;
    const auto outcome = ingest_file(*v, source, {}, request);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    v.reopen();
    must(drop_unfinished(*v));
    if (outcome.error) {
      ++failed;
      EXPECT_EQ(must(base::read_file(source, 1 << 20)), audio);
      EXPECT_EQ(v.sql("SELECT count(*) FROM recording"), "1");
    } else {
      ++done;
      EXPECT_EQ(must(v.read(outcome.id, v.it_manager())), audio);
    }
    EXPECT_EQ(v.damage(), "");
  }
  std::signal(SIGXFSZ, old_handler);
  EXPECT_GT(failed, 5);
  EXPECT_GT(done, 0);
}

// How much memory this process has locked.
std::size_t locked_now() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmLck:")) return std::stoul(line.substr(6)) * 1024;
  std::abort();
}

// Locks at most `more` than what is locked now; root, too.
class LittleLockedMemory {
 public:
  explicit LittleLockedMemory(std::size_t more) {
    if (::getrlimit(RLIMIT_MEMLOCK, &before_) != 0) std::abort();
    const rlimit limit{locked_now() + more, before_.rlim_max};
    if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) std::abort();
  }
  ~LittleLockedMemory() {
    if (::setrlimit(RLIMIT_MEMLOCK, &before_) != 0) std::abort();
  }
  LittleLockedMemory(const LittleLockedMemory&) = delete;
  LittleLockedMemory& operator=(const LittleLockedMemory&) = delete;

 private:
  const testkit::WithoutCapability bound_{CAP_IPC_LOCK};
  rlimit before_{};
};

// Small secrets lie in pages of 1024. Few are left: the keys of a batch need another page.
std::vector<base::SecretBytes> take_small_secrets() {
  std::vector<base::SecretBytes> taken;
  const LittleLockedMemory nothing(0);
  while (auto secret = base::SecretBytes::zeros(32)) taken.push_back(std::move(*secret));
  taken.resize(taken.size() - std::min<std::size_t>(taken.size(), 24));
  return taken;
}

// Each core takes a locked buffer. A core that gets none leaves its files to the others.
TEST(Ingest, WhereLockedMemoryIsShortFewerCoresSealAndNothingFails) {
#ifdef CALLVAULT_SANITIZED
  GTEST_SKIP() << "SKIPPED: with sanitizers nothing is locked";
#endif
  TempVault v;
  v.recording(1);  // what is locked once and kept
  unsigned seed = 1;
  for (const std::size_t more : {400U, 500U, 540U, 580U, 620U, 660U, 700U, 800U}) {
    SCOPED_TRACE(more);
    const auto taken = take_small_secrets();
    const std::string in = "in-" + std::to_string(more);
    for (int i = 0; i < 16; ++i) v.source(in + "/" + std::to_string(i) + ".wav", wav(300'000, ++seed));
    const LittleLockedMemory little(more * 1024);
    for (const auto& outcome : ingest_all(*v, {v.sources() / in})) EXPECT_FALSE(outcome.error) << outcome.error->what;
  }
  EXPECT_EQ(v.damage(), "");
}

TEST(Ingest, WithoutLockedMemoryNothingIsTakenInAndTheVaultIsToBlame) {
#ifdef CALLVAULT_SANITIZED
  GTEST_SKIP() << "SKIPPED: with sanitizers nothing is locked";
#endif
  TempVault v;
  v.recording(1);
  for (unsigned i = 0; i < 4; ++i) v.source("in/" + std::to_string(i) + ".wav", wav(3000, 2 + i));
  {
    const LittleLockedMemory little(std::size_t{100} * 1024);
    const auto all = ingest_all(*v, {v.sources() / "in"});
    EXPECT_EQ(all.size(), 4U);
    for (const auto& outcome : all) {
      ASSERT_TRUE(refused_as(outcome, Fault::failed));
      EXPECT_NE(outcome.error->what.find("no locked memory left"), std::string::npos) << outcome.error->what;
      EXPECT_TRUE(outcome.vault_failed);
    }
  }
  EXPECT_EQ(objects(v), 1U);
  for (const auto& outcome : ingest_all(*v, {v.sources() / "in"})) EXPECT_FALSE(outcome.error) << outcome.error->what;
  EXPECT_EQ(v.damage(), "");
}

TEST(Ingest, ThatCannotBeLoggedIsNoIngest) {
  TempVault v;
  const Path source = v.source("call.wav", wav(3000));
  v.sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END");
  auto request = for_acme();
  request.remove_source = true;
  EXPECT_TRUE(refused_as(ingest_one(v, source, request), Fault::failed));
  EXPECT_TRUE(base::exists(source));
  EXPECT_EQ(objects(v), 0U);
  v.sql("DROP TRIGGER full");
  EXPECT_FALSE(ingest_one(v, source, request).error);
  EXPECT_FALSE(base::exists(source));
}

// Sources that are not at rest

TEST(Ingest, AFileThatGrowsWhileItIsReadIsLeftForLater) {
  TempVault v;
  const Path source = v.source("call.wav", wav(300'000));
  HookedFiles files([&, grown = false](const std::string& call) mutable {
    if (call != "append" || grown) return;
    grown = true;
    const int fd = ::open(source.c_str(), O_WRONLY | O_APPEND);
    EXPECT_EQ(::write(fd, "more", 4), 4);
    ::close(fd);
  });
  v.reopen(files);
  auto request = for_acme();
  request.remove_source = true;
  EXPECT_TRUE(refused_as(ingest_one(v, source, request), Fault::busy));
  EXPECT_EQ(fs::file_size(source), 300'048U);
  EXPECT_EQ(objects(v), 0U);
  EXPECT_EQ(v.sql("SELECT count(*) FROM recording"), "0");
}

TEST(Ingest, AFileChangedJustNowIsLeftForLater) {
  TempVault v;
  const Path source = v.source("call.wav", wav(3000));
  fs::last_write_time(source, v.clock.now() - 4);
  EXPECT_TRUE(refused_as(ingest_one(v, source), Fault::busy));
  v.clock.advance(1);
  EXPECT_FALSE(ingest_one(v, source).error);
}

TEST(Ingest, AFileOpenForWritingIsLeftForLater) {
  TempVault v;
  const Path source = v.source("call.wav", wav(3000));
  const int writer = ::open(source.c_str(), O_WRONLY);
  EXPECT_TRUE(refused_as(ingest_one(v, source), Fault::busy));
  ::close(writer);
  EXPECT_FALSE(ingest_one(v, source).error);
}

// Replaced between the commit and the removal.
class Replaced : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(InPlace, Replaced, ::testing::Bool());

TEST_P(Replaced, SourceStays) {
  TempVault v;
  const Path source = v.source("call.wav", wav(3000, 1));
  const Bytes newer = wav(3000, 2);  // of the same size
  HookedFiles files([&, read = false](const std::string& call) mutable {
    if (call == "append") read = true;
    if (call != "commit" || !read) return;  // after the source was read
    if (!GetParam()) fs::remove(source);
    testkit::put_file(source, newer);
  });
  v.reopen(files);
  auto request = for_acme();
  request.remove_source = true;
  const auto outcome = ingest_one(v, source, request);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->fault, Fault::busy);
  EXPECT_FALSE(outcome.id.empty());
  EXPECT_EQ(must(v.read(outcome.id, v.it_manager())), wav(3000, 1));
  EXPECT_EQ(must(base::read_file(source, 1 << 20)), newer);
}

// A recorder that is about to append: what it writes would go with the name.
TEST(Ingest, ASourceThatIsOpenedAgainStays) {
  TempVault v;
  const Path source = v.source("call.wav", wav(3000));
  int writer = -1;
  HookedFiles files([&, read = false](const std::string& call) mutable {
    if (call == "append") read = true;
    if (call == "commit" && read) writer = ::open(source.c_str(), O_WRONLY | O_APPEND);
  });
  v.reopen(files);
  auto request = for_acme();
  request.remove_source = true;
  auto outcome = ingest_one(v, source, request);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->fault, Fault::busy);
  EXPECT_FALSE(outcome.id.empty());
  EXPECT_TRUE(base::exists(source));
  ASSERT_GE(writer, 0);
  ::close(writer);
  v.reopen();
  EXPECT_TRUE(ingest_one(v, source, request).duplicate);
  EXPECT_FALSE(base::exists(source));
}

TEST(Ingest, ASourceThatIsNamedTwiceIsADuplicateTheSecondTime) {
  TempVault v;
  const Path source = v.source("call.wav", wav(3000));
  const auto all = ingest_all(*v, {source, v.sources() / "." / "call.wav", source});
  ASSERT_EQ(all.size(), 3U);
  for (const auto& outcome : all) EXPECT_FALSE(outcome.error) << outcome.error->what;
  EXPECT_EQ(all[1].id, all[0].id);
  EXPECT_FALSE(all[0].duplicate);
  EXPECT_TRUE(all[1].duplicate && all[2].duplicate);
  EXPECT_EQ(objects(v), 1U);
}

// What is no recording

TEST(Ingest, ABareWavHeaderIsQuarantinedAndItsSourceStays) {
  TempVault v;
  const Path source = v.source("call.wav", wav(0));
  ASSERT_EQ(fs::file_size(source), 44U);
  auto request = for_acme();
  request.remove_source = true;
  for (const bool again : {false, true}) {
    const auto outcome = ingest_one(v, source, request);
    EXPECT_TRUE(outcome.quarantined || again);
    EXPECT_EQ(outcome.duplicate, again);
    EXPECT_FALSE(outcome.id.empty());
    EXPECT_TRUE(base::exists(source)) << "again: " << again;
  }
  const auto row = must(v->catalog().recordings({})).at(0);
  EXPECT_EQ(row.state, "sealed");
  EXPECT_NE(row.quarantine, "");
  EXPECT_EQ(must(v.read(row.columns.recording, v.it_manager())), wav(0));
  DeliveryRequest wanted;
  wanted.customer = "acme";
  EXPECT_FAULT(Fault::not_found, deliver(*v, v.actor(), wanted));
  wanted.recordings = {row.columns.recording};
  EXPECT_FAULT(Fault::denied, deliver(*v, v.actor(), wanted));
}

TEST(Ingest, WhatIsNoSoundIsQuarantinedAndKept) {
  TempVault v;
  Bytes cut = wav(3000);
  cut.resize(2000);
  for (const auto& [name, content] :
       {std::pair<std::string, Bytes>{"empty.wav", {}}, {"cut.wav", cut}, {"trace.pcap", testkit::pattern(100)}}) {
    const auto outcome = ingest_one(v, v.source(name, content));
    EXPECT_TRUE(outcome.quarantined) << name;
    EXPECT_EQ(must(v.read(outcome.id, v.it_manager())), content) << name;
  }
  EXPECT_EQ(v.damage(), "");
}

TEST(Ingest, NoRegularFileIsTakenIn) {
  TempVault v;
  const Path fifo = v.sources() / "fifo.wav";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const Path real = v.source("real.wav", wav(3000));
  const Path link = v.sources() / "link.wav";
  ASSERT_EQ(symlink(real.c_str(), link.c_str()), 0);
  for (const Path& path : {fifo, link, v.sources() / "missing.wav", Path("/dev/null")}) {
    const auto outcome = v.ingest(path);
    EXPECT_TRUE(outcome.error) << path;
    EXPECT_TRUE(outcome.id.empty());
  }
  EXPECT_EQ(v.sql("SELECT count(*) FROM recording"), "0");
}

// Names are foreign text

TEST(Ingest, HostileNamesStaySealedText) {
  TempVault v;
  unsigned seed = 0;
  for (const std::string& name :
       {std::string("a\nb\x01\x1b[31m.wav"), std::string("..%2f..%2fetc.wav"), std::string("\xff\xfe\xc3.wav"),
        std::string("'; DROP TABLE recording; --.wav"), std::string(251, 'x') + ".wav", std::string("..\\..\\x.wav"),
        std::string("-rf.wav"), std::string("\xe2\x80\xaegpj.wav")}) {
    const auto outcome = ingest_one(v, v.source(name, wav(500, ++seed)));
    ASSERT_FALSE(outcome.error) << outcome.error->what;
    EXPECT_EQ(metadata_of(v, outcome.id).name, clean_utf8(name));
    EXPECT_FALSE(v.holds(base::as_bytes(std::string_view(name).substr(0, 6)))) << name;
  }
  EXPECT_EQ(v.sql("SELECT count(*) FROM recording"), "8");
  EXPECT_EQ(v.damage(), "");
}

TEST(Ingest, AMetaFileMayHoldAnyName) {
  TempVault v;
  auto request = for_acme();
  request.meta = v.source("meta.json", {});
  unsigned seed = 0;
  for (const auto& [given, kept] : {std::pair<std::string, std::string>{"../../etc/passwd", "../../etc/passwd"},
                                    {std::string(4096, 'y'), std::string(1024, 'y')},
                                    {"a\\u0000b", std::string("a\0b", 3)},
                                    {"a\\nsize: 7", "a\nsize: 7"}}) {
    testkit::put_file(request.meta, base::as_bytes("{\"name\":\"" + given + "\"}"));
    ++seed;
    const auto outcome = ingest_one(v, v.source("call-" + std::to_string(seed) + ".wav", wav(500, seed)), request);
    ASSERT_FALSE(outcome.error) << outcome.error->what;
    EXPECT_EQ(metadata_of(v, outcome.id).name, kept);
  }
  EXPECT_EQ(v.damage(), "");
}

// Facts

TEST(Ingest, TakesFactsFromTheMetaFile) {
  TempVault v;
  auto request = for_acme();
  request.meta =
      v.source("meta.json",
               base::as_bytes(
                   R"({"started_at":"2026-11-20T08:00:00Z","from":"+441632960001","to":"+441632960002","agent":"4001",)"
                   R"("direction":"in","reference":"T-77","name":"Call about T-77.wav","category":"complaint"})"));
  const auto outcome = ingest_one(v, v.source("x.wav", wav(500)), request);
  ASSERT_FALSE(outcome.error) << outcome.error->what;
  const auto m = metadata_of(v, outcome.id);
  EXPECT_EQ(base::rfc3339(m.call_time), "2026-11-20T08:00:00Z");
  EXPECT_EQ(m.from, "+441632960001");
  EXPECT_EQ(m.to, "+441632960002");
  EXPECT_EQ(m.agent, "4001");
  EXPECT_EQ(m.direction, "in");
  EXPECT_EQ(m.reference, "T-77");
  EXPECT_EQ(m.name, "Call about T-77.wav");
  EXPECT_EQ(m.category, "complaint");
  EXPECT_FALSE(m.time_is_ingest);
  EXPECT_FALSE(v.holds(base::as_bytes("441632960001")));
  EXPECT_FALSE(v.holds(base::as_bytes("T-77")));
}

TEST(Ingest, ABadMetaFileTakesNothingIn) {
  TempVault v;
  auto request = for_acme();
  request.remove_source = true;
  request.meta = v.source("meta.json", {});
  const Path source = v.source("x.wav", wav(500));
  for (const char* text : {"", "[]", "{", "{\"size\":\"7\"}", "{\"from\":7}", "{\"started_at\":\"yesterday\"}"}) {
    testkit::put_file(request.meta, base::as_bytes(text));
    EXPECT_TRUE(refused_as(ingest_one(v, source, request), Fault::usage)) << text;
  }
  request.meta = v.sources() / "missing.json";
  EXPECT_TRUE(refused_as(ingest_one(v, source, request), Fault::not_found));
  EXPECT_TRUE(base::exists(source));
  EXPECT_EQ(v.sql("SELECT count(*) FROM recording"), "0");
}

TEST(Ingest, AMetaFileDescribesOneFile) {
  TempVault v;
  auto request = for_acme();
  request.meta = v.source("meta.json", base::as_bytes("{}"));
  const Path a = v.source("a.wav", wav(500, 1));
  const Path b = v.source("b.wav", wav(500, 2));
  const auto nothing = [](const IngestOutcome&) { ADD_FAILURE(); };
  EXPECT_FAULT(Fault::usage, ingest(*v, {a, b}, request, nothing));
  EXPECT_FAULT(Fault::usage, ingest(*v, {v.sources()}, request, nothing));
}

TEST(Ingest, AVoicemailTakesItsSideFileIn) {
  TempVault v;
  const Path folder = v.sources() / "spool";
  const Path sound = v.source("spool/default/1001/INBOX/msg0000.wav", wav(500));
  const Path text = v.source("spool/default/1001/INBOX/msg0000.txt",
                             base::as_bytes("[message]\norigmailbox=1001\ncallerid=\"J\" <01632960007>\n"
                                            "origtime=1795300000\nduration=4\n"));
  auto request = for_acme();
  request.remove_source = true;
  const auto all = ingest_all(*v, {folder}, request);
  ASSERT_EQ(all.size(), 1U);  // the side file is no recording of its own
  ASSERT_FALSE(all[0].error) << all[0].error->what;
  const auto m = metadata_of(v, all[0].id);
  EXPECT_EQ(m.convention, "asterisk-voicemail");
  EXPECT_EQ(m.call_time, 1795300000);
  EXPECT_EQ(m.category, "message");
  EXPECT_NE(m.sidecar.find("01632960007"), std::string::npos);
  EXPECT_FALSE(base::exists(sound));
  EXPECT_FALSE(base::exists(text));
}

TEST(Ingest, ABadSideFileLeavesBothFiles) {
  TempVault v;
  const Path sound = v.source("spool/INBOX/msg0000.wav", wav(500));
  const Path text = v.source("spool/INBOX/msg0000.txt", base::as_bytes("no message"));
  auto request = for_acme();
  request.remove_source = true;
  const auto all = ingest_all(*v, {v.sources() / "spool"}, request);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(refused_as(all[0], Fault::usage));
  EXPECT_TRUE(base::exists(sound));
  EXPECT_TRUE(base::exists(text));
}

TEST(Ingest, WithoutAnyFactsTheTimeIsTheIngest) {
  TempVault v;
  const auto m = metadata_of(v, ingest_one(v, v.source("x.wav", wav(500))).id);
  EXPECT_TRUE(m.time_is_ingest);
  EXPECT_EQ(m.call_time, v.clock.now());
  EXPECT_EQ(m.category, "inbound");
}

// Duplicates

TEST(Ingest, TheSamePathAndContentIsADuplicate) {
  TempVault v;
  const Path source = v.source("call.wav", wav(3000));
  const auto first = ingest_one(v, source);
  EXPECT_FALSE(first.duplicate);
  EXPECT_EQ(first.sha256, base::hex(keys::sha256(wav(3000))));
  v.reopen();
  const auto second = ingest_one(v, v.sources() / "." / "call.wav");  // the same path in other words
  EXPECT_FALSE(second.error);
  EXPECT_TRUE(second.duplicate);
  EXPECT_EQ(second.id, first.id);
  EXPECT_EQ(objects(v), 1U);
  auto request = for_acme();
  request.remove_source = true;
  EXPECT_TRUE(ingest_one(v, source, request).duplicate);
  EXPECT_FALSE(base::exists(source));  // it is in the vault
}

TEST(Ingest, AnotherPathOrOtherContentIsNone) {
  TempVault v;
  const auto first = ingest_one(v, v.source("call.wav", wav(3000)));
  const auto elsewhere = ingest_one(v, v.source("copy.wav", wav(3000)));
  EXPECT_FALSE(elsewhere.duplicate);
  EXPECT_NE(elsewhere.id, first.id);
  const auto other = ingest_one(v, v.source("call.wav", wav(3000, 2)));
  EXPECT_FALSE(other.duplicate);
  EXPECT_NE(other.id, first.id);
  EXPECT_EQ(objects(v), 3U);
}

TEST(Ingest, AfterItsErasureItIsANewRecording) {
  TempVault v;
  const Path source = v.source("call.wav", wav(3000));
  const auto first = ingest_one(v, source);
  v.mark_delivered(v.deliver({first.id}));
  must(finish_erasures(*v));
  const auto second = ingest_one(v, source);
  EXPECT_FALSE(second.duplicate);
  EXPECT_NE(second.id, first.id);
  EXPECT_TRUE(v.whole(second.id));
  EXPECT_EQ(v.damage(), "");
}

// What is marked is not held any more: calling a second source its duplicate would let it be removed and lost.
TEST(Ingest, WhatIsBeingErasedMakesNoDuplicate) {
  TempVault v;
  const Path source = v.source("call.wav", wav(3000));
  const auto first = ingest_one(v, source);
  v.mark_delivered(v.deliver({first.id}));
  auto request = for_acme();
  request.remove_source = true;
  const auto second = ingest_one(v, source, request);
  EXPECT_FALSE(second.duplicate);
  must(finish_erasures(*v));
  EXPECT_TRUE(v.gone(first.id));
  EXPECT_TRUE(v.whole(second.id));
}

// Whose

TEST(Ingest, UnknownAndClosedCustomersAreRefused) {
  TempVault v;
  const Path source = v.source("call.wav", wav(3000));
  auto request = for_acme();
  const auto nothing = [](const IngestOutcome&) { ADD_FAILURE(); };
  for (const std::string customer : {"nobody", "", "ACME", "acme' --"}) {
    request.customer = customer;
    EXPECT_FAULT(Fault::not_found, ingest(*v, {source}, request, nothing));
  }
  must(close_customer(*v, v.actor(), "acme"));
  request.customer = "acme";
  EXPECT_FAULT(Fault::denied, ingest(*v, {source}, request, nothing));
  EXPECT_TRUE(base::exists(source));
}

TEST(Ingest, ABadCategoryIsRefused) {
  TempVault v;
  auto request = for_acme();
  for (const std::string category : {"Inbound", "a b", "a\nb", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
    request.category = category;
    EXPECT_FAULT(Fault::usage, ingest(*v, {}, request, [](const IngestOutcome&) {}));
  }
}

TEST(Ingest, ClassOwnHasNoCustomer) {
  TempVault v;
  IngestRequest request;
  request.klass = "own";
  const auto row = must(v->catalog().recording(ingest_one(v, v.source("a.wav", wav(500)), request).id));
  EXPECT_EQ(row.columns.klass, "own");
  EXPECT_EQ(row.columns.customer, "");
}

// Folders

TEST(Ingest, WalksFoldersAndLeavesTemporaryFilesAlone) {
  TempVault v;
  unsigned seed = 0;
  for (const char* name : {"in/a.wav", "in/2026/11/b.wav", "in/.hidden.wav", "in/.cache/c.wav", "in/d.wav.part",
                           "in/e.filepart", "in/f.tmp", "in/g.wav.a1b2.partial"})
    v.source(name, wav(500, ++seed));
  const Path outside = v.source("outside/g.wav", wav(500, 99));
  fs::create_directory_symlink(v.sources() / "outside", v.sources() / "in" / "link");
  auto request = for_acme();
  request.remove_source = true;
  std::vector<std::string> names;
  for (const auto& outcome : ingest_all(*v, {v.sources() / "in"}, request))
    if (!outcome.error) names.push_back(outcome.name);
  EXPECT_EQ(names, (std::vector<std::string>{"b.wav", "a.wav"}));
  EXPECT_TRUE(base::exists(outside));
  EXPECT_TRUE(base::exists(v.sources() / "in" / "d.wav.part"));
  EXPECT_TRUE(base::exists(v.sources() / "in" / ".hidden.wav"));
  EXPECT_FALSE(base::exists(v.sources() / "in" / "a.wav"));
}

TEST(Ingest, OneBadFileDoesNotKeepTheOthersOut) {
  TempVault v;
  v.source("in/a.wav", wav(500, 1));
  const Path busy = v.source("in/b.wav", wav(500, 2));
  v.source("in/c.wav", wav(500, 3));
  fs::last_write_time(busy, v.clock.now());
  const auto all = ingest_all(*v, {v.sources() / "in"});
  ASSERT_EQ(all.size(), 3U);
  EXPECT_FALSE(all[0].error);
  EXPECT_TRUE(refused_as(all[1], Fault::busy));
  EXPECT_FALSE(all[2].error);
}

// What the key-slot store and the catalogue have to say

TEST(Ingest, DropsWhatAnEarlierOneLeft) {
  TempVault v;
  const auto kept = v.recording(1);
  v.sql(
      "INSERT INTO recording (id, class, category, call_time, size, slot, state, received_at) VALUES"
      " ('r-0123456789abcdef', 'own', 'inbound', 0, 0, 70, 'writing', 0)");
  must(base::system_files().make_folder(v.folder() / "objects" / "01"));
  testkit::put_file(v.folder() / "objects" / "01" / "r-0123456789abcdef", base::as_bytes("half"));
  ingest_all(*v, {v.source("b.wav", wav(500, 2))});
  EXPECT_FALSE(base::exists(v.folder() / "objects" / "01" / "r-0123456789abcdef"));
  EXPECT_EQ(v.sql("SELECT count(*) FROM recording WHERE id = 'r-0123456789abcdef'"), "0");
  EXPECT_TRUE(v.whole(kept));
}

TEST(Ingest, GoesOnInTheNextLeafOfSlots) {
  TempVault v;
  must(v->catalog().change([&] { return v->catalog().set_setting("next_slot", "4095"); }));
  const auto last = v.recording(1);
  const auto first = v.recording(2);
  EXPECT_EQ(must(v->catalog().recording(last)).columns.slot, 4095U);
  EXPECT_EQ(must(v->catalog().recording(first)).columns.slot, 4096U);
  v.reopen();
  EXPECT_TRUE(v.whole(last));
  EXPECT_TRUE(v.whole(first));
  EXPECT_EQ(v.damage(), "");
}

class EditedNextSlot : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Value, EditedNextSlot,
                         ::testing::Values("x", "", "-1", "99999999999999999999", "999999999999"));

TEST_P(EditedNextSlot, IsRefusedAndTheSourceStays) {
  TempVault v;
  const auto kept = v.recording(1);
  const Path source = v.source("b.wav", wav(500, 2));
  v.sql(std::string("UPDATE setting SET value = '") + GetParam() + "' WHERE name = 'next_slot'");
  auto request = for_acme();
  request.remove_source = true;
  EXPECT_TRUE(ingest_one(v, source, request).error);
  EXPECT_TRUE(base::exists(source));
  EXPECT_TRUE(v.whole(kept));
  EXPECT_EQ(v.damage(), "");
}

// An older catalogue, restored beside the newer key-slot store, knows too few slots.
TEST(Ingest, NoSlotIsHandedOutTwiceWhenTheCatalogueForgot) {
  TempVault v;
  const auto erased = v.recording(1);
  const auto kept = v.recording(2);
  const auto used = must(v->catalog().recording(erased)).columns.slot;
  v.mark_delivered(v.deliver({erased}));
  must(finish_erasures(*v));
  v.close();
  v.sql("UPDATE setting SET value = '" + std::to_string(used) + "' WHERE name = 'next_slot'");
  const auto next = v.recording(3);
  EXPECT_GT(must(v->catalog().recording(next)).columns.slot, must(v->catalog().recording(kept)).columns.slot);
  EXPECT_TRUE(v.whole(kept) && v.whole(next));
  EXPECT_EQ(v.damage(), "");
}

}  // namespace
}  // namespace vault
