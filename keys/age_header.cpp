#include "keys/age_header.h"

#include <algorithm>
#include <optional>

#include "keys/kdf.h"

namespace keys {
namespace {

using base::ByteView;
using base::Error;
using base::Fault;

constexpr std::string_view kIntro = "age-encryption.org/v1\n";
constexpr std::string_view kStanzaMark = "-> ";
constexpr std::string_view kMacMark = "---";
constexpr std::size_t kLongest = std::size_t{1024} * 1024;
constexpr std::size_t kColumns = 64;

Error bad(const char* what) { return {Fault::damaged, what}; }

// Walks over whole lines; a line without its newline is none.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  std::optional<std::string_view> next() {
    const std::size_t end = text_.find('\n', at_);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
  }
  std::size_t at() const { return at_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

std::optional<std::vector<std::string>> split_args(std::string_view text) {
  std::vector<std::string> args;
  for (;;) {
    const std::size_t space = text.find(' ');
    const std::string_view arg = text.substr(0, space);
    if (arg.empty() || std::any_of(arg.begin(), arg.end(), [](char c) { return c < 33 || c > 126; }))
      return std::nullopt;
    args.emplace_back(arg);
    if (space == std::string_view::npos) return args;
    text.remove_prefix(space + 1);
  }
}

// Full lines of 64 columns, then one that is shorter, possibly empty.
base::Result<base::Bytes> read_body(Lines& lines) {
  base::Bytes body;
  for (;;) {
    const auto line = lines.next();
    if (!line || line->size() > kColumns) return bad("stanza body without its end");
    const auto part = base::unbase64(*line, base::Padding::none);
    if (!part) return part.error().at("stanza body");
    base::put_raw(body, *part);
    if (line->size() < kColumns) return body;
  }
}

void put_text(base::Bytes& out, std::string_view text) { base::put_raw(out, base::as_bytes(text)); }

// Everything that the MAC covers.
base::Bytes print_covered(const std::vector<Stanza>& stanzas) {
  base::Bytes out = base::to_bytes(kIntro);
  for (const Stanza& stanza : stanzas) {
    put_text(out, "->");
    for (const std::string& arg : stanza.args) {
      put_text(out, " ");
      put_text(out, arg);
    }
    put_text(out, "\n");
    const std::string body = base::base64(stanza.body, base::Padding::none);
    for (std::size_t at = 0; at <= body.size(); at += kColumns) {
      put_text(out, std::string_view(body).substr(at, kColumns));
      put_text(out, "\n");
    }
  }
  put_text(out, kMacMark);
  return out;
}

base::Bytes with_mac(base::Bytes covered, ByteView mac) {
  put_text(covered, " ");
  put_text(covered, base::base64(mac, base::Padding::none));
  put_text(covered, "\n");
  return covered;
}

base::Result<base::SecretBytes> mac_of(const base::SecretBytes& file_key, ByteView covered) {
  const auto key = hkdf_sha256(file_key.reveal(), {}, base::as_bytes("header"), 32);
  if (!key) return key.error();
  return base::SecretBytes::copy_of(hmac_sha256(*key, covered));
}

}  // namespace

base::Result<ParsedHeader> parse_age_header(ByteView in) {
  const std::string_view text = base::as_text(in.first(std::min(in.size(), kLongest)));
  if (!text.starts_with(kIntro)) return bad("not an age v1 file");
  Lines lines(text);
  (void)lines.next();
  ParsedHeader out{};
  for (;;) {
    const std::size_t start = lines.at();
    const auto line = lines.next();
    if (!line) return bad("age header without its end");
    if (line->starts_with(kStanzaMark)) {
      auto args = split_args(line->substr(kStanzaMark.size()));
      if (!args) return bad("bad stanza argument");
      auto body = read_body(lines);
      if (!body) return body.error();
      out.header.stanzas.push_back({std::move(*args), std::move(*body)});
      continue;
    }
    if (!line->starts_with("--- ")) return bad("unknown line in age header");
    auto mac = base::unbase64(line->substr(4), base::Padding::none);
    if (!mac) return mac.error().at("header MAC");
    if (mac->size() != 32 || out.header.stanzas.empty()) return bad("age header without stanza or MAC");
    out.header.mac = std::move(*mac);
    out.size = lines.at();
    out.mac_covers = start + kMacMark.size();
    return out;
  }
}

base::Bytes print_age_header(const AgeHeader& header) { return with_mac(print_covered(header.stanzas), header.mac); }

base::Result<base::Bytes> make_age_header(const base::SecretBytes& file_key, const std::vector<Stanza>& stanzas) {
  base::Bytes covered = print_covered(stanzas);
  const auto mac = mac_of(file_key, covered);
  if (!mac) return mac.error();
  return with_mac(std::move(covered), mac->reveal());
}

base::Result<void> verify_age_mac(const base::SecretBytes& file_key, ByteView in, const ParsedHeader& parsed) {
  const auto expected = mac_of(file_key, in.first(parsed.mac_covers));
  if (!expected) return expected.error();
  const auto found = base::SecretBytes::copy_of(parsed.header.mac);
  if (!found) return found.error();
  if (!(*expected == *found)) return bad("header MAC does not verify");
  return {};
}

}  // namespace keys
