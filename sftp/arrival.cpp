#include "sftp/arrival.h"

#include <utility>

#include "base/secret.h"

namespace sftp {

Arrival::~Arrival() {
  for (auto& [offset, bytes] : early_) base::wipe(std::span(bytes));
}

Arrival::Verdict Arrival::add(std::uint64_t offset, base::ByteView data, const Take& take) {
  if (data.empty()) return Verdict::fine;
  if (offset < next_) return Verdict::again;
  if (offset - next_ > kWindow || data.size() > kWindow - (offset - next_)) return Verdict::too_far;
  const auto behind = early_.lower_bound(offset);
  if (behind != early_.end() && behind->first - offset < data.size()) return Verdict::again;
  if (behind != early_.begin()) {
    const auto& [at, bytes] = *std::prev(behind);
    if (at + bytes.size() > offset) return Verdict::again;
  }
  if (offset != next_) {
    early_.emplace(offset, base::Bytes(data.begin(), data.end()));
    return Verdict::fine;
  }
  if (!take(data)) return Verdict::failed;
  next_ += data.size();
  while (!early_.empty() && early_.begin()->first == next_) {
    auto bytes = std::move(early_.begin()->second);
    early_.erase(early_.begin());
    const bool taken = take(bytes);
    next_ += bytes.size();
    base::wipe(std::span(bytes));
    if (!taken) return Verdict::failed;
  }
  return Verdict::fine;
}

}  // namespace sftp
