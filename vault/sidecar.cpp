#include "vault/sidecar.h"

#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "vault/metadata.h"

namespace vault {

namespace {

using nlohmann::json;

constexpr std::size_t kMostBytes = std::size_t{64} * 1024;

base::Error usage(std::string_view what) { return {base::Fault::usage, std::string(what)}; }

std::string_view next_line(std::string_view& text) {
  const auto end = text.find('\n');
  auto line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// "Name" <number> -> number; anything else stays as it is. The whole text stays in the sealed sidecar.
std::string_view caller_number(std::string_view caller) {
  const auto open = caller.rfind('<');
  if (open == std::string_view::npos || !caller.ends_with('>') || caller.size() - open < 3) return caller;
  return caller.substr(open + 1, caller.size() - open - 2);
}

std::optional<base::Seconds> epoch(std::string_view digits) {
  base::Seconds value = 0;
  const auto [stop, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code != std::errc{} || stop != digits.data() + digits.size() || value <= 0) return std::nullopt;
  return value;
}

}  // namespace

base::Result<CallFacts> parse_voicemail_txt(std::string_view text) {
  if (text.size() > kMostBytes) return usage("a voicemail side file is too long");
  std::map<std::string_view, std::string_view> values;
  bool inside = false, found = false;
  while (!text.empty()) {
    const auto line = next_line(text);
    if (line.starts_with('[')) {
      inside = line == "[message]";
      found = found || inside;
      continue;
    }
    const auto sign = line.find('=');
    if (!inside || line.starts_with(';') || sign == std::string_view::npos) continue;
    if (!values.emplace(line.substr(0, sign), line.substr(sign + 1)).second)
      return usage("a voicemail side file has a doubled key");
  }
  if (!found) return usage("not a voicemail side file: no [message] section");
  CallFacts facts;
  facts.convention = "asterisk-voicemail";
  facts.category = "message";
  facts.direction = "in";
  facts.started_at = epoch(values["origtime"]);
  facts.time_uncertain = !facts.started_at;
  facts.from = clean_utf8(caller_number(values["callerid"]));
  facts.to = facts.agent = clean_utf8(values["origmailbox"]);
  facts.reference = clean_utf8(values["msg_id"]);
  return facts;
}

base::Result<MetaFile> parse_meta_json(std::string_view text) try {
  if (text.size() > kMostBytes) return usage("the meta file is longer than 64 KiB");
  std::size_t keys = 0;
  const auto count = [&](int, json::parse_event_t event, json&) {
    keys += event == json::parse_event_t::key ? 1 : 0;
    return true;
  };
  const json object = json::parse(text, count, false);
  if (!object.is_object()) return usage("the meta file is not a JSON object");
  MetaFile out;
  std::string started_at;
  const std::map<std::string_view, std::string*> places = {
      {"started_at", &started_at}, {"from", &out.facts.from},           {"to", &out.facts.to},
      {"agent", &out.facts.agent}, {"direction", &out.facts.direction}, {"reference", &out.facts.reference},
      {"name", &out.name},         {"category", &out.facts.category}};
  for (const auto& [key, value] : object.items()) {
    const auto place = places.find(key);
    if (place == places.end())
      return usage(
          "the meta file has an unknown key; known are started_at, from, to, agent, direction, reference, name, "
          "category");
    if (!value.is_string()) return usage(std::string(place->first) + " in the meta file is not a string");
    *place->second = value.get<std::string>();
  }
  if (keys != object.size()) return usage("the meta file has a doubled key");
  const auto& direction = out.facts.direction;
  if (!direction.empty() && direction != "in" && direction != "out" && direction != "internal")
    return usage("direction in the meta file is not in, out or internal");
  if (object.contains("started_at")) {
    const auto time = base::parse_rfc3339(started_at);
    if (!time) return time.error().at("started_at in the meta file");
    out.facts.started_at = *time;
  }
  return out;
} catch (const json::exception&) {
  return usage("the meta file is not JSON");
}

}  // namespace vault
