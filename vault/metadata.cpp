#include "vault/metadata.h"

#include <nlohmann/json.hpp>

#include "vault/utf8.h"

namespace vault {

namespace {

using nlohmann::json;

constexpr std::string_view kFirstLine = "callvault/v1/metadata\n";
constexpr std::size_t kMostBytes = std::size_t{256} * 1024;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// One list of names for both directions: printing reads the fields, parsing fills them.
template <class M, class Each>
void each_field(M& m, Each&& each) {
  each("agent", m.agent);
  each("call_time", m.call_time);
  each("category", m.category);
  each("class", m.klass);
  each("convention", m.convention);
  each("customer", m.customer);
  each("direction", m.direction);
  each("from", m.from);
  each("group", m.group);
  each("name", m.name);
  each("parties_uncertain", m.parties_uncertain);
  each("recording", m.recording);
  each("reference", m.reference);
  each("sha256", m.sha256);
  each("sidecar", m.sidecar);
  each("size", m.size);
  each("time_is_ingest", m.time_is_ingest);
  each("time_uncertain", m.time_uncertain);
  each("to", m.to);
  each("version", m.version);
}

base::Error damaged(std::string_view what) { return {base::Fault::damaged, std::string(what)}; }

}  // namespace

base::Bytes print_metadata(const Metadata& metadata) {
  json object = json::object();
  each_field(metadata, [&](const char* name, const auto& value) { object[name] = value; });
  const auto text = object.dump(-1, ' ', false, json::error_handler_t::replace);
  return base::concat({base::as_bytes(kFirstLine), base::as_bytes(text)});
}

base::Result<Metadata> parse_metadata(base::ByteView text) try {
  if (text.size() > kMostBytes) return damaged("metadata is too long");
  const auto all = base::as_text(text);
  if (!all.starts_with(kFirstLine)) return damaged("not metadata of a version that this program knows");
  const json object = json::parse(all.substr(kFirstLine.size()), nullptr, false);
  if (!object.is_object()) return damaged("metadata is not a JSON object");
  for (const json& value : object)  // a fraction, or beyond 64 bits: no field is one, and converting it is undefined
    if (value.is_number_float()) return damaged("metadata holds a number that is no integer");
  Metadata out;
  each_field(out, [&](const char* name, auto& value) { object.at(name).get_to(value); });
  // One text for one meaning: no doubled, unknown or missing names, no other spelling of a number.
  const auto again = print_metadata(out);
  if (base::as_text(again) != all) return damaged("metadata is not in its one form");
  return out;
} catch (const json::exception&) {
  return damaged("metadata lacks a field, or one has another type");
}

std::string clean_utf8(std::string_view raw, std::size_t max) {
  std::string out;
  while (!raw.empty()) {
    const auto size = first_utf8(raw).size;
    const auto next = size == 0 ? kReplacement : raw.substr(0, size);
    if (out.size() + next.size() > max) break;
    out += next;
    raw.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

}  // namespace vault
