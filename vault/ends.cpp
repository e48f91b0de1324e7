#include "vault/ends.h"

#include <algorithm>

namespace vault {

using base::Result;

namespace {

constexpr std::uint64_t kMostAtOnce = 4096;

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
  std::set<std::string> missing;
  std::uint64_t at_once = ids.size() + 16;  // mostly the last act has them all
  for (std::uint64_t end = *size;; at_once = std::min(2 * at_once, kMostAtOnce)) {
    std::erase_if(ids, [&](const std::string& id) {
      const auto at = searched_.find(id);
      if ((at == searched_.end() ? 0 : at->second) < end) return false;
      missing.insert(id);
      return true;
    });
    if (ids.empty()) break;
    const std::uint64_t begin = end - std::min(end, at_once);
    const auto entries = audit_->entries(begin, static_cast<std::size_t>(end - begin), nullptr);
    if (!entries && entries.error().fault == base::Fault::damaged) {  // what lies behind it vouches for nothing
      missing.merge(ids);
      return missing;
    }
    if (!entries) return entries.error();
    for (const auto& entry : *entries) {
      if (const auto id = ended_by(entry)) ids.erase(*id);
    }
    end = begin;
  }
  for (const auto& id : missing) searched_[id] = *size;
  return missing;
}

}  // namespace vault
