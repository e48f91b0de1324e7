#include "cli/ingest_view.h"

#include <nlohmann/json.hpp>

#include "cli/output.h"

namespace cli {

using Json = nlohmann::ordered_json;

std::string outcome_json(const vault::IngestOutcome& o) {
  const Json json{{"id", o.id.empty() ? Json(nullptr) : Json(o.id)},
                  {"name", o.name},
                  {"size", o.size},
                  {"sha256", o.sha256.empty() ? Json(nullptr) : Json(o.sha256)},
                  {"duplicate", o.duplicate},
                  {"quarantined", o.quarantined},
                  {"error", o.error ? Json(o.error->what) : Json(nullptr)}};
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string outcome_line(const vault::IngestOutcome& o) {
  std::string line = (o.id.empty() ? "-                 " : o.id) + "  " + escaped(o.name);
  if (o.duplicate) line += "  (in the vault already)";
  if (o.error) line += "  FAILED: " + escaped(o.error->what);
  return line;
}

}  // namespace cli
