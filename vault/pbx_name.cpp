#include "vault/pbx_name.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <vector>

#include "vault/metadata.h"
#include "vault/time_zone.h"

namespace vault {

namespace {

using std::string_view;
using Facts = std::optional<CallFacts>;

constexpr std::size_t kLongestPath = 4096;
constexpr std::size_t kLongestName = 255;
constexpr base::Seconds kDay = 86400;

// --- Small shapes

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool all_of(string_view text, bool (*is)(char)) { return !text.empty() && std::ranges::all_of(text, is); }
bool digits(string_view text, std::size_t size) { return text.size() == size && all_of(text, is_digit); }

// As a switch holds a number: an extension, or a number with or without a plus.
bool is_number(string_view text) { return all_of(text.starts_with('+') ? text.substr(1) : text, is_digit); }

bool is_uuid(string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' : !is_hex(text[i])) return false;
  return true;
}

// Cuts what stands behind the last `mark` off `text` and returns it; nullopt, and nothing cut, when there is none.
std::optional<string_view> cut_last(string_view& text, char mark) {
  const auto at = text.rfind(mark);
  if (at == string_view::npos) return std::nullopt;
  const auto tail = text.substr(at + 1);
  text = text.substr(0, at);
  return tail;
}

std::vector<string_view> split(string_view text, char mark) {
  std::vector<string_view> parts;
  while (const auto part = cut_last(text, mark)) parts.push_back(*part);
  parts.push_back(text);
  std::ranges::reverse(parts);
  return parts;
}

// "%40" -> "@": a call id that was made fit for a file name.
std::string unescaped(string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    const auto* const at = text.data() + i;
    if (text[i] == '%' && text.size() - i > 2 && std::from_chars(at + 1, at + 3, code, 16).ptr == at + 3) {
      out += static_cast<char>(code);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// --- Times

// `shape` holds Y, M, D, h, m, s for digits and anything else for itself. nullopt: another shape, or no such time.
std::optional<LocalTime> parse_time(string_view text, string_view shape) {
  if (text.size() != shape.size()) return std::nullopt;
  LocalTime t{0, 0, 0, 0, 0, 0};
  constexpr string_view letters = "YMDhms";
  const std::array<int*, letters.size()> fields = {&t.year, &t.month, &t.day, &t.hour, &t.minute, &t.second};
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto field = letters.find(shape[i]);
    if (field == string_view::npos ? text[i] != shape[i] : !is_digit(text[i])) return std::nullopt;
    if (field != string_view::npos) *fields[field] = *fields[field] * 10 + (text[i] - '0');
  }
  if (!exists(t)) return std::nullopt;
  return t;
}

void set_local_time(CallFacts& facts, const LocalTime& local, const std::string& zone) {
  const auto utc = to_utc(local, zone);
  facts.time_uncertain = !utc || utc->uncertain;
  if (utc) facts.started_at = utc->time;
}

// Seconds since 1970 in 9 or 10 digits.
std::optional<base::Seconds> parse_epoch(string_view text) {
  if (!digits(text, 9) && !digits(text, 10)) return std::nullopt;
  base::Seconds value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// The same where nothing but its value tells it from a telephone number: from 2017 to 2039.
std::optional<base::Seconds> likely_epoch(string_view text) {
  const auto value = parse_epoch(text);
  return value && *value >= 1'500'000'000 && *value < 2'200'000'000 ? value : std::nullopt;
}

// Asterisk's UNIQUEID without system name: "<epoch>.<n>".
std::optional<base::Seconds> parse_unique_id(string_view text) {
  const auto count = cut_last(text, '.');
  return count && all_of(*count, is_digit) ? parse_epoch(text) : std::nullopt;
}

bool is_system_name(string_view text) {
  return all_of(text, [](char c) { return is_digit(c) || is_letter(c) || c == '.' || c == '_' || c == '-'; });
}

// --- Parties

// Two number fields with `mark` between them; with more marks nobody knows where one ends.
void set_parties(CallFacts& facts, string_view to_and_from, char mark) {
  const auto fields = split(to_and_from, mark);
  facts.parties_uncertain = fields.size() != 2;
  facts.to = facts.parties_uncertain ? to_and_from : fields[0];
  facts.from = facts.parties_uncertain ? to_and_from : fields[1];
}

// --- The conventions. Each gets the name without its extension, and the folders above it.

struct Name {
  string_view stem;
  std::vector<string_view> folders;  // the nearest last
  const std::string& zone;

  string_view folder(std::size_t up) const { return up <= folders.size() ? folders[folders.size() - up] : ""; }
};

CallFacts of(string_view convention) {
  CallFacts facts;
  facts.convention = convention;
  return facts;
}

// DOMAIN/archive/2026/Nov/22/UUID: the name tells the day only; its last second keeps the recording long enough.
Facts fusionpbx_archive(const Name& name) {
  constexpr std::array<string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto month = std::ranges::find(months, name.folder(2));
  if (!is_uuid(name.stem) || name.folder(4) != "archive" || month == months.end()) return std::nullopt;
  const auto number = std::to_string(101 + (month - months.begin())).substr(1);  // "01" to "12"
  const auto day = std::string(name.folder(3)).append(number).append(name.folder(1)).append("235959");
  const auto time = parse_time(day, "YYYYMMDDhhmmss");
  if (!time) return std::nullopt;
  auto facts = of("fusionpbx");
  set_local_time(facts, *time, name.zone);
  facts.time_uncertain = true;
  facts.reference = name.stem;
  facts.group = name.folder(5);
  return facts;
}

// TO-FROM_2026-11-22 09:30
Facts fusionpbx_plain(const Name& name) {
  string_view rest = name.stem;
  const auto when = cut_last(rest, '_');
  const auto time = when ? parse_time(*when, "YYYY-MM-DD hh:mm") : std::nullopt;
  if (!time || rest.find('-') == string_view::npos) return std::nullopt;
  auto facts = of("fusionpbx");
  set_local_time(facts, *time, name.zone);
  set_parties(facts, rest, '-');
  return facts;
}

// UUID_20261122T09:30_UTC
Facts amazon_connect(const Name& name) {
  string_view rest = name.stem;
  const auto zone = cut_last(rest, '_');
  const auto when = cut_last(rest, '_');
  if (zone != "UTC" || !when || !is_uuid(rest)) return std::nullopt;
  auto time = parse_time(*when, "YYYYMMDDThh:mm");
  if (!time) time = parse_time(*when, "YYYYMMDDThh%3Amm");
  if (!time) return std::nullopt;
  auto facts = of("amazon-connect");
  set_local_time(facts, *time, "UTC");
  facts.reference = rest;
  if (name.folder(4) == "ivr") facts.group = "ivr";
  return facts;
}

// What a FreePBX name's first field makes of the other two.
void set_freepbx_type(CallFacts& facts, string_view type) {
  if (type == "in" || type == "external" || type == "q" || type == "rg") facts.direction = "in";
  if (type == "out" || type == "internal") facts.direction = type;
  if (facts.parties_uncertain) return;
  if (type == "out") facts.agent = facts.from;
  if (type == "internal" || type == "external" || type == "exten") facts.agent = facts.to;
  if (type == "q" || type == "rg") facts.group = facts.to;
}

// TYPE-TO-FROM-20261122-093015-[SYSTEM-]1795339815.1042; conferences and page groups: GROUP-FROM-POLICY-...
Facts freepbx(const Name& name) {
  constexpr std::array<string_view, 10> types = {"in", "out", "internal", "external", "exten",
                                                 "q",  "rg",  "force",    "generic",  "ondemand"};
  string_view rest = name.stem;
  const auto count = cut_last(rest, '-');
  const auto epoch = count ? parse_unique_id(*count) : std::nullopt;
  if (!epoch) return std::nullopt;
  string_view date, time;
  while (!digits(date, 8) || !digits(time, 6)) {  // what stands between time and count is the system name
    const auto token = cut_last(rest, '-');
    if (!token) return std::nullopt;
    time = date;
    date = *token;
  }
  const auto unique_id = string_view(time.data() + time.size() + 1, name.stem.data() + name.stem.size());
  const auto first = rest.find('-');
  if (first == string_view::npos) return std::nullopt;

  auto facts = of("freepbx");
  facts.started_at = epoch;
  facts.reference = unique_id;
  const auto local = parse_time(std::string(date).append(time), "YYYYMMDDhhmmss");
  const auto named = local ? to_utc(*local, name.zone) : base::Error{base::Fault::usage, "no such time"};
  facts.time_uncertain = !named || std::abs(named->time - *epoch) > kDay;

  const auto type = rest.substr(0, first);
  rest.remove_prefix(first + 1);
  if (std::ranges::find(types, type) != types.end()) {
    set_parties(facts, rest, '-');
    set_freepbx_type(facts, type);
    return facts;
  }
  facts.group = type;
  if (!cut_last(rest, '-')) return std::nullopt;  // the recording policy
  facts.parties_uncertain = rest.find('-') != string_view::npos;
  if (rest != type) facts.from = rest;  // a conference has its own number twice
  if (facts.parties_uncertain) facts.to = rest;
  return facts;
}

// 20261122-093015_NUMBER[_CAMPAIGN_AGENT]-in|out|all. The number is the customer's; which way the call went is unknown.
Facts vicidial(const Name& name) {
  constexpr string_view shape = "YYYYMMDD-hhmmss";
  string_view rest = name.stem;
  const auto leg = cut_last(rest, '-');
  const auto time = parse_time(rest.substr(0, shape.size()), shape);
  if (!time || (leg != "in" && leg != "out" && leg != "all")) return std::nullopt;
  rest.remove_prefix(shape.size());
  if (rest.size() < 2 || rest[0] != '_') return std::nullopt;
  rest.remove_prefix(1);
  auto facts = of("vicidial");
  set_local_time(facts, *time, name.zone);
  const auto fields = split(rest, '_');
  facts.parties_uncertain = fields.size() != 1 && fields.size() != 3;
  facts.from = facts.parties_uncertain ? rest : fields[0];
  if (facts.parties_uncertain) facts.to = rest;
  if (fields.size() == 3) facts.group = fields[1], facts.agent = fields[2];
  return facts;
}

// 20261122_093015_AAQK[-UID]: four letters that count and repeat, no id.
Facts oreka(const Name& name) {
  constexpr string_view shape = "YYYYMMDD_hhmmss_";
  const auto time = parse_time(name.stem.substr(0, shape.size()), shape);
  if (!time) return std::nullopt;
  const auto rest = name.stem.substr(shape.size());
  const bool collision = rest.size() > 5 && rest[4] == '-';
  if (!all_of(rest.substr(0, 4), [](char c) { return c >= 'A' && c <= 'Z'; })) return std::nullopt;
  if (rest.size() < 4 || (rest.size() > 4 && !collision)) return std::nullopt;
  auto facts = of("oreka");
  set_local_time(facts, *time, name.zone);
  return facts;
}

constexpr string_view kFreeswitchTime = "YYYY-MM-DD-hh-mm-ss";

// 2026-11-22-09-30-15.QUEUE.FROM.UUID
Facts freeswitch_callcenter(const Name& name) {
  string_view rest = name.stem;
  const auto uuid = cut_last(rest, '.');
  const auto time = parse_time(rest.substr(0, kFreeswitchTime.size()), kFreeswitchTime);
  if (!uuid || !is_uuid(*uuid) || !time) return std::nullopt;
  rest.remove_prefix(kFreeswitchTime.size());
  if (!rest.starts_with('.')) return std::nullopt;
  auto facts = of("freeswitch");
  set_local_time(facts, *time, name.zone);
  set_parties(facts, rest.substr(1), '.');
  facts.reference = *uuid;
  if (!facts.parties_uncertain) facts.group = facts.to;
  return facts;
}

// FROM.2026-11-22-09-30-15
Facts freeswitch_one_touch(const Name& name) {
  string_view rest = name.stem;
  const auto when = cut_last(rest, '.');
  const auto time = when ? parse_time(*when, kFreeswitchTime) : std::nullopt;
  if (!time || rest.empty()) return std::nullopt;
  auto facts = of("freeswitch");
  set_local_time(facts, *time, name.zone);
  facts.from = rest;
  facts.parties_uncertain = rest.find('.') != string_view::npos;
  if (facts.parties_uncertain) facts.to = rest;
  return facts;
}

// CONFERENCE_2026-11-22-10-00-00
Facts freeswitch_conference(const Name& name) {
  string_view rest = name.stem;
  const auto when = cut_last(rest, '_');
  const auto time = when ? parse_time(*when, kFreeswitchTime) : std::nullopt;
  if (!time || rest.empty()) return std::nullopt;
  auto facts = of("freeswitch");
  set_local_time(facts, *time, name.zone);
  facts.group = rest;
  return facts;
}

// 2026-11-22-09-30-15_TO_FROM
Facts freeswitch_custom(const Name& name) {
  const auto time = parse_time(name.stem.substr(0, kFreeswitchTime.size()), kFreeswitchTime);
  if (!time) return std::nullopt;
  const auto rest = name.stem.substr(kFreeswitchTime.size());
  if (!rest.starts_with('_') || rest.find('_', 1) == string_view::npos) return std::nullopt;
  auto facts = of("freeswitch");
  set_local_time(facts, *time, name.zone);
  set_parties(facts, rest.substr(1), '_');
  return facts;
}

// MAILBOX/msg_UUID
Facts freeswitch_voicemail(const Name& name) {
  constexpr string_view prefix = "msg_";
  if (!name.stem.starts_with(prefix) || !is_uuid(name.stem.substr(prefix.size()))) return std::nullopt;
  auto facts = of("freeswitch");
  facts.reference = name.stem.substr(prefix.size());
  facts.category = "message";
  facts.direction = "in";
  facts.to = facts.agent = name.folder(1);
  return facts;
}

// MAILBOX/INBOX/msg0003: all else stands in the side file msg0003.txt.
Facts asterisk_voicemail(const Name& name) {
  if (!name.stem.starts_with("msg") || !digits(name.stem.substr(3), 4)) return std::nullopt;
  auto facts = of("asterisk-voicemail");
  facts.category = "message";
  facts.direction = "in";
  facts.to = facts.agent = name.folder(2);
  return facts;
}

// CALL-ID-0f3c9d12ab45ef67-mix, or the number of one stream in hex in place of "mix"
Facts rtpengine(const Name& name) {
  string_view rest = name.stem;
  const auto stream = cut_last(rest, '-');
  const auto tag = cut_last(rest, '-');
  if (!tag || tag->size() != 16 || !all_of(*tag, is_hex) || rest.empty()) return std::nullopt;
  if (*stream != "mix" && (stream->size() > 8 || !all_of(*stream, is_hex))) return std::nullopt;
  auto facts = of("rtpengine");
  facts.reference = unescaped(rest);
  return facts;
}

// [SYSTEM-]1795339815.1042
Facts asterisk_queue(const Name& name) {
  string_view rest = name.stem;
  const auto last = cut_last(rest, '-');
  const auto epoch = parse_unique_id(last ? *last : name.stem);
  if (!epoch || (last && !is_system_name(rest))) return std::nullopt;
  auto facts = of("asterisk");
  facts.started_at = epoch;
  facts.reference = name.stem;
  return facts;
}

// confbridge-CONFERENCE-1795340900. Under a file name of the dialplan's own the number may be none of a time.
Facts asterisk_conference(const Name& name) {
  constexpr string_view prefix = "confbridge-";
  string_view rest = name.stem;
  const auto last = cut_last(rest, '-');
  const auto epoch = last ? likely_epoch(*last) : std::nullopt;
  if (!epoch || std::ranges::none_of(rest, is_letter)) return std::nullopt;
  auto facts = of("asterisk");
  facts.started_at = epoch;
  facts.time_uncertain = !rest.starts_with(prefix);
  facts.group = facts.time_uncertain ? rest : rest.substr(prefix.size());
  return facts;
}

// PREFIX-1795340900-SUFFIX or PREFIX-1795340900-FROM-TO; a channel's name in the suffix holds dashes too.
Facts asterisk_one_touch(const Name& name) {
  for (auto at = name.stem.find('-'); at != string_view::npos; at = name.stem.find('-', at + 1)) {
    const auto behind = name.stem.substr(at + 1);
    const auto end = behind.find('-');
    const auto epoch = end == string_view::npos ? std::nullopt : likely_epoch(behind.substr(0, end));
    if (!epoch || std::ranges::none_of(name.stem.substr(0, at), is_letter)) continue;
    auto facts = of("asterisk");
    facts.started_at = epoch;
    const auto suffix = behind.substr(end + 1);
    const auto fields = split(suffix, '-');
    facts.time_uncertain = std::ranges::any_of(fields, [](string_view f) { return likely_epoch(f).has_value(); });
    if (fields.size() == 2 && is_number(fields[0]) && is_number(fields[1])) {
      facts.from = fields[0], facts.to = fields[1];
    } else if (fields.size() > 1) {
      facts.from = facts.to = suffix;
      facts.parties_uncertain = true;
    }
    return facts;
  }
  return std::nullopt;
}

// The most specific first: a FreePBX name is a unique id with an odd system name too.
constexpr Facts (*kConventions[])(const Name&) = {fusionpbx_archive,
                                                  amazon_connect,
                                                  freepbx,
                                                  vicidial,
                                                  oreka,
                                                  fusionpbx_plain,
                                                  freeswitch_callcenter,
                                                  freeswitch_one_touch,
                                                  freeswitch_conference,
                                                  freeswitch_custom,
                                                  freeswitch_voicemail,
                                                  asterisk_voicemail,
                                                  rtpengine,
                                                  asterisk_queue,
                                                  asterisk_conference,
                                                  asterisk_one_touch};

// The name without the dot and extension of a sound file; nullopt when it has another, or nothing before it.
std::optional<string_view> without_extension(string_view name) {
  const auto extension = cut_last(name, '.');
  if (!extension || name.empty()) return std::nullopt;
  for (const string_view known : {"wav", "WAV", "gsm", "ulaw", "alaw", "sln", "g722", "mp3", "ogg", "opus"})
    if (*extension == known) return name;
  return std::nullopt;
}

}  // namespace

std::optional<CallFacts> parse_pbx_name(string_view path, const std::string& zone) {
  path = path.substr(path.size() - std::min(path.size(), kLongestPath));
  auto folders = split(path, '/');
  const auto file = folders.back();
  folders.pop_back();
  const auto stem = file.size() > kLongestName ? std::nullopt : without_extension(file);
  if (!stem) return std::nullopt;
  const Name name{*stem, std::move(folders), zone};
  for (const auto convention : kConventions) {
    auto facts = convention(name);
    if (!facts) continue;
    for (std::string* text : {&facts->from, &facts->to, &facts->agent, &facts->reference, &facts->group})
      *text = clean_utf8(*text);
    return facts;
  }
  return std::nullopt;
}

}  // namespace vault
