#include "vault/intake.h"

#include "vault/collect.h"

namespace vault {

bool valid_category(std::string_view text) {
  return !text.empty() && text.size() <= 32 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

void describe(const CallFacts& facts, const std::string& category, base::Seconds now, Columns& columns, Metadata& m) {
  columns.category = !category.empty() ? category : valid_category(facts.category) ? facts.category : "inbound";
  columns.call_time = facts.started_at.value_or(now);
  m.convention = facts.convention;
  m.from = clean_utf8(facts.from);
  m.to = clean_utf8(facts.to);
  m.agent = clean_utf8(facts.agent);
  m.direction = clean_utf8(facts.direction);
  m.reference = clean_utf8(facts.reference);
  m.group = clean_utf8(facts.group);
  m.time_is_ingest = !facts.started_at;
  m.time_uncertain = facts.time_uncertain;
  m.parties_uncertain = facts.parties_uncertain;
}

base::Result<std::vector<std::string>> hold(Vault& vault, const Sealed& sealed, const std::string& quarantine,
                                            const std::string& source_key, const std::string& recorder) {
  if (auto r = vault.roster_is_newest(); !r) return r.error();  // else it is sealed for those who held the roles before
  RecordingRow row;
  row.columns = sealed.columns;
  row.quarantine = quarantine;
  row.record = sealed.record;
  if (auto set =
          vault.catalog().set_sealed(row, sealed.headers, sealed.metadata.version, sealed.metadata_payload, source_key);
      !set)
    return set.error();
  Event event{
      quarantine.empty() ? "recording.sealed" : "recording.quarantined", "service", {row.columns.recording}, ""};
  if (!recorder.empty()) {
    event.actor = "recorder";
    event.subjects.push_back(recorder);
  }
  if (auto r = vault.audit().note(event); !r) return r.error();
  if (!quarantine.empty()) return std::vector<std::string>();
  return collect(vault, sealed);
}

}  // namespace vault
