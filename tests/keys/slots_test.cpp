#include "keys/slots.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/filesystem/operations.hpp>
#include <functional>
#include <map>
#include <random>
#include <thread>

#include "base/clock.h"
#include "keys/slot_image.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/faulty_files.h"
#include "tests/testkit/temp_folder.h"

namespace keys {
namespace {

namespace fs = boost::filesystem;
using base::Bytes, base::ByteView, base::Fault, base::Path, base::SecretBytes;
using testkit::FaultyFiles, testkit::must, testkit::TempFolder;
using Loss = FaultyFiles::Loss;
using Folder = std::map<std::string, Bytes>;  // what is in a folder, by name

constexpr std::size_t kMaxFile = std::size_t{1} << 20;

Folder snapshot(const Path& path) {
  Folder out;
  for (const auto& name : must(base::list_folder(path))) out[name] = must(base::read_file(path / name, kMaxFile));
  return out;
}

void write_new(const Path& path, ByteView bytes) {  // not synced: tests do it thousands of times
  const base::Fd fd = must(base::system_files().create(path));
  must(base::system_files().append(fd.get(), bytes));
}

void put_back(const Path& path, const Folder& content) {
  fs::remove_all(path);
  fs::create_directory(path);
  for (const auto& [name, bytes] : content) write_new(path / name, bytes);
}

void rewrite(const Path& path, const std::function<void(Bytes&)>& change) {
  Bytes bytes = must(base::read_file(path, kMaxFile));
  change(bytes);
  fs::remove(path);
  write_new(path, bytes);
}

void flip(const Path& path, std::size_t at) {
  rewrite(path, [at](Bytes& bytes) { bytes.at(at) ^= std::byte{1}; });
}

Bytes secret_of(Slots& slots, SlotId slot) {
  const SecretBytes secret = must(slots.read(slot));
  return Bytes(secret.reveal().begin(), secret.reveal().end());
}

bool contains(ByteView bytes, ByteView wanted) {
  return std::search(bytes.begin(), bytes.end(), wanted.begin(), wanted.end()) != bytes.end();
}

ByteView sector_of(const Folder& folder, std::size_t i) {
  return ByteView(folder.at("root.key")).subspan(i * kSector, kSector);
}

std::vector<Sector> valid_sectors(const Folder& folder) {
  std::vector<Sector> out;
  for (const std::size_t i : {0U, 1U})
    if (auto sector = get_sector(sector_of(folder, i))) out.push_back(std::move(*sector));
  return out;
}

// A store of generation 2 in a folder of its own: slot 1 is erased, all others of leaf 0 are there.
class SlotsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    must(Slots::create(place));
    Slots slots = open();
    for (const SlotId slot : {0U, 2U, 3U, 4U, 4095U}) before[slot] = secret_of(slots, slot);
    must(slots.erase({1}));
  }

  Slots open() { return must(Slots::open(place)); }
  Slots open_with_mirror() { return must(Slots::open(mirrored)); }

  void expect_neighbours(Slots& slots, const std::set<SlotId>& but = {}) {
    for (const auto& [slot, secret] : before)
      if (!but.contains(slot)) {
        EXPECT_EQ(secret_of(slots, slot), secret) << "slot " << slot;
      }
    EXPECT_FAULT(Fault::not_found, slots.read(1));
  }

  // The folder as a kill at each point of erase({2}) leaves it, in order.
  std::vector<Folder> cuts_of_an_erase() {
    const Folder start = snapshot(folder);
    std::vector<Folder> out;
    for (int k = 0;; ++k) {
      put_back(folder, start);
      FaultyFiles files(k, Loss::all_is_kept);
      Slots slots = must(Slots::open(place, files));
      (void)slots.erase({2});
      if (!files.reached()) break;
      out.push_back(snapshot(folder));
    }
    put_back(folder, start);
    return out;
  }

  Folder cut_with_both_sectors_valid() {
    for (Folder& cut : cuts_of_an_erase())
      if (valid_sectors(cut).size() == 2 && cut.contains("leaf.0.2") && cut.contains("leaf.0.3")) return std::move(cut);
    std::abort();
  }

  TempFolder temp;
  Path folder = temp / "slots";
  Path mirror = temp / "mirror";
  Slots::Place place{folder, std::nullopt};
  Slots::Place mirrored{folder, mirror};
  std::map<SlotId, Bytes> before;
};

TEST(SlotsCreate, MakesGenerationOneWithDifferentSecrets) {
  const TempFolder temp;
  const Slots::Place place{temp / "slots", std::nullopt};
  ASSERT_OK(Slots::create(place));
  Slots slots = must(Slots::open(place));
  EXPECT_EQ(slots.generation(), 1U);
  EXPECT_EQ(secret_of(slots, 0).size(), kEraseSecret);
  EXPECT_NE(secret_of(slots, 0), secret_of(slots, 1));
  EXPECT_NE(secret_of(slots, 0), secret_of(slots, 4095));
  EXPECT_FAULT(Fault::not_found, slots.read(4096));
  EXPECT_FAULT(Fault::not_found, slots.read(~SlotId{0}));
}

TEST_F(SlotsTest, CreateRefusesAFolderThatHoldsAStore) {
  EXPECT_FAULT(Fault::usage, Slots::create(place));
  EXPECT_FAULT(Fault::usage, Slots::create({temp / "other", folder}));
  Slots slots = open();
  expect_neighbours(slots);
}

TEST(SlotsCreate, RefusesTheStoresOwnFolderAsMirror) {
  const TempFolder temp;
  EXPECT_FAULT(Fault::usage, Slots::create({temp / "slots", temp / "slots"}));
}

TEST(SlotsCreate, EveryInterruptionLeavesAStoreOrAFolderToTryAgain) {
  for (const Loss loss : {Loss::unsynced_is_lost, Loss::all_is_kept}) {
    for (int k = 0, finished = 0; finished == 0; ++k) {
      const TempFolder temp;
      const Slots::Place place{temp / "slots", std::nullopt};
      FaultyFiles files(k, loss);
      const bool made = static_cast<bool>(Slots::create(place, files));
      finished = files.reached() ? 0 : 1;
      EXPECT_EQ(made, finished == 1);
      if (!base::exists(temp / "slots" / "root.key")) {
        EXPECT_OK(Slots::create(place)) << "cut at call " << k;
      }
      auto slots = Slots::open(place);
      ASSERT_OK(slots) << "cut at call " << k;
      EXPECT_OK(slots->read(0));
      EXPECT_EQ(must(base::list_folder(place.folder)),
                (std::vector<std::string>{"leaf.0.1", "lock", "root.1", "root.key"}));
    }
  }
}

TEST(SlotsOpen, AFolderWithoutAStoreIsDamaged) {
  const TempFolder temp;
  EXPECT_FAULT(Fault::damaged, Slots::open({temp / "none", std::nullopt}));
  EXPECT_FAULT(Fault::damaged, Slots::open({temp.path(), std::nullopt}));
}

TEST_F(SlotsTest, EraseTakesTheSlotAndLeavesTheOthers) {
  Slots slots = open();
  EXPECT_EQ(must(slots.erase({2, 4095})), 3U);
  EXPECT_EQ(slots.generation(), 3U);
  for (Slots* s : {&slots}) {
    EXPECT_FAULT(Fault::not_found, s->read(2));
    EXPECT_FAULT(Fault::not_found, s->read(4095));
    expect_neighbours(*s, {2, 4095});
  }
  Slots again = open();
  EXPECT_EQ(again.generation(), 3U);
  EXPECT_FAULT(Fault::not_found, again.read(2));
  expect_neighbours(again, {2, 4095});
}

TEST_F(SlotsTest, EraseOfAnErasedSlotOrOfNothingChangesNoFile) {
  Slots slots = open();
  const Folder start = snapshot(folder);
  EXPECT_EQ(must(slots.erase({})), 2U);
  EXPECT_EQ(must(slots.erase({1})), 2U);
  EXPECT_EQ(snapshot(folder), start);
}

TEST_F(SlotsTest, EraseOfASlotWithoutLeafIsRefusedAndErasesNothing) {
  Slots slots = open();
  EXPECT_FAULT(Fault::not_found, slots.erase({2, 4096}));
  EXPECT_FAULT(Fault::not_found, slots.erase({2, ~SlotId{0}}));
  expect_neighbours(slots);
  EXPECT_EQ(slots.generation(), 2U);
}

TEST_F(SlotsTest, EraseWritesOnlyTouchedLeaves) {
  Slots slots = open();
  must(slots.reserve(4096));
  must(slots.reserve(8192));
  const Folder start = snapshot(folder);
  must(slots.erase({4100}));
  const Folder end = snapshot(folder);
  EXPECT_EQ(end.at("leaf.0.2"), start.at("leaf.0.2"));
  EXPECT_EQ(end.at("leaf.2.4"), start.at("leaf.2.4"));
  EXPECT_TRUE(end.contains("leaf.1.5"));
  EXPECT_EQ(end.size(), start.size());
}

TEST_F(SlotsTest, FourThousandSlotsInSeveralLeavesAreOneCommit) {
  Slots slots = open();
  for (SlotId leaf = 1; leaf < 4; ++leaf) must(slots.reserve(leaf * kSlotsPerLeaf));
  std::set<SlotId> gone;
  for (SlotId i = 0; i < 4000; ++i) gone.insert(i * 4 + 5);  // every fourth
  std::map<SlotId, Bytes> kept;
  for (SlotId slot = 4; slot < 4 * kSlotsPerLeaf; slot += 444) kept[slot] = secret_of(slots, slot);
  EXPECT_EQ(must(slots.erase(gone)), 6U);
  Slots again = open();
  for (const SlotId slot : gone) ASSERT_TRUE(testkit::is_fault(again.read(slot), Fault::not_found));
  for (const auto& [slot, secret] : kept) EXPECT_EQ(secret_of(again, slot), secret);
  expect_neighbours(again);
}

TEST_F(SlotsTest, ReserveMakesALeafOnceWithNewSecrets) {
  Slots slots = open();
  ASSERT_OK(slots.reserve(5000));
  EXPECT_EQ(slots.generation(), 3U);
  const Bytes secret = secret_of(slots, 5000);
  ASSERT_OK(slots.reserve(5001));
  EXPECT_EQ(slots.generation(), 3U) << "the leaf was there";
  Slots again = open();
  EXPECT_EQ(secret_of(again, 5000), secret);
  EXPECT_NE(secret_of(again, 5000), secret_of(again, 5000 - kSlotsPerLeaf));
  expect_neighbours(again);
}

TEST_F(SlotsTest, ReserveMaySkipLeaves) {
  Slots slots = open();
  ASSERT_OK(slots.reserve(7 * kSlotsPerLeaf));
  EXPECT_FAULT(Fault::not_found, slots.read(6 * kSlotsPerLeaf));
  EXPECT_OK(slots.read(7 * kSlotsPerLeaf));
  Slots again = open();
  EXPECT_FAULT(Fault::not_found, again.read(6 * kSlotsPerLeaf));
  EXPECT_FAULT(Fault::not_found, again.erase({6 * kSlotsPerLeaf}));
  ASSERT_OK(again.reserve(6 * kSlotsPerLeaf));
  EXPECT_OK(again.read(6 * kSlotsPerLeaf));
}

TEST_F(SlotsTest, ReserveRefusesMoreThanTheStoreCanHold) {
  Slots slots = open();
  EXPECT_FAULT(Fault::usage, slots.reserve(kMaxLeaves * kSlotsPerLeaf));
  EXPECT_FAULT(Fault::usage, slots.reserve(~SlotId{0}));
  EXPECT_OK(slots.reserve(kMaxLeaves * kSlotsPerLeaf - 1));
  EXPECT_OK(open().read(kMaxLeaves * kSlotsPerLeaf - 1));
}

TEST_F(SlotsTest, AnErasedSlotNeverComesBack) {
  Slots slots = open();
  ASSERT_OK(slots.reserve(1));
  EXPECT_FAULT(Fault::not_found, slots.read(1));
  std::set<SlotId> leaf;
  for (SlotId slot = 0; slot < kSlotsPerLeaf; ++slot) leaf.insert(slot);
  must(slots.erase(leaf));
  ASSERT_OK(slots.reserve(4));
  EXPECT_FAULT(Fault::not_found, slots.read(4));
  EXPECT_FAULT(Fault::not_found, open().read(4));
}

TEST_F(SlotsTest, TheHighWaterMarkOnlyRises) {
  Slots slots = open();
  EXPECT_EQ(slots.high_water(), 2U);
  must(slots.reserve(100));
  EXPECT_EQ(slots.high_water(), 101U);
  must(slots.erase({50}));
  EXPECT_EQ(open().high_water(), 101U) << "stored with the next root";
  must(slots.reserve(4096));
  must(slots.reserve(7));
  EXPECT_EQ(slots.high_water(), 4097U);
  EXPECT_EQ(open().high_water(), 4097U);
}

TEST_F(SlotsTest, AFreshLeafAboveTheStoredMarkWasNeverHandedOut) {
  {
    Slots slots = open();
    must(slots.reserve(4096));
    for (SlotId slot = 4097; slot < 4200; ++slot) must(slots.reserve(slot));  // no root is written
  }
  Slots slots = open();
  const SlotId fresh = (slots.high_water() + kSlotsPerLeaf - 1) / kSlotsPerLeaf * kSlotsPerLeaf;
  EXPECT_EQ(fresh, 8192U);
  EXPECT_FAULT(Fault::not_found, slots.read(fresh));
}

// ---- interruptions ----

class SlotsFault : public SlotsTest, public ::testing::WithParamInterface<std::tuple<Loss, bool>> {
 protected:
  Loss loss() const { return std::get<0>(GetParam()); }
  Slots::Place where() const { return std::get<1>(GetParam()) ? mirrored : place; }

  void SetUp() override {
    SlotsTest::SetUp();
    fs::create_directory(mirror);
    if (where().mirror) (void)open_with_mirror();
    start = snapshot(folder);
    start_mirror = snapshot(mirror);
  }
  void start_again() {
    put_back(folder, start);
    put_back(mirror, start_mirror);
  }
  void expect_clean(std::uint64_t generation) {
    EXPECT_EQ(valid_sectors(snapshot(folder)).size(), 1U);
    EXPECT_TRUE(base::exists(folder / root_name(generation).c_str()));
    EXPECT_EQ(must(base::list_folder(folder)).size(), start.size());
    if (!where().mirror) return;
    Folder ours = snapshot(folder);
    Folder theirs = snapshot(mirror);
    ASSERT_EQ(valid_sectors(theirs).size(), 1U);
    EXPECT_EQ(valid_sectors(theirs)[0].generation, generation);
    for (Folder* f : {&ours, &theirs}) {
      f->erase("root.key");
      f->erase("lock");
    }
    EXPECT_EQ(ours, theirs);
  }

  Folder start;
  Folder start_mirror;
};

TEST_P(SlotsFault, EveryCutOfAnEraseLeavesOldOrNew) {
  for (int k = 0, finished = 0; finished == 0; ++k) {
    SCOPED_TRACE("cut at call " + std::to_string(k));
    start_again();
    FaultyFiles files(k, loss());
    {
      Slots slots = must(Slots::open(where(), files));
      const auto erased = slots.erase({2, 3});
      finished = files.reached() ? 0 : 1;
      if (finished != 0) {
        EXPECT_EQ(must(erased), 3U);
      }
      if (erased) {
        EXPECT_FAULT(Fault::not_found, slots.read(2));
      }
    }
    Slots slots = must(Slots::open(where()));
    const auto two = slots.read(2);
    const auto three = slots.read(3);
    EXPECT_EQ(static_cast<bool>(two), static_cast<bool>(three)) << "a batch is one commit";
    if (two) {
      EXPECT_EQ(secret_of(slots, 2), before[2]);
      EXPECT_EQ(slots.generation(), 2U);
    } else {
      EXPECT_FAULT(Fault::not_found, two);
      EXPECT_EQ(slots.generation(), 3U);
    }
    expect_neighbours(slots, {2, 3});
    expect_clean(slots.generation());
    EXPECT_EQ(must(slots.erase({2, 3})), 3U) << "it can be repeated";
    EXPECT_FAULT(Fault::not_found, slots.read(2));
    expect_neighbours(slots, {2, 3});
    expect_clean(3);
  }
}

TEST_P(SlotsFault, TheSameObjectGoesOnAfterEveryCut) {
  for (int k = 0, finished = 0; finished == 0; ++k) {
    SCOPED_TRACE("cut at call " + std::to_string(k));
    start_again();
    // One call fails, then the device is well again.
    class Once final : public base::Files {
     public:
      Once(FaultyFiles& faulty) : faulty_(faulty) {}
      base::Result<base::Fd> create(const Path& p) override { return to().create(p); }
      base::Result<void> append(int fd, ByteView b) override { return to().append(fd, b); }
      base::Result<void> write_at(const Path& p, std::uint64_t o, ByteView b) override {
        return to().write_at(p, o, b);
      }
      base::Result<void> sync(int fd) override { return to().sync(fd); }
      base::Result<void> sync_folder(const Path& p) override { return to().sync_folder(p); }
      base::Result<void> sync_together(std::span<const int> fds, const std::set<Path>& folders) override {
        return to().sync_together(fds, folders);
      }
      base::Result<void> rename(const Path& a, const Path& b) override { return to().rename(a, b); }
      base::Result<void> rename_new(const Path& a, const Path& b) override { return to().rename_new(a, b); }
      base::Result<void> remove(const Path& p) override { return to().remove(p); }
      base::Result<void> make_folder(const Path& p) override { return to().make_folder(p); }

     private:
      base::Files& to() { return faulty_.reached() ? base::system_files() : faulty_; }
      FaultyFiles& faulty_;
    };
    FaultyFiles faulty(k, Loss::all_is_kept);
    Once files(faulty);
    Slots slots = must(Slots::open(where(), files));
    (void)slots.reserve(4096);
    (void)slots.erase({2});
    finished = faulty.reached() ? 0 : 1;
    expect_neighbours(slots, {2});
    ASSERT_OK(slots.reserve(4096));
    const Bytes secret = secret_of(slots, 4096);
    ASSERT_OK(slots.erase({2}));
    EXPECT_FAULT(Fault::not_found, slots.read(2));
    EXPECT_EQ(secret_of(slots, 4096), secret);
    expect_neighbours(slots, {2});
    Slots again = must(Slots::open(where()));
    EXPECT_EQ(again.generation(), slots.generation());
    EXPECT_EQ(secret_of(again, 4096), secret);
    EXPECT_EQ(valid_sectors(snapshot(folder)).size(), 1U);
  }
}

TEST_P(SlotsFault, EveryCutOfANewLeafLeavesOldOrNew) {
  for (int k = 0, finished = 0; finished == 0; ++k) {
    SCOPED_TRACE("cut at call " + std::to_string(k));
    start_again();
    FaultyFiles files(k, loss());
    Bytes secret;
    {
      Slots slots = must(Slots::open(where(), files));
      const bool reserved = static_cast<bool>(slots.reserve(4096));
      finished = files.reached() ? 0 : 1;
      EXPECT_TRUE(reserved || finished == 0);
      if (reserved) secret = secret_of(slots, 4096);
    }
    Slots slots = must(Slots::open(where()));
    expect_neighbours(slots);
    ASSERT_OK(slots.reserve(4096));
    if (secret.empty()) {
      EXPECT_OK(slots.read(4096));
    } else {
      EXPECT_EQ(secret_of(slots, 4096), secret) << "what was promised is kept";
    }
    expect_neighbours(slots);
    EXPECT_EQ(slots.generation(), 3U);
  }
}

TEST_P(SlotsFault, ARecoveryThatIsCutToo) {
  for (int k = 0, finished = 0; finished == 0; ++k) {
    start_again();
    {
      FaultyFiles files(k, loss());
      Slots slots = must(Slots::open(where(), files));
      (void)slots.erase({2});
      finished = files.reached() ? 0 : 1;
    }
    const Folder cut = snapshot(folder);
    const Folder cut_mirror = snapshot(mirror);
    for (int j = 0, recovered = 0; recovered == 0; ++j) {
      SCOPED_TRACE("cut at call " + std::to_string(k) + ", its recovery at call " + std::to_string(j));
      put_back(folder, cut);
      put_back(mirror, cut_mirror);
      FaultyFiles files(j, loss());
      (void)Slots::open(where(), files);
      recovered = files.reached() ? 0 : 1;
      Slots slots = must(Slots::open(where()));
      const auto two = slots.read(2);
      if (two) {
        EXPECT_EQ(secret_of(slots, 2), before[2]);
      }
      if (!two) {
        EXPECT_FAULT(Fault::not_found, two);
      }
      expect_neighbours(slots, {2});
      expect_clean(slots.generation());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(PowerAndKill, SlotsFault,
                         ::testing::Combine(::testing::Values(Loss::unsynced_is_lost, Loss::all_is_kept),
                                            ::testing::Bool()),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param) == Loss::all_is_kept ? "Killed" : "PowerCut") +
                                  (std::get<1>(test.param) ? "Mirrored" : "Alone");
                         });

// ---- sectors ----

TEST_F(SlotsTest, BothSectorsValidTheHigherRulesAndTheOldIsOverwritten) {
  const Folder cut = cut_with_both_sectors_valid();
  put_back(folder, cut);
  Slots slots = open();
  EXPECT_EQ(slots.generation(), 3U);
  EXPECT_FAULT(Fault::not_found, slots.read(2));
  expect_neighbours(slots, {2});
  EXPECT_EQ(valid_sectors(snapshot(folder)).size(), 1U);
  EXPECT_FALSE(base::exists(folder / "leaf.0.2"));
}

TEST_F(SlotsTest, ATornNewSectorIsInvalidAndTheOldOneRules) {
  const Folder start = snapshot(folder);
  const Folder cut = cut_with_both_sectors_valid();
  const std::size_t newer = must(get_sector(sector_of(cut, 0))).generation == 3 ? 0 : 1;
  for (const std::size_t arrived : {1U, 7U, 8U, 15U, 16U, 40U, 48U, 79U}) {
    SCOPED_TRACE(arrived);
    Folder torn = cut;
    const ByteView old = sector_of(start, newer);
    std::ranges::copy(old.subspan(arrived),
                      torn["root.key"].begin() + static_cast<std::ptrdiff_t>(newer * kSector + arrived));
    put_back(folder, torn);
    Slots slots = open();
    EXPECT_EQ(slots.generation(), 2U);
    expect_neighbours(slots);
    EXPECT_FALSE(may_hold_key(sector_of(snapshot(folder), newer))) << "what arrived of the key is overwritten";
    EXPECT_EQ(must(slots.erase({2})), 3U);
  }
}

TEST_F(SlotsTest, AHalfOverwrittenOldSectorIsOverwrittenAgain) {
  Folder cut = cut_with_both_sectors_valid();
  const std::size_t older = must(get_sector(sector_of(cut, 0))).generation == 2 ? 0 : 1;
  for (std::size_t i = 512; i < kSector; ++i) cut["root.key"][older * kSector + i] = std::byte{0xaa};
  put_back(folder, cut);
  EXPECT_EQ(open().generation(), 3U);
  EXPECT_FALSE(may_hold_key(sector_of(snapshot(folder), older)));
}

TEST_F(SlotsTest, NoValidSectorIsDamaged) {
  rewrite(folder / "root.key", [](Bytes& bytes) { std::ranges::fill(bytes, std::byte{0}); });
  EXPECT_FAULT(Fault::damaged, Slots::open(place));
  rewrite(folder / "root.key", [](Bytes& bytes) { bytes.clear(); });
  EXPECT_FAULT(Fault::damaged, Slots::open(place));
  fs::remove(folder / "root.key");
  EXPECT_FAULT(Fault::damaged, Slots::open(place));
}

TEST_F(SlotsTest, AMissingNewRootNeverFallsBackToTheOldGeneration) {
  const Folder cut = cut_with_both_sectors_valid();
  for (const char* missing : {"root.3", "leaf.0.3"}) {
    Folder damaged = cut;
    damaged.erase(missing);
    put_back(folder, damaged);
    EXPECT_FAULT(Fault::damaged, Slots::open(place)) << missing;
    EXPECT_TRUE(base::exists(folder / "root.2")) << "nothing is removed from a damaged store";
  }
}

// ---- damage ----

TEST_F(SlotsTest, AFlippedBitInAnyRegionIsDamaged) {
  const Folder start = snapshot(folder);
  const std::size_t ruling = get_sector(sector_of(start, 0)) ? 0 : kSector;
  const std::vector<std::pair<const char*, std::vector<std::size_t>>> regions{
      {"leaf.0.2", {0, 7, 8, 11, 12, 19, 20, 23, 24, 63, 64, 64 + 32, 64 + 131071, kLeafImage - 16, kLeafImage - 1}},
      {"root.2", {0, 8, 12, 20, 24, 63, 64, 71, 72, 103, 104, 111, 112, 127}},
      {"root.key", {ruling, ruling + 7, ruling + 8, ruling + 15, ruling + 16, ruling + 47, ruling + 48, ruling + 79}}};
  for (const auto& [name, offsets] : regions) {
    for (const std::size_t at : offsets) {
      put_back(folder, start);
      flip(folder / name, at);
      EXPECT_FAULT(Fault::damaged, Slots::open(place)) << name << " byte " << at;
    }
  }
}

TEST_F(SlotsTest, BytesThatMeanNothingMayFlip) {
  const std::size_t ruling = get_sector(sector_of(snapshot(folder), 0)) ? 0 : kSector;
  flip(folder / "root.key", ruling + 80);
  flip(folder / "root.key", (kSector - ruling) + 5);
  Slots slots = open();
  expect_neighbours(slots);
}

TEST_F(SlotsTest, ImagesOfAnotherSizeAreDamaged) {
  const Folder start = snapshot(folder);
  for (const char* name : {"leaf.0.2", "root.2"}) {
    const std::size_t size = start.at(name).size();
    for (const std::size_t wrong : {std::size_t{0}, std::size_t{63}, size - 40, size - 1, size + 1, size + 40}) {
      put_back(folder, start);
      rewrite(folder / name, [wrong](Bytes& bytes) { bytes.resize(wrong); });
      EXPECT_FAULT(Fault::damaged, Slots::open(place)) << name << " of " << wrong;
    }
  }
}

TEST_F(SlotsTest, AMissingLeafIsDamagedAlsoInARunningReader) {
  Slots slots = open();
  must(slots.reserve(4096));  // the last leaf used is another one
  fs::remove(folder / "leaf.0.2");
  EXPECT_FAULT(Fault::damaged, slots.read(0));
  EXPECT_OK(slots.read(4096));
  EXPECT_FAULT(Fault::damaged, slots.erase({0}));
  EXPECT_FAULT(Fault::damaged, Slots::open(place));
}

TEST_F(SlotsTest, AMissingRootIsDamaged) {
  fs::remove(folder / "root.2");
  EXPECT_FAULT(Fault::damaged, Slots::open(place));
}

TEST_F(SlotsTest, LeavesThatChangedPlacesAreDamaged) {
  {
    Slots slots = open();
    must(slots.reserve(4096));
    must(slots.erase({2, 4097}));
  }
  fs::rename(folder / "leaf.0.4", folder / "x");
  fs::rename(folder / "leaf.1.4", folder / "leaf.0.4");
  fs::rename(folder / "x", folder / "leaf.1.4");
  EXPECT_FAULT(Fault::damaged, Slots::open(place));
}

TEST_F(SlotsTest, AnOlderImageUnderTheNewNameIsDamaged) {
  const Folder start = snapshot(folder);
  must(open().erase({2}));
  fs::remove(folder / "leaf.0.3");
  write_new(folder / "leaf.0.3", start.at("leaf.0.2"));
  EXPECT_FAULT(Fault::damaged, Slots::open(place));
}

TEST_F(SlotsTest, ASymlinkInPlaceOfAnImageIsNotFollowed) {
  fs::rename(folder / "root.2", temp / "elsewhere");
  fs::create_symlink(temp / "elsewhere", folder / "root.2");
  EXPECT_FAULT(Fault::damaged, Slots::open(place));
}

TEST_F(SlotsTest, ForeignFilesStayAndForgottenImagesGo) {
  for (const char* name : {"README", "leaf.x", "leaf.1", "root.", "root.02", "leaf.0.3", "root.3", "leaf.9.1"})
    write_new(folder / name, base::as_bytes("x"));
  Slots slots = open();
  for (const char* name : {"README", "leaf.x", "leaf.1", "root.", "root.02"})
    EXPECT_TRUE(base::exists(folder / name)) << name;
  for (const char* name : {"leaf.0.3", "root.3", "leaf.9.1"}) EXPECT_FALSE(base::exists(folder / name)) << name;
}

TEST_F(SlotsTest, ALeftoverUnderTheNextNameDoesNotStopAnErase) {
  Slots slots = open();
  write_new(folder / "leaf.0.3", base::as_bytes("left by another process"));
  EXPECT_EQ(must(slots.erase({2})), 3U);
  expect_neighbours(slots, {2});
}

// ---- what is gone is gone ----

TEST_F(SlotsTest, NothingInTheFolderOpensWhatWasErased) {
  fs::create_directory(mirror);
  Slots slots = open_with_mirror();
  const Folder old = snapshot(folder);
  const Sector old_sector = std::move(valid_sectors(old).at(0));
  const Root old_root = must(open_root(old_sector.root_key, 2, old.at("root.2")));
  ASSERT_OK(open_leaf(old_root.leaves[0].key, 0, 2, old.at("leaf.0.2"))) << "the copy opened before";
  must(slots.erase({2}));

  for (const Path& where : {folder, mirror}) {
    const Folder now = snapshot(where);
    for (const auto& [name, bytes] : now) {
      EXPECT_FALSE(contains(bytes, before[2])) << name;
      EXPECT_FALSE(contains(bytes, old_sector.root_key.reveal())) << name;
      EXPECT_FALSE(contains(bytes, old_root.leaves[0].key.reveal())) << name;
      EXPECT_NE(bytes, old.at("root.2"));
      EXPECT_NE(bytes, old.at("leaf.0.2"));
    }
    // No 32 bytes of the key file, and no key that the store knows now, opens the old images.
    for (std::size_t at = 0; at + 32 <= 2 * kSector; ++at) {
      const SecretBytes key = must(SecretBytes::copy_of(ByteView(now.at("root.key")).subspan(at, 32)));
      ASSERT_TRUE(testkit::is_fault(open_root(key, 2, old.at("root.2")), Fault::damaged)) << at;
    }
    const Sector sector = std::move(valid_sectors(now).at(0));
    const Root root = must(open_root(sector.root_key, 3, now.at("root.3")));
    EXPECT_FAULT(Fault::damaged, open_leaf(root.leaves[0].key, 0, 2, old.at("leaf.0.2")));
    EXPECT_FAULT(Fault::damaged, open_leaf(sector.root_key, 0, 2, old.at("leaf.0.2")));
    const SecretBytes secrets = must(open_leaf(root.leaves[0].key, 0, 3, now.at("leaf.0.3")));
    EXPECT_FALSE(contains(secrets.reveal(), before[2]));
    EXPECT_TRUE(contains(secrets.reveal(), before[3])) << "the search itself works";
  }
}

TEST_F(SlotsTest, EveryCommitChangesEveryTouchedKey) {
  Slots slots = open();
  std::set<Bytes> keys;
  for (const SlotId slot : {10U, 11U, 12U, 13U}) {
    const std::uint64_t generation = must(slots.erase({slot}));
    const Folder now = snapshot(folder);
    ASSERT_EQ(valid_sectors(now).size(), 1U);
    const Sector sector = std::move(valid_sectors(now).at(0));
    const Root root = must(open_root(sector.root_key, generation, now.at(root_name(generation))));
    for (const SecretBytes* key : {&sector.root_key, &root.leaves[0].key})
      keys.insert(Bytes(key->reveal().begin(), key->reveal().end()));
  }
  EXPECT_EQ(keys.size(), 8U);
}

// ---- mirror ----

class SlotsMirror : public SlotsTest {
 protected:
  void SetUp() override {
    SlotsTest::SetUp();
    fs::create_directory(mirror);
    (void)open_with_mirror();
  }
  void expect_mirror_alone(std::uint64_t generation, const std::set<SlotId>& gone) {
    fs::remove_all(temp / "copy");
    put_back(temp / "copy", snapshot(mirror));
    Slots slots = must(Slots::open({temp / "copy", std::nullopt}));
    EXPECT_EQ(slots.generation(), generation);
    for (const SlotId slot : gone) EXPECT_FAULT(Fault::not_found, slots.read(slot));
    expect_neighbours(slots, gone);
  }
};

TEST_F(SlotsMirror, IsFilledAndOpensAsAStore) {
  EXPECT_FALSE(base::exists(mirror / "lock"));
  expect_mirror_alone(2, {});
  must(open_with_mirror().erase({2}));
  expect_mirror_alone(3, {2});
  EXPECT_EQ(valid_sectors(snapshot(mirror)).size(), 1U);
}

TEST(SlotsCreate, WithAMirrorMakesBoth) {
  const TempFolder temp;
  ASSERT_OK(Slots::create({temp / "slots", temp / "mirror"}));
  Slots slots = must(Slots::open({temp / "slots", std::nullopt}));
  Slots other = must(Slots::open({temp / "mirror", std::nullopt}));
  EXPECT_EQ(secret_of(slots, 7), secret_of(other, 7));
}

TEST_F(SlotsMirror, BehindIsRefilledAndItsOldKeyOverwritten) {
  const Sector old = std::move(valid_sectors(snapshot(mirror)).at(0));
  must(open().erase({2}));  // without the mirror
  EXPECT_EQ(open_with_mirror().level().reason.find("mirror is away"), std::string::npos);
  expect_mirror_alone(3, {2});
  for (const auto& [name, bytes] : snapshot(mirror)) EXPECT_FALSE(contains(bytes, old.root_key.reveal())) << name;
  EXPECT_FALSE(base::exists(mirror / "leaf.0.2"));
}

TEST_F(SlotsMirror, DamageInItIsRepaired) {
  const Folder start = snapshot(mirror);
  const std::vector<std::function<void()>> damages{
      [this] { flip(mirror / "leaf.0.2", 1000); },
      [this] { flip(mirror / "root.2", 70); },
      [this] { flip(mirror / "root.key", 20); },
      [this] { rewrite(mirror / "root.key", [](Bytes& b) { b.resize(100); }); },
      [this] { fs::remove(mirror / "leaf.0.2"); },
      [this] { fs::remove(mirror / "root.2"); },
      [this] { fs::remove(mirror / "root.key"); },
      [this] { put_back(mirror, {}); },
  };
  for (std::size_t i = 0; i < damages.size(); ++i) {
    SCOPED_TRACE(i);
    put_back(mirror, start);
    damages[i]();
    (void)open_with_mirror();
    expect_mirror_alone(2, {});
  }
}

TEST_F(SlotsMirror, OneCommitAheadAfterACutIsBroughtBack) {
  const Folder start = snapshot(folder);
  const Folder start_mirror = snapshot(mirror);
  bool seen = false;
  for (int k = 0;; ++k) {
    put_back(folder, start);
    put_back(mirror, start_mirror);
    FaultyFiles files(k, Loss::unsynced_is_lost);
    {
      Slots slots = must(Slots::open(mirrored, files));
      (void)slots.erase({2});
    }
    if (!files.reached()) break;
    const auto theirs = valid_sectors(snapshot(mirror));
    const auto ours = valid_sectors(snapshot(folder));
    if (theirs.size() != 2 || ours.size() != 1 || ours[0].generation != 2) continue;
    seen = true;
    Slots slots = open_with_mirror();
    EXPECT_EQ(slots.generation(), 2U);
    expect_mirror_alone(2, {});
    EXPECT_EQ(must(slots.erase({2})), 3U);
    expect_mirror_alone(3, {2});
  }
  EXPECT_TRUE(seen) << "no cut left the mirror ahead";
}

TEST_F(SlotsMirror, AheadByTheCutOfACommitAndAwayAtTheRestart) {
  const Folder start = snapshot(folder);
  for (int k = 0;; ++k) {
    FaultyFiles files(k, Loss::unsynced_is_lost);
    {
      Slots slots = must(Slots::open(mirrored, files));
      (void)slots.erase({2});
    }
    ASSERT_TRUE(files.reached());
    if (valid_sectors(snapshot(mirror)).size() == 2 && valid_sectors(snapshot(folder))[0].generation == 2) break;
    put_back(folder, start);
  }
  fs::rename(mirror, temp / "unplugged");
  EXPECT_EQ(open_with_mirror().level().level, 1);
  fs::rename(temp / "unplugged", mirror);
  Slots slots = open_with_mirror();
  expect_neighbours(slots);
  expect_mirror_alone(2, {});
}

TEST_F(SlotsMirror, AnOldStorePutBackIsRefusedAndTheMirrorKept) {
  const Folder old = snapshot(folder);
  must(open_with_mirror().erase({2}));
  const Folder newer = snapshot(mirror);
  put_back(folder, old);
  const auto opened = Slots::open(mirrored);
  ASSERT_TRUE(testkit::is_fault(opened, Fault::damaged));
  EXPECT_NE(opened.error().what.find(mirror.string()), std::string::npos);
  EXPECT_EQ(snapshot(mirror), newer);
}

TEST_F(SlotsMirror, AwayLowersTheLevelUntilItIsBack) {
  Slots slots = open_with_mirror();
  const auto level = slots.level().level;
  fs::rename(mirror, temp / "unplugged");
  EXPECT_EQ(must(slots.erase({2})), 3U) << "the store goes on";
  EXPECT_EQ(slots.level().level, 1);
  EXPECT_NE(slots.level().reason.find("mirror"), std::string::npos);
  EXPECT_EQ(open_with_mirror().level().level, 1);
  fs::rename(temp / "unplugged", mirror);
  EXPECT_EQ(must(slots.erase({3})), 4U);
  EXPECT_EQ(slots.level().level, level);
  expect_mirror_alone(4, {2, 3});
}

TEST_F(SlotsMirror, ThatCannotBeWrittenLowersTheLevel) {
  Slots slots = open_with_mirror();
  fs::remove_all(mirror);
  write_new(mirror, base::as_bytes("a file"));
  EXPECT_EQ(must(slots.erase({2})), 3U);
  EXPECT_EQ(slots.level().level, 1);
}

TEST_F(SlotsMirror, IsNamedWhenTheStoreIsDamaged) {
  const Folder start = snapshot(folder);
  for (const char* missing : {"root.key", "root.2", "leaf.0.2"}) {
    put_back(folder, start);
    fs::remove(folder / missing);
    const auto opened = Slots::open(mirrored);
    ASSERT_TRUE(testkit::is_fault(opened, Fault::damaged)) << missing;
    EXPECT_NE(opened.error().what.find(mirror.string()), std::string::npos) << opened.error().what;
  }
  expect_mirror_alone(2, {});
  fs::remove(mirror / "root.2");
  EXPECT_EQ(Slots::open(mirrored).error().what.find(mirror.string()), std::string::npos) << "that one does not help";
}

TEST_F(SlotsMirror, AnotherStoreIsNeverOverwritten) {
  const Slots::Place other{temp / "other", std::nullopt};
  must(Slots::create(other));
  const Folder theirs = snapshot(other.folder);
  EXPECT_FAULT(Fault::usage, Slots::open({folder, other.folder}));
  EXPECT_FAULT(Fault::usage, Slots::open({folder, folder}));
  EXPECT_EQ(snapshot(other.folder), theirs);
}

// ---- several processes and threads ----

// Runs `work` in a child process; true when it returned true.
class Child {
 public:
  explicit Child(const std::function<bool()>& work) : pid_(fork()) {
    if (pid_ == 0) _exit(work() ? 0 : 1);
  }
  bool wait() {
    int status = 0;
    return waitpid(pid_, &status, 0) == pid_ && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  pid_t pid_;
};

TEST_F(SlotsTest, AReaderSeesTheGenerationOfAnotherProcess) {
  Slots slots = open();
  EXPECT_EQ(secret_of(slots, 2), before[2]);
  EXPECT_TRUE(Child([this] { return static_cast<bool>(open().erase({2})); }).wait());
  EXPECT_FAULT(Fault::not_found, slots.read(2));
  EXPECT_EQ(slots.generation(), 3U);
  expect_neighbours(slots, {2});
  EXPECT_EQ(must(slots.erase({3})), 4U) << "it builds on what the other one wrote";
  EXPECT_FAULT(Fault::not_found, open().read(2));
}

TEST_F(SlotsTest, ASecondWriterWaitsForTheLock) {
  Slots slots = open();
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  Child holder([&] {
    const auto lock = base::FileLock::take(folder / "lock", 0);
    if (!lock || write(ready[1], "x", 1) != 1) return false;
    usleep(300'000);
    return !base::exists(folder / "leaf.0.3");
  });
  char c = 0;
  ASSERT_EQ(read(ready[0], &c, 1), 1);
  const auto start = base::monotonic_ms();
  EXPECT_OK(slots.erase({2}));
  EXPECT_GE(base::monotonic_ms() - start, 200);
  EXPECT_TRUE(holder.wait());
  close(ready[0]);
  close(ready[1]);
}

TEST_F(SlotsTest, ManyProcessesEraseAndReadAtOnce) {
  constexpr SlotId each = 12;
  std::vector<Child> children;
  for (SlotId p = 0; p < 3; ++p) {
    children.emplace_back([this, p] {
      Slots slots = open();
      for (SlotId i = 0; i < each; ++i)
        if (!slots.erase({100 + p * each + i}) || slots.read(100 + p * each + i)) return false;
      return true;
    });
  }
  Slots slots = open();
  for (int i = 0; i < 300; ++i) expect_neighbours(slots);
  for (Child& child : children) EXPECT_TRUE(child.wait());
  for (SlotId slot = 100; slot < 100 + 3 * each; ++slot) EXPECT_FAULT(Fault::not_found, slots.read(slot));
  EXPECT_EQ(slots.generation(), 2 + 3 * each);
  expect_neighbours(slots);
}

TEST_F(SlotsTest, ManyThreadsShareOneObject) {
  Slots slots = open();
  std::vector<std::thread> threads;
  for (SlotId t = 0; t < 4; ++t) {
    threads.emplace_back([&slots, t] {
      for (SlotId i = 0; i < 5; ++i) {
        EXPECT_OK(slots.erase({200 + t * 5 + i}));
        EXPECT_OK(slots.read(0));
        EXPECT_OK(slots.reserve((t + 1) * kSlotsPerLeaf));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (SlotId slot = 200; slot < 220; ++slot) EXPECT_FAULT(Fault::not_found, slots.read(slot));
  EXPECT_EQ(slots.generation(), 2U + 20 + 4);
  expect_neighbours(slots);
}

TEST_F(SlotsTest, AKilledWriterIsFinishedByTheNext) {
  const Folder start = snapshot(folder);
  for (const Folder& cut : cuts_of_an_erase()) {
    put_back(folder, start);
    Slots running = open();  // another process that was there all the time
    put_back(folder, cut);
    const auto two = running.read(2);
    if (two) {
      EXPECT_EQ(secret_of(running, 2), before[2]);
    }
    EXPECT_OK(running.erase({2, 3}));
    EXPECT_FAULT(Fault::not_found, running.read(2));
    expect_neighbours(running, {2, 3});
    EXPECT_EQ(valid_sectors(snapshot(folder)).size(), 1U);
  }
}

// ---- level ----

TEST_F(SlotsTest, LevelIsTwoWhereOverwritesReachTheBlock) {
  std::string kind;
  if (!base::overwrites_in_place(temp.path(), kind))
    GTEST_SKIP() << "SKIPPED: TMPDIR is on " << kind << ", not on ext4 or xfs";
  EXPECT_EQ(open().level().level, 2);
  EXPECT_EQ(open().level().reason, "");
  fs::create_directory(mirror);
  EXPECT_EQ(open_with_mirror().level().level, 2);
}

TEST(SlotsLevel, IsOneOnTmpfsAndNamesIt) {
  std::string kind;
  if (base::overwrites_in_place("/dev/shm", kind) || kind != "tmpfs")
    GTEST_SKIP() << "SKIPPED: /dev/shm is not a tmpfs";
  const Path shm = Path("/dev/shm") / fs::unique_path("callvault-test-%%%%%%%%");
  ASSERT_OK(Slots::create({shm, std::nullopt}));
  const auto level = must(Slots::open({shm, std::nullopt})).level();
  EXPECT_EQ(level.level, 1);
  EXPECT_NE(level.reason.find("tmpfs"), std::string::npos);

  const TempFolder temp;  // a good store whose mirror is there
  ASSERT_OK(Slots::create({temp / "slots", std::nullopt}));
  const Path mirror = Path("/dev/shm") / fs::unique_path("callvault-test-%%%%%%%%");
  fs::create_directory(mirror);
  EXPECT_EQ(must(Slots::open({temp / "slots", mirror})).level().level, 1);
  fs::remove_all(shm);
  fs::remove_all(mirror);
}

TEST_F(SlotsTest, LevelIsOneWhileTheOldKeyIsNotOverwritten) {
  const Folder start = snapshot(folder);
  bool seen = false;
  for (int k = 0;; ++k) {
    put_back(folder, start);
    FaultyFiles files(k, Loss::all_is_kept);
    Slots slots = must(Slots::open(place, files));
    const auto erased = slots.erase({2});
    if (!files.reached()) break;
    EXPECT_FALSE(erased);
    EXPECT_EQ(slots.level().level, 1) << "cut at call " << k;
    seen = seen || valid_sectors(snapshot(folder)).size() == 2;
  }
  EXPECT_TRUE(seen);
}

// ---- against a model ----

TEST(SlotsModel, RandomWorkAgreesWithAPlainMap) {
  std::mt19937 random(20261123);
  const TempFolder temp;
  const Slots::Place place{temp / "slots", temp / "mirror"};
  must(Slots::create(place));
  std::map<SlotId, Bytes> model;  // empty: erased
  Slots slots = must(Slots::open(place));
  for (int step = 0; step < 150; ++step) {
    const SlotId slot = random() % (3 * kSlotsPerLeaf);
    switch (random() % 4) {
      case 0: must(slots.reserve(slot)); break;
      case 1: {
        std::set<SlotId> gone;
        for (const auto& [known, secret] : model)
          if (random() % 3 == 0) gone.insert(known);
        must(slots.erase(gone));
        for (const SlotId g : gone) model[g].clear();
        break;
      }
      case 2: slots = must(Slots::open(place)); break;
      default:
        if (auto secret = slots.read(slot); secret && !model.contains(slot))
          model[slot] = Bytes(secret->reveal().begin(), secret->reveal().end());
    }
    for (const auto& [known, secret] : model) {
      const auto now = slots.read(known);
      ASSERT_EQ(static_cast<bool>(now), !secret.empty()) << known;
      if (now) {
        ASSERT_TRUE(std::ranges::equal(now->reveal(), secret)) << known;
      }
    }
  }
  EXPECT_GT(slots.generation(), 20U);
}

}  // namespace
}  // namespace keys
