#include "vault/record.h"

#include <algorithm>

namespace vault {

namespace {

constexpr std::string_view kType = "callvault/v1/record";
constexpr std::size_t kCommitment = 32;

base::Error damaged(std::string_view what) { return {base::Fault::damaged, std::string(what)}; }

std::string print(const Record& record) {
  const Columns& c = record.columns;
  return keys::NoteFields{std::string(kType),
                          {{"recording", c.recording},
                           {"class", c.klass},
                           {"customer", c.customer},
                           {"category", c.category},
                           {"call-time", base::rfc3339(c.call_time)},
                           {"size", std::to_string(c.size)},
                           {"slot", std::to_string(c.slot)},
                           {"object", record.object_sha256},
                           {"metadata", record.metadata_sha256},
                           {"metadata-version", std::to_string(record.metadata_version)},
                           {"commitment", base::base64(record.commitment)}}}
      .print();
}

bool is_hex_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Takes the values of a record's fields one by one and remembers that one was missing or malformed.
class Fields {
 public:
  explicit Fields(const keys::NoteFields& fields) : fields_(fields) {}

  std::string text(std::string_view key) { return keep(fields_.get(key)); }
  base::Seconds time(std::string_view key) { return keep(base::parse_rfc3339(text(key))); }
  base::Bytes bytes(std::string_view key) { return keep(base::unbase64(text(key))); }
  std::uint64_t number(std::string_view key) {
    const auto value = keys::note_number(text(key));
    failed_ = failed_ || !value;
    return value.value_or(0);
  }
  bool failed() const { return failed_; }

 private:
  template <class T>
  T keep(base::Result<T> value) {
    if (value) return std::move(*value);
    failed_ = true;
    return T{};
  }

  const keys::NoteFields& fields_;
  bool failed_ = false;
};

// What no record may be; empty when it is fine. What passes here survives printing and parsing.
std::string_view flaw_of(const Record& record) {
  const Columns& c = record.columns;
  for (const auto& text : {c.recording, c.klass, c.customer, c.category})
    if (std::ranges::any_of(text, [](char x) { return static_cast<unsigned char>(x) < 0x20 || x == 0x7F; }))
      return "a control character in a field";
  if (c.recording.empty() || c.category.empty()) return "no recording or no category";
  if (c.klass != "own" && c.klass != "customer") return "an unknown class";
  if (c.customer.empty() != (c.klass == "own")) return "a customer that does not fit the class";
  if (!is_hex_sha256(record.object_sha256) || !is_hex_sha256(record.metadata_sha256)) return "a hash of another size";
  if (record.commitment.size() != kCommitment) return "a commitment of another size";
  const auto time = base::parse_rfc3339(base::rfc3339(c.call_time));
  if (!time || *time != c.call_time) return "a call time that cannot be written";
  return {};
}

base::Result<Record> parse(std::string_view text) {
  const auto fields = keys::NoteFields::parse(text, kType);
  if (!fields) return fields.error();
  Fields in(*fields);
  Record out;
  Columns& c = out.columns;
  c.recording = in.text("recording");
  c.klass = in.text("class");
  c.customer = in.text("customer");
  c.category = in.text("category");
  c.call_time = in.time("call-time");
  c.size = in.number("size");
  c.slot = in.number("slot");
  out.object_sha256 = in.text("object");
  out.metadata_sha256 = in.text("metadata");
  out.metadata_version = in.number("metadata-version");
  out.commitment = in.bytes("commitment");
  if (in.failed()) return damaged("a field of the record is missing or malformed");
  if (const auto flaw = flaw_of(out); !flaw.empty()) return damaged("the record has " + std::string(flaw));
  if (print(out) != text) return damaged("the record is not in its one form");
  return out;
}

}  // namespace

base::Result<std::string> sign_record(const Record& record, const keys::NoteSigner& service) {
  if (const auto flaw = flaw_of(record); !flaw.empty())
    return base::Error{base::Fault::usage, "the record has " + std::string(flaw)};
  return service.sign(print(record));
}

base::Result<Record> verify_record(std::string_view note, const std::vector<keys::NoteVerifier>& service_keys) {
  const auto verified = keys::verify_note(note, service_keys);
  if (!verified) return verified.error().at("ingest record");
  auto record = parse(verified->text);
  if (!record) return record.error().at("ingest record");
  return record;
}

base::Result<Record> RecordVerifier::verify(std::string_view note) {
  const keys::Sha256 hash = keys::sha256(base::as_bytes(note));
  if (const auto known = known_.find(hash); known != known_.end()) return known->second;
  auto record = verify_record(note, service_keys_);
  if (!record) return record;
  if (known_.size() >= kMostKnown) known_.clear();
  known_.emplace(hash, *record);
  return record;
}

base::Result<void> compare(const Record& record, const Columns& columns) {
  const Columns& signed_ones = record.columns;
  const auto differs = [](std::string_view field) {
    return damaged("the catalogue's " + std::string(field) + " differs from the ingest record");
  };
  if (signed_ones.recording != columns.recording) return differs("recording");
  if (signed_ones.klass != columns.klass) return differs("class");
  if (signed_ones.customer != columns.customer) return differs("customer");
  if (signed_ones.category != columns.category) return differs("category");
  if (signed_ones.call_time != columns.call_time) return differs("call time");
  if (signed_ones.size != columns.size) return differs("size");
  if (signed_ones.slot != columns.slot) return differs("slot");
  return {};
}

base::Result<void> compare(const Record& record, const Metadata& metadata) {
  const Columns& signed_ones = record.columns;
  const auto differs = [](std::string_view field) {
    return damaged("the metadata's " + std::string(field) + " differs from the ingest record");
  };
  if (signed_ones.recording != metadata.recording) return differs("recording");
  if (signed_ones.klass != metadata.klass) return differs("class");
  if (signed_ones.customer != metadata.customer) return differs("customer");
  if (signed_ones.category != metadata.category) return differs("category");
  if (signed_ones.call_time != metadata.call_time) return differs("call time");
  if (signed_ones.size != metadata.size) return differs("size");
  if (record.metadata_version != metadata.version) return differs("version");
  return {};
}

}  // namespace vault
