// Random operations on the coverage of one small recording: what is called delivered, or due, was sent byte for byte on
// handles that ended in order, or right before the place where a later one went on.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <vector>

#include "vault/coverage.h"

namespace {

constexpr std::size_t kBytes = 24;
constexpr vault::Coverage::Waits kWaits{30, 60};
using Bits = std::uint32_t;
constexpr Bits kAll = (Bits{1} << kBytes) - 1;

struct Handle {
  bool started = false;
  Bits got = 0, resumed = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vault::Coverage coverage(kBytes, kWaits);
  std::map<vault::Coverage::Handle, Handle> open;
  Bits ended = 0, broken = 0;
  for (std::size_t i = 0; i + 4 <= size; i += 4) {
    const std::uint64_t h = data[i + 1] % 8U;
    const std::size_t at = data[i + 2] % (kBytes + 1), length = data[i + 3] % (kBytes + 1);
    const auto found = open.find(h);
    const int what = data[i] % 6;
    bool delivered = false;
    if (what == 5) {
      auto again = vault::Coverage::parse(coverage.text(), kBytes, kWaits);
      if (!again) std::abort();
      coverage = std::move(*again);
      coverage.settle(1);
      for (const auto& [n, handle] : open) broken |= handle.got | handle.resumed;
      open.clear();
    } else if (what == 0) {
      coverage.opened(h);
      open.try_emplace(h);
    } else if (found == open.end()) {
      continue;
    } else if (what == 1) {
      coverage.booked(h, at, length, data[i] >= 128);
      Handle& handle = found->second;
      for (std::size_t b = at; !handle.started && b > 0 && (broken >> (b - 1) & 1U) != 0; --b)
        handle.resumed |= Bits{1} << (b - 1);
      handle.started = true;
      for (std::size_t b = at; b < std::min(at + length, kBytes); ++b) handle.got |= Bits{1} << b;
    } else {
      const Bits all = found->second.got | found->second.resumed;
      if (what == 2) delivered = coverage.closed(h, 1);
      if (what == 3) coverage.ended(h, 1);
      if (what == 4) coverage.broken(h, 1);
      if (what != 4) ended |= all;
      if (what != 2) broken |= all;
      open.erase(found);
    }
    if ((delivered || coverage.due()) && (ended != kAll || (coverage.due() && !open.empty()))) std::abort();
    if (delivered) return 0;
  }
  return 0;
}
