#include "sftp/admission.h"

#include <algorithm>
#include <utility>

namespace sftp {

namespace {

constexpr std::size_t kManyBuckets = 10'000;
constexpr double kMinuteMs = 60'000;

}  // namespace

double Admission::refilled(const Bucket& bucket, std::int64_t now_ms) const {
  const double passed = static_cast<double>(now_ms - bucket.at_ms);
  return std::min(settings_.burst, bucket.tokens + passed * settings_.new_per_minute / kMinuteMs);
}

// A full bucket says no more than none.
void Admission::drop_full_buckets(std::int64_t now_ms) {
  std::erase_if(buckets_, [&](const auto& b) { return refilled(b.second, now_ms) >= settings_.burst; });
}

bool Admission::spend(const std::string& address, std::int64_t now_ms) {
  if (buckets_.size() >= kManyBuckets) drop_full_buckets(now_ms);
  if (buckets_.size() >= kManyBuckets) return false;
  Bucket& bucket = buckets_.try_emplace(address, Bucket{settings_.burst, now_ms}).first->second;
  bucket = {refilled(bucket, now_ms), now_ms};
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

Admission::Verdict Admission::arrive(const std::string& address, std::int64_t now_ms) {
  if (!spend(address, now_ms) || connections_.size() >= settings_.connections) return {false};

  struct Waiting {
    std::size_t count = 0;
    Id oldest = 0;
    std::uint64_t order = ~std::uint64_t{0};
  };
  std::map<std::string, Waiting> by_address;
  std::size_t all = 0;
  for (const auto& [id, connection] : connections_) {
    if (connection.logged_in) continue;
    ++all;
    Waiting& waiting = by_address[connection.address];
    ++waiting.count;
    if (connection.order < waiting.order) waiting = {waiting.count, id, connection.order};
  }
  if (by_address[address].count >= settings_.unauthenticated_per_address) return {false};
  if (all < settings_.unauthenticated) return {true};
  const auto busiest = std::ranges::max_element(
      by_address, {}, [](const auto& entry) { return std::pair(entry.second.count, ~entry.second.order); });
  return {true, busiest->second.oldest};
}

void Admission::opened(Id id, std::string address) { connections_[id] = {std::move(address), false, next_++}; }

void Admission::logged_in(Id id) {
  if (const auto found = connections_.find(id); found != connections_.end()) found->second.logged_in = true;
}

void Admission::closed(Id id) { connections_.erase(id); }

}  // namespace sftp
