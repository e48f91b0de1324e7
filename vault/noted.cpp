#include "vault/noted.h"

#include <algorithm>
#include <string_view>

namespace vault {

namespace {

constexpr std::size_t kAtOnce = 4096;
constexpr std::string_view kVersion = "version-";

bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

void take(Noted& all, const Audit::Entry& entry) {
  const auto& subjects = entry.subjects;
  if (subjects.empty()) return;
  if (entry.name == "recording.sealed") all.recordings[subjects[0]].sealed = true;
  if (entry.name == "recording.quarantined") all.recordings[subjects[0]].quarantined = true;
  if (entry.name == "recording.delivered") all.recordings[subjects[0]].delivered = true;
  if (entry.name == "recording.erased") all.recordings[subjects[0]].erased = true;
  if (const auto id = ended_by(entry)) all.ended.insert(*id);
  if (one_of(entry.name, {"delivery.made", "grant.made", "grant.exported", "standing.added"}))
    all.accesses.insert(subjects[0]);
  if (entry.name == "customer.added") all.customers.insert(subjects[0]);
  if (entry.name == "customer.closed") all.closed.insert(subjects[0]);
  if (entry.name == "recorder.added" && subjects.size() == 2) all.recorders[subjects[1]] = subjects[0];
  if (entry.name == "recorder.removed" && subjects.size() == 2) all.recorders.erase(subjects[1]);
  if (!one_of(entry.name, {"role.added", "role.removed", "key.rotated", "key.recovered", "roster.seen"})) return;
  for (const auto& subject : subjects) {
    if (!subject.starts_with(kVersion)) continue;
    const auto version = keys::note_number(std::string_view(subject).substr(kVersion.size()));
    all.roster_version = std::max(all.roster_version, version.value_or(0));
  }
}

}  // namespace

base::Result<Noted> noted(Vault& vault) {
  Noted all;
  for (std::uint64_t next = 0;;) {
    auto entries = vault.audit().entries(next, kAtOnce, nullptr);
    if (!entries) return entries.error();
    if (entries->empty()) return all;
    next = entries->back().seq + 1;
    for (const auto& entry : *entries) take(all, entry);
  }
}

}  // namespace vault
