#include "cli/recording_view.h"

#include <nlohmann/json.hpp>

#include "cli/output.h"

namespace cli {

using Json = nlohmann::ordered_json;

namespace {

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }
Json time_or_null(base::Seconds time) { return time == 0 ? Json(nullptr) : Json(base::rfc3339(time)); }

}  // namespace

std::string recording_json(const vault::RecordingRow& row, const vault::Metadata* metadata, Detail detail) {
  const vault::Columns& c = row.columns;
  Json json{{"id", c.recording},
            {"class", c.klass},
            {"customer", text_or_null(c.customer)},
            {"category", c.category},
            {"started_at", base::rfc3339(c.call_time)},
            {"size", c.size},
            {"state", row.state},
            {"restricted", row.restricted_at != 0},
            {"quarantined", text_or_null(row.quarantine)}};
  if (metadata != nullptr) json["name"] = metadata->name;
  if (detail == Detail::everything) {
    json["received_at"] = time_or_null(row.received_at);
    json["ended_at"] = time_or_null(row.ended_at);
    json["erased_because"] = text_or_null(row.reason);
    json["restricted_since"] = time_or_null(row.restricted_at);
    if (metadata != nullptr) {
      const vault::Metadata& m = *metadata;
      json["sha256"] = m.sha256;
      json["version"] = m.version;
      json["convention"] = text_or_null(m.convention);
      json["from"] = text_or_null(m.from);
      json["to"] = text_or_null(m.to);
      json["agent"] = text_or_null(m.agent);
      json["direction"] = text_or_null(m.direction);
      json["reference"] = text_or_null(m.reference);
      json["group"] = text_or_null(m.group);
      json["time_is_ingest"] = m.time_is_ingest;
      json["time_uncertain"] = m.time_uncertain;
      json["parties_uncertain"] = m.parties_uncertain;
      json["sidecar"] = text_or_null(m.sidecar);
    }
  }
  return json.dump(2, ' ', true, Json::error_handler_t::replace);
}

std::string metadata_lines(const vault::Metadata& m) {
  std::string out;
  const auto line = [&](const char* label, const std::string& value) {
    if (!value.empty()) out += std::string(label) + ": " + escaped(value) + "\n";
  };
  line("name", m.name);
  line("from", m.from);
  line("to", m.to);
  line("agent", m.agent);
  line("direction", m.direction);
  line("reference", m.reference);
  line("group", m.group);
  line("recorder", m.convention);
  line("sha256", m.sha256);
  line("note", m.time_is_ingest ? "the time of the call is not known: this is when it was taken in" : "");
  line("note", m.time_uncertain ? "the time of the call is uncertain" : "");
  line("note",
       m.parties_uncertain ? "the numbers are uncertain: the recorder's file name can be read in two ways" : "");
  return out;
}

}  // namespace cli
