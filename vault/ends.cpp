#include "vault/ends.h"

#include <algorithm>

namespace vault {

using base::Result;

namespace {

constexpr std::uint64_t kAtOnce = 1024;

}  // namespace

std::optional<std::string> ended_by(const Audit::Entry& entry) {
  static const std::set<std::string> names{"recording.delivered", "delivery.revoked", "delivery.reissued",
                                           "grant.exported",      "grant.revoked",    "standing.revoked",
                                           "access.finished",     "access.expired",   "access.revoked"};
  if (!names.contains(entry.name) || entry.subjects.empty()) return std::nullopt;
  return entry.subjects[0];
}

Result<std::set<std::string>> Ends::unknown(std::set<std::string> ids) {
  const auto size = catalog_->audit_size();
  if (!size) return size.error();
  std::uint64_t lowest = *size;
  for (const auto& id : ids) {
    const auto at = searched_.find(id);
    lowest = std::min(lowest, at == searched_.end() ? 0 : at->second);
  }
  for (std::uint64_t end = *size; end > lowest && !ids.empty();) {
    const std::uint64_t begin = end - std::min(end - lowest, kAtOnce);
    const auto entries = audit_->entries(begin, static_cast<std::size_t>(end - begin), nullptr);
    if (!entries && entries.error().fault == base::Fault::damaged)
      return ids;  // what lies behind it vouches for nothing
    if (!entries) return entries.error();
    for (const auto& entry : *entries) {
      if (const auto id = ended_by(entry)) ids.erase(*id);
    }
    end = begin;
  }
  for (const auto& id : ids) searched_[id] = *size;
  return ids;
}

}  // namespace vault
