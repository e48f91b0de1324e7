// Key-slot store: what one erase costs, alone and with others in the same commit, with and without a mirror, and what a
// reader pays. The folder is CALLVAULT_BENCH_DIR (default: the current one); its file system and disk decide the
// result.
#include <benchmark/benchmark.h>

#include <boost/filesystem/operations.hpp>
#include <cstdlib>

#include "keys/slots.h"

namespace {

namespace fs = boost::filesystem;

class Store {
 public:
  explicit Store(bool mirrored) : folder_(root() / fs::unique_path("bench-slots-%%%%%%%%")) {
    fs::create_directories(folder_);
    place_ = {folder_ / "slots", mirrored ? std::optional(folder_ / "mirror") : std::nullopt};
    if (!keys::Slots::create(place_)) std::abort();
  }
  ~Store() { fs::remove_all(folder_); }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  keys::Slots open() const {
    auto slots = keys::Slots::open(place_);
    if (!slots) std::abort();
    return std::move(*slots);
  }

 private:
  static base::Path root() {
    const char* set = std::getenv("CALLVAULT_BENCH_DIR");
    return set != nullptr ? base::Path(set) : fs::current_path();
  }

  base::Path folder_;
  keys::Slots::Place place_;
};

void erase(benchmark::State& state) {
  const auto batch = static_cast<keys::SlotId>(state.range(0));
  const Store store(state.range(1) != 0);
  keys::Slots slots = store.open();
  keys::SlotId next = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::set<keys::SlotId> gone;
    while (gone.size() < batch) gone.insert(next++);
    if (!slots.reserve(next)) std::abort();
    state.ResumeTiming();
    if (!slots.erase(gone)) std::abort();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(batch) * state.iterations());
}
BENCHMARK(erase)
    ->ArgNames({"batch", "mirror"})
    ->ArgsProduct({{1, 10, 100, 1000}, {0, 1}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void read(benchmark::State& state) {
  const Store store(false);
  keys::Slots slots = store.open();
  keys::SlotId slot = 0;
  for (auto _ : state) benchmark::DoNotOptimize(slots.read(slot++ % keys::kSlotsPerLeaf));
}
BENCHMARK(read);

void open_store(benchmark::State& state) {
  const Store store(false);
  keys::Slots slots = store.open();
  for (keys::SlotId leaf = 1; leaf < static_cast<keys::SlotId>(state.range(0)); ++leaf)
    if (!slots.reserve(leaf * keys::kSlotsPerLeaf)) std::abort();
  for (auto _ : state) benchmark::DoNotOptimize(store.open());
}
BENCHMARK(open_store)->ArgName("leaves")->Arg(1)->Arg(32)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
