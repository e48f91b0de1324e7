// Random operations on the coverage of one small recording, beside a model of its client in bits. The client keeps what
// arrived on a handle that ended in order, up to where the next handle begins, and what is right before the place where
// a later one went on. What is called delivered, or due, it has.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <vector>

#include "vault/coverage.h"

namespace {

using vault::Coverage;

constexpr std::size_t kBytes = 24;
constexpr Coverage::Waits kWaits{30, 60};
using Bits = std::uint32_t;
constexpr Bits below(std::size_t at) { return (Bits{1} << std::min(at, kBytes)) - 1; }
constexpr Bits between(std::size_t begin, std::size_t end) { return below(end) & ~below(begin); }
constexpr Bits kAll = below(kBytes);
std::size_t lowest(Bits bits) { return static_cast<std::size_t>(std::countr_zero(bits)); }

// What a broken handle was sent, with one way of reading what it went on with.
struct Chain {
  Bits all;
  std::size_t start;  // where its chunk begins, if it is one
  bool operator==(const Chain&) const = default;
};

struct Handle {
  bool alone = true, counts = true, eof = false;
  std::size_t start = kBytes + 1;  // the lowest byte it was sent; kBytes + 1: no READ yet
  Bits got = 0, sent = 0;
  std::vector<Chain> resumed = {};  // what it goes on with: up to where it began
  std::deque<std::pair<std::size_t, std::size_t>> on_its_way = {};
  bool started() const { return start <= kBytes; }
};

// Which of several chains was resumed it does not decide: the client has what is before in each of them.
struct Model {
  std::map<Coverage::Handle, Handle> open = {};
  std::vector<Bits> finished = {};
  std::vector<Chain> tentative = {}, spent = {};  // spent: they cut nothing any more
  Bits cuts = 0;
  bool any_closed = false, doubtful = false, whole = false;

  void opened(Coverage::Handle h) {
    open.try_emplace(h);
    for (auto& [n, handle] : open) handle.alone = handle.alone && open.size() == 1;
    whole = false;
  }
  Bits starts() const {
    Bits out = cuts;
    for (const Bits part : finished) out |= Bits{1} << lowest(part);
    for (const Chain& part : tentative) out |= Bits{1} << part.start;
    return out;
  }
  void begin(Handle& handle, std::size_t at) {
    if (at == 0 && handle.alone) return forget(false);
    if (at == 0) {
      const bool first =
          (starts() & 1U) == 0 && std::ranges::none_of(open, [](const auto& o) { return o.second.start == 0; });
      for (auto& [n, other] : open) {
        other.resumed.clear();
        other.counts = other.counts && (first || &other == &handle);
      }
      cuts = starts();
      drop_parts();
      return;
    }
    if (!handle.alone) return;
    for (const auto* kind : {&tentative, &spent})
      for (const Chain& part : *kind) {
        std::size_t from = at;
        while (from > 0 && (part.all >> (from - 1) & 1U) != 0) --from;
        if (from == at) continue;
        add(handle.resumed, {between(from, at), part.start});
      }
    const auto taken = std::partition(tentative.begin(), tentative.end(),
                                      [&](const Chain& part) { return (part.all >> (at - 1) & 1U) == 0; });
    spent.insert(spent.end(), taken, tentative.end());
    tentative.erase(taken, tentative.end());
  }
  void sent(Handle& handle, std::size_t at, std::size_t length) {
    if (!handle.started()) begin(handle, at);
    if (handle.started() && at < handle.start) handle.resumed.clear(), handle.eof = false;
    handle.start = std::min(handle.start, at);
    handle.sent |= between(at, at + length);
  }
  void booked(Handle& handle, std::size_t at, std::size_t length, bool eof) {
    sent(handle, at, length);
    handle.got |= between(at, at + length);
    const Bits rest = between(handle.start, kBytes);
    handle.eof = handle.eof || (eof && (handle.got & rest) == rest);
  }
  void drop_parts() {
    finished.clear();
    tentative.clear();
    spent.clear();
  }
  void forget(bool doubt) {
    drop_parts();
    cuts = 0;
    any_closed = false;
    doubtful = doubt;
  }
  void cut(const Handle& handle) {
    if (handle.start < kBytes && !doubtful) cuts |= Bits{1} << handle.start;
  }
  bool lost_track(const Handle& handle) {
    if (handle.started() || (handle.alone && !any_closed)) return false;
    forget(true);
    return true;
  }
  void finish(const Handle& handle) {
    cut(handle);
    if (!handle.counts || doubtful) return;
    for (const Chain& part : handle.resumed) finished.push_back(part.all);
    if (handle.got != 0) finished.push_back(handle.got), any_closed = true;
  }
  bool closed(const Handle& handle) {
    const bool rule_a = handle.alone && handle.got == kAll;
    if (!lost_track(handle)) finish(handle);
    return whole = rule_a;
  }
  static Bits all_of(const Handle& handle, Bits own) {
    for (const Chain& part : handle.resumed) own |= part.all;
    return own;
  }
  void ended(const Handle& handle) {
    const bool chunk = handle.got != 0 && (handle.eof || (handle.got >> (kBytes - 1)) == 0);
    const bool proved = handle.counts && (handle.alone ? handle.eof && all_of(handle, handle.got) == kAll : chunk);
    if (!proved) return broken(handle);
    finish(handle);
    if (handle.alone) remember(spent, handle);
  }
  void broken(const Handle& handle) {
    if (lost_track(handle)) return;
    if (handle.alone && handle.counts && all_of(handle, handle.sent) != 0 && !doubtful)
      return remember(tentative, handle);
    cut(handle);
  }
  // The longest way cuts. What it was sent by itself is a way too: where it went on another chunk may begin.
  void remember(std::vector<Chain>& kind, const Handle& handle) {
    std::size_t longest = handle.start;
    for (const Chain& part : handle.resumed) longest = std::min(longest, part.start);
    add(kind, {all_of(handle, handle.sent), longest});
    for (const Chain& part : handle.resumed) add(spent, {part.all | handle.sent, std::min(handle.start, part.start)});
    if (handle.sent != 0) add(spent, {handle.sent, handle.start});
  }
  static void add(std::vector<Chain>& chains, const Chain& chain) {
    if (std::ranges::find(chains, chain) == chains.end()) chains.push_back(chain);
  }
  bool proved() const {
    const Bits known = starts();
    Bits has = 0;
    for (const Bits part : finished) {
      const Bits later = known & ~below(lowest(part) + 1);
      has |= part & below(later == 0 ? kBytes : lowest(later));
    }
    return has == kAll;
  }
};

}  // namespace

// Four bytes each: what happens (the highest bit: EOF behind it, or in company), the handle, offset, length.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Coverage coverage(kBytes, kWaits);
  Model model;
  for (std::size_t i = 0; i + 4 <= size; i += 4) {
    const std::uint64_t h = data[i + 1] % 8U;
    const std::size_t at = data[i + 2] % (kBytes + 1);
    const std::size_t length = std::max<std::size_t>(data[i + 3] % (kBytes + 1), at < kBytes ? 1 : 0);
    const int what = data[i] % 8;
    const bool flag = data[i] >= 128;
    const auto found = model.open.find(h);
    bool delivered = false;
    const auto arrive = [&](std::size_t pieces) {  // in the order in which they were sent
      for (auto& way = found->second.on_its_way; pieces > 0 && !way.empty(); --pieces) {
        const auto [begin, bytes] = way.front();
        way.pop_front();
        coverage.booked(h, begin, bytes);
        model.booked(found->second, begin, bytes, false);
      }
    };
    if (what == 5) {
      auto again = Coverage::parse(coverage.text(), kBytes, kWaits);
      if (!again) std::abort();
      coverage = std::move(*again);
      coverage.settle(1);
      while (!model.open.empty()) model.broken(model.open.extract(model.open.begin()).mapped());
    } else if (what == 0) {
      coverage.opened(h);
      model.opened(h);
    } else if (found == model.open.end()) {
      continue;
    } else if (what == 1) {
      arrive(kBytes * kBytes);
      coverage.booked(h, at, length, flag);
      model.booked(found->second, at, length, flag);
    } else if (what == 6) {
      coverage.sent(h, at, length);
      model.sent(found->second, at, length);
      found->second.on_its_way.emplace_back(at, length);
    } else if (what == 7) {
      arrive(1);
    } else {
      if (what == 3) arrive(kBytes * kBytes);
      const Handle handle = model.open.extract(found).mapped();
      if (what == 2) delivered = coverage.closed(h, 1, flag);
      if (what == 2 && delivered && flag) std::abort();
      if (what == 2 && !model.closed(handle) && delivered) std::abort();
      if (what == 3) coverage.ended(h, 1), model.ended(handle);
      if (what == 4) coverage.broken(h, 1), model.broken(handle);
    }
    if (delivered) return 0;
    if (coverage.due() && (!model.open.empty() || !(model.whole || model.proved()))) std::abort();
  }
  return 0;
}
