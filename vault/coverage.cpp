#include "vault/coverage.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace vault {

namespace {

constexpr std::string_view kSent = "sent ";
constexpr std::string_view kTentative = "tentative ";
constexpr std::string_view kFinished = "finished ";
constexpr std::string_view kCut = "cut ";
// Lines without a value, in this order.
constexpr std::string_view kDoubt = "doubt\n";
constexpr std::string_view kInChunks = "in-chunks\n";
constexpr std::string_view kBroke = "broke\n";
constexpr std::string_view kWhole = "whole\n";
constexpr std::string_view kWithoutClose = "without-close\n";

base::Error damaged(std::string_view what) { return {base::Fault::damaged, std::string(what)}; }

// A decimal number without sign or leading zeros.
std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc{} || stop != end || (text[0] == '0' && text.size() > 1)) return std::nullopt;
  return value;
}

// Cuts `text` behind the first `mark` and returns what stood before it; nullopt when there is none.
std::optional<std::string_view> cut(std::string_view& text, char mark) {
  const auto at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const auto head = text.substr(0, at);
  text.remove_prefix(at + 1);
  return head;
}

std::optional<std::string_view> after(std::string_view line, std::string_view word) {
  if (!line.starts_with(word)) return std::nullopt;
  return line.substr(word.size());
}

}  // namespace

void Ranges::add(std::uint64_t begin, std::uint64_t end) {
  if (begin == end) return;
  auto next = ranges_.upper_bound(begin);
  if (next != ranges_.begin() && std::prev(next)->second >= begin) --next;
  while (next != ranges_.end() && next->first <= end) {
    begin = std::min(begin, next->first);
    end = std::max(end, next->second);
    next = ranges_.erase(next);
  }
  ranges_.emplace_hint(next, begin, end);
}

void Ranges::add(const Ranges& other) {
  for (const auto& [begin, end] : other.ranges_) add(begin, end);
}

bool Ranges::covers(std::uint64_t begin, std::uint64_t end) const {
  if (begin == end) return true;
  const auto next = ranges_.upper_bound(begin);
  return next != ranges_.begin() && std::prev(next)->second >= end;
}

std::uint64_t Ranges::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [begin, end] : ranges_) sum += end - begin;
  return sum;
}

std::uint64_t Ranges::run_begin(std::uint64_t at) const {
  const auto next = ranges_.lower_bound(at);
  if (next == ranges_.begin() || std::prev(next)->second < at) return at;
  return std::prev(next)->first;
}

Ranges Ranges::within(std::uint64_t begin, std::uint64_t end) const {
  Ranges out;
  for (const auto& [from, to] : ranges_)
    if (from < end && to > begin) out.add(std::max(from, begin), std::min(to, end));
  return out;
}

std::string Ranges::text() const {
  std::string out;
  for (const auto& [begin, end] : ranges_) {
    if (!out.empty()) out += ',';
    out.append(std::to_string(begin)).append("-").append(std::to_string(end));
  }
  return out;
}

base::Result<Ranges> Ranges::parse(std::string_view text) {
  Ranges out;
  if (text.empty()) return out;
  std::optional<std::uint64_t> last;
  for (bool more = true; more;) {
    auto piece = cut(text, ',');
    if (!piece) piece = text, more = false;
    const auto first = cut(*piece, '-');
    if (!first) return damaged("a range is not of the form begin-end");
    const auto begin = number(*first);
    const auto end = number(*piece);
    if (!begin || !end || *begin >= *end) return damaged("a range is not begin-end with begin below end");
    if (last && *begin <= *last) return damaged("ranges touch or are not sorted");
    out.ranges_.emplace_hint(out.ranges_.end(), *begin, *end);
    last = end;
  }
  return out;
}

void Coverage::opened(Handle handle) {
  open_.try_emplace(handle);
  if (open_.size() > 1)
    for (auto& [other, part] : open_) part.alone = false;
  if (std::exchange(whole_, false)) in_chunks_ = true;  // what it waited for
  due_.reset();
}

bool Coverage::start(Part& part, std::uint64_t offset) {
  if (offset == 0) return begin_copy(part);
  part.odd = offset < size_ && !sent_around(offset);
  if (!part.alone) in_chunks_ = true;
  if (starts().contains(offset)) broke_ = true;
  if (part.alone) resume(part, offset);
  return false;
}

bool Coverage::sent_around(std::uint64_t offset) const {
  for (const auto* kind : {&finished_, &tentative_})
    for (const Ranges& part : *kind)
      if (part.run_begin(offset) < offset) return true;
  return false;
}

void Coverage::note_chunk(const Part& ended) {
  if (ended.odd && *ended.start > 0) in_chunks_ = true;  // it did not read what is before later on
}

bool Coverage::begin_copy(Part& part) {
  const bool had_parts = !finished_.empty() || !tentative_.empty();
  if (part.alone) {
    forget();
    return had_parts;
  }
  // Either the first chunk of a client whose other chunks are open, or, when there is a first chunk already, another
  // copy.
  bool another = starts().contains(0);
  for (const auto& [handle, other] : open_) another = another || other.start == 0U;
  for (auto& [handle, other] : open_) {
    take_back_resume(other);
    if (another && &other != &part) other.counts = false;
  }
  cuts_ = starts();  // handles that may be chunks of the same client still cut
  finished_.clear();
  without_close_ = false;
  tentative_.clear();
  return had_parts;
}

void Coverage::resume(Part& part, std::uint64_t offset) {
  const auto known = starts();
  std::uint64_t begin = 0;  // of several runs around `offset` the shortest: the least is claimed
  auto found = tentative_.end();
  for (auto run = tentative_.begin(); run != tentative_.end(); ++run) {
    const auto at = run->run_begin(offset);
    const auto other = known.upper_bound(at);
    const bool overran = other != known.end() && run->covers(at, *other + 1);  // a chunk, and what it kept is unknown
    if (at < offset && at >= begin && !overran) begin = at, found = run;
  }
  if (found == tentative_.end()) return;
  part.resumed.add(begin, offset);
  const std::uint64_t first = found->list().begin()->first;
  tentative_.erase(found);
  if (first < begin) cut_at(first);  // what it goes on with began further in front, and still cuts
}

bool Coverage::sent(Handle handle, std::uint64_t offset, std::uint64_t length) {
  const auto found = open_.find(handle);
  if (found == open_.end()) return false;
  Part& part = found->second;
  const bool new_copy = !part.start && start(part, offset);
  if (part.start && offset < *part.start) {  // it did not go on where its copy ended
    take_back_resume(part);
    part.eof = false;
  }
  part.start = std::min(part.start.value_or(offset), offset);
  if (offset < size_) add(part, part.sent, offset, std::min(length, size_ - offset));
  return new_copy;
}

bool Coverage::booked(Handle handle, std::uint64_t offset, std::uint64_t length, bool eof) {
  const auto found = open_.find(handle);
  if (found == open_.end()) return false;
  Part& part = found->second;
  const bool new_copy = sent(handle, offset, length);
  if (offset < size_) {
    length = std::min(length, size_ - offset);
    bytes_sent_ += length;
    add(part, part.ranges, offset, length);
  }
  const bool resumed_whole = *part.start >= size_ && !part.resumed.empty();
  if (eof && (size_ == 0 || resumed_whole || (*part.start < size_ && part.ranges.covers(*part.start, size_))))
    part.eof = true;
  return new_copy;
}

void Coverage::add(Part& part, Ranges& to, std::uint64_t offset, std::uint64_t length) {
  if (to.list().size() < kMostPieces) {
    to.add(offset, offset + length);
  } else {
    part.counts = false;
  }
}

bool Coverage::closed(Handle handle, std::int64_t now_ms, bool company) {
  auto node = open_.extract(handle);
  if (node.empty()) return false;
  Part& part = node.mapped();
  note_chunk(part);
  const bool rule_a = part.alone && part.counts && part.ranges.covers(0, size_);
  if (lost_track(part)) {
    doubt();
  } else if (!part.counts) {
    keep_start(part);
  } else if (part.start || size_ == 0) {
    finish(std::move(part));
  }
  if (rule_a && !in_chunks_ && !company) return true;
  whole_ = rule_a;
  settle(now_ms);
  return false;
}

// Without EOF behind it the client may still have wanted the end of the file. A handle that was alone must make up the
// file, since nobody can tell whether a chunk or an interrupted copy has ended.
bool Coverage::proved_by_end(const Part& part) const {
  if (!part.start || !part.counts) return false;
  const bool at_end = part.ranges.empty() ? size_ == 0 : part.ranges.list().rbegin()->second == size_;
  if (!part.alone) return size_ == 0 ? part.eof : !part.ranges.empty() && (part.eof || !at_end);
  Ranges all = part.ranges;
  all.add(part.resumed);
  return part.eof && all.covers(0, size_);
}

void Coverage::ended(Handle handle, std::int64_t now_ms) {
  const auto found = open_.find(handle);
  if (found == open_.end() || !proved_by_end(found->second)) return broken(handle, now_ms);
  auto node = open_.extract(found);
  Part& part = node.mapped();
  note_chunk(part);
  finish(std::move(part));
  without_close_ = !doubtful_;
  settle(now_ms);
}

void Coverage::broken(Handle handle, std::int64_t now_ms) {
  auto node = open_.extract(handle);
  if (node.empty()) return;
  Part& part = node.mapped();
  note_chunk(part);
  broke_ = broke_ || part.start;
  if (!part.start) {
    if (lost_track(part)) doubt();
  } else if (part.alone && part.counts) {
    if (part.sent.empty()) keep_start(part);
    part.sent.add(part.resumed);
    if (!part.sent.empty()) keep(tentative_, std::move(part.sent));
  } else {
    keep_start(part);
  }
  settle(now_ms);
}

// A handle without a READ beside others, or behind some: it could have been any chunk, which the others may have read
// over.
bool Coverage::lost_track(const Part& part) const {
  return !part.start && size_ > 0 && (!part.alone || !finished_.empty() || !cuts_.empty());
}

// A chunk begins where its client began to ask, whichever of its bytes have arrived.
void Coverage::finish(Part part) {
  if (part.ranges.empty() || part.ranges.list().begin()->first > part.start.value_or(size_)) keep_start(part);
  keep(finished_, std::move(part.resumed));
  keep(finished_, std::move(part.ranges));
}

void Coverage::keep(std::vector<Ranges>& parts, Ranges part) {
  if (doubtful_ || (part.empty() && size_ > 0)) return;
  parts.push_back(std::move(part));
  std::size_t pieces = 0;
  for (const auto* kind : {&finished_, &tentative_})
    for (const Ranges& kept : *kind) pieces += kept.list().size();
  if (parts.size() > kMostParts || pieces > kMostPiecesKept) doubt();
}

void Coverage::keep_start(const Part& part) {
  if (part.start) cut_at(*part.start);
  if (!part.resumed.empty()) cut_at(part.resumed.list().begin()->first);
}

// Where that which it went on with began is a beginning still.
void Coverage::take_back_resume(Part& part) {
  if (!part.resumed.empty()) cut_at(part.resumed.list().begin()->first);
  part.resumed = {};
}

void Coverage::cut_at(std::uint64_t offset) {
  if (doubtful_ || offset >= size_) return;
  cuts_.insert(offset);
  if (cuts_.size() > kMostParts) doubt();
}

void Coverage::forget() {
  finished_.clear();
  without_close_ = false;
  tentative_.clear();
  cuts_.clear();
  doubtful_ = broke_ = false;
}

void Coverage::doubt() {
  forget();
  doubtful_ = true;
}

void Coverage::settle(std::int64_t now_ms) {
  due_.reset();
  if (!open_.empty() || !(whole_ || complete())) return;
  const bool longer = without_close_ || (whole_ && in_chunks_);
  due_ = now_ms + (longer ? waits_.without_close_ms : waits_.settle_ms);
}

std::set<std::uint64_t> Coverage::starts() const {
  std::set<std::uint64_t> out = cuts_;
  for (const auto* kind : {&finished_, &tentative_})
    for (const Ranges& part : *kind)
      if (!part.empty()) out.insert(part.list().begin()->first);
  return out;
}

bool Coverage::complete() const {
  if (in_chunks_ && broke_) return false;
  if (finished_.empty()) return false;  // an empty recording needs a CLOSE too
  std::uint64_t missing = size_;
  for (const Ranges& part : finished_) missing -= std::min(missing, part.bytes());
  if (missing > 0) return false;
  const auto known = starts();
  Ranges all;
  for (const Ranges& part : finished_) {
    if (part.empty()) continue;
    const auto begin = part.list().begin()->first;
    const auto next = known.upper_bound(begin);
    all.add(part.within(begin, next == known.end() ? size_ : *next));
  }
  return all.covers(0, size_);
}

std::string Coverage::text() const {
  Coverage kept = *this;
  while (!kept.open_.empty()) kept.broken(kept.open_.begin()->first, 0);
  std::string out = std::string(kSent) + std::to_string(bytes_sent_) + "\n";
  if (kept.doubtful_) out += kDoubt;
  if (kept.in_chunks_) out += kInChunks;
  if (kept.broke_) out += kBroke;
  if (kept.whole_) out += kWhole;
  if (kept.without_close_) out += kWithoutClose;
  for (const Ranges& part : kept.finished_) out += std::string(kFinished) + part.text() + "\n";
  for (const Ranges& part : kept.tentative_) out += std::string(kTentative) + part.text() + "\n";
  for (const std::uint64_t at : kept.cuts_) out += std::string(kCut) + std::to_string(at) + "\n";
  return out;
}

base::Result<Coverage> Coverage::parse(std::string_view text, std::uint64_t size, Waits waits) {
  Coverage out(size, waits);
  const auto first = cut(text, '\n');
  const auto sent = first ? after(*first, kSent) : std::nullopt;
  const auto bytes = sent ? number(*sent) : std::nullopt;
  if (!bytes) return damaged("coverage does not begin with the bytes sent");
  out.bytes_sent_ = *bytes;
  const auto flag = [&text](std::string_view line) {
    const bool there = text.starts_with(line);
    if (there) text.remove_prefix(line.size());
    return there;
  };
  out.doubtful_ = flag(kDoubt);
  out.in_chunks_ = flag(kInChunks);
  out.broke_ = flag(kBroke);
  out.whole_ = flag(kWhole);
  out.without_close_ = flag(kWithoutClose);
  if (out.doubtful_ && !text.empty()) return damaged("coverage has parts beside doubt");
  while (!text.empty()) {
    const auto line = cut(text, '\n');
    if (!line) return damaged("coverage ends within a line");
    if (const auto at = after(*line, kCut)) {
      const auto cut_at = number(*at);
      if (!cut_at || *cut_at >= size) return damaged("coverage has a cut that is no offset");
      if (!out.cuts_.empty() && *cut_at <= *out.cuts_.rbegin())
        return damaged("coverage has its cuts in another order");
      out.cuts_.insert(*cut_at);
      continue;
    }
    const auto finished = after(*line, kFinished);
    const auto tentative = after(*line, kTentative);
    if (!finished && !tentative) return damaged("coverage has an unknown line");
    if (!out.cuts_.empty() || (finished && !out.tentative_.empty()))
      return damaged("coverage has its lines in another order");
    auto ranges = Ranges::parse(finished ? *finished : *tentative);
    if (!ranges) return ranges.error();
    if (!ranges->empty() && ranges->list().rbegin()->second > size) return damaged("coverage beyond the end");
    if (ranges->empty() && (tentative || size > 0)) return damaged("coverage has an empty part");
    (finished ? out.finished_ : out.tentative_).push_back(std::move(*ranges));
  }
  if (out.without_close_ && out.finished_.empty()) return damaged("coverage misses what ended without CLOSE");
  const auto is_whole = [size](const Ranges& part) { return part.covers(0, size); };
  if (out.whole_ && !out.doubtful_ && std::ranges::none_of(out.finished_, is_whole))
    return damaged("coverage misses what is whole");
  return out;
}

}  // namespace vault
