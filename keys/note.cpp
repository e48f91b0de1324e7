#include "keys/note.h"

#include <sodium.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "keys/kdf.h"

namespace keys {

using base::ByteView;
using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::string_view kSignatureMark = "\u2014 ";  // em dash and space, in UTF-8
constexpr std::byte kEd25519{1};                        // the signature type of C2SP signed notes
constexpr std::size_t kMaxNote = std::size_t{1} << 20;
constexpr std::size_t kMaxSignatures = 100;

const unsigned char* raw(ByteView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// The size of the UTF-8 sequence at the start of `s` (RFC 3629: no overlong forms, no surrogates); 0 when there is
// none.
std::size_t utf8_sequence(std::string_view s) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xc2 && first <= 0xdf   ? 2
                           : (first & 0xf0) == 0xe0         ? 3
                           : first >= 0xf0 && first <= 0xf4 ? 4
                                                            : 0;
  if (size == 0 || s.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((at(i) & 0xc0) != 0x80) return 0;
  const bool overlong = (first == 0xe0 && at(1) < 0xa0) || (first == 0xf0 && at(1) < 0x90);
  const bool outside = (first == 0xed && at(1) > 0x9f) || (first == 0xf4 && at(1) > 0x8f);
  return overlong || outside ? 0 : size;
}

// Lines of UTF-8, each with its newline, and no other control character.
bool is_note_text(std::string_view text) {
  if (text.empty() || text.back() != '\n') return false;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = utf8_sequence(text.substr(i));
    if (size == 0 || (is_control(text[i]) && text[i] != '\n')) return false;
    i += size;
  }
  return true;
}

bool is_field_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool is_key_name(std::string_view name) {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '+'; });
}

// Cuts the first line off `text`, which ends with a newline, and returns it without the newline.
std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

std::uint32_t key_hash(std::string_view name, ByteView public_key) {
  const std::byte newline{'\n'};
  const Sha256 digest = sha256(base::concat({base::as_bytes(name), {&newline, 1}, {&kEd25519, 1}, public_key}));
  return *base::Reader(digest).u32();
}

struct Signature {
  std::string_view name;
  std::uint32_t hash;
  base::Bytes bytes;
};

std::optional<Signature> parse_signature(std::string_view line) {
  if (!line.starts_with(kSignatureMark)) return std::nullopt;
  line.remove_prefix(kSignatureMark.size());
  const std::size_t space = line.find(' ');
  if (space == 0 || space == std::string_view::npos) return std::nullopt;
  const std::string_view name = line.substr(0, space);
  const auto blob = base::unbase64(line.substr(space + 1));
  if (!blob || blob->size() <= 4 || name.find('+') != std::string_view::npos) return std::nullopt;
  base::Reader in(*blob);
  const std::uint32_t hash = *in.u32();
  return Signature{name, hash, base::Bytes(blob->begin() + 4, blob->end())};
}

struct Note {
  std::string_view text;
  std::vector<Signature> signatures;  // one or more
};

std::optional<Note> parse_note(std::string_view note) {
  if (note.size() > kMaxNote || !is_note_text(note)) return std::nullopt;
  const std::size_t empty_line = note.rfind("\n\n");  // the text may have empty lines of its own: the last one counts
  if (empty_line == std::string_view::npos) return std::nullopt;
  Note out{note.substr(0, empty_line + 1), {}};
  std::string_view rest = note.substr(empty_line + 2);
  while (!rest.empty()) {
    auto signature = parse_signature(next_line(rest));
    if (!signature || out.signatures.size() == kMaxSignatures) return std::nullopt;
    out.signatures.push_back(std::move(*signature));
  }
  if (out.signatures.empty()) return std::nullopt;
  return out;
}

bool verifies(const NoteVerifier& key, std::string_view text, ByteView signature) {
  return signature.size() == crypto_sign_BYTES &&
         crypto_sign_verify_detached(raw(signature), raw(base::as_bytes(text)), text.size(), raw(key.key())) == 0;
}

}  // namespace

Result<NoteVerifier> NoteVerifier::make(std::string_view name, ByteView public_key) {
  if (!is_key_name(name))
    return Error{Fault::damaged, "the name of a signing key is empty or has a forbidden character"};
  if (public_key.size() != crypto_sign_PUBLICKEYBYTES || crypto_core_ed25519_is_valid_point(raw(public_key)) != 1)
    return Error{Fault::damaged, "not an Ed25519 public key"};
  NoteVerifier out;
  out.name_ = name;
  out.key_.assign(public_key.begin(), public_key.end());
  out.hash_ = key_hash(name, public_key);
  return out;
}

Result<NoteVerifier> NoteVerifier::parse(std::string_view text) {
  const Error not_a_key{Fault::damaged, "not a verifier key (NAME+HASH+KEY)"};
  const std::size_t name_end = text.find('+');
  if (name_end == std::string_view::npos) return not_a_key;
  const std::size_t hash_end = text.find('+', name_end + 1);
  if (hash_end == std::string_view::npos) return not_a_key;
  const auto typed = base::unbase64(text.substr(hash_end + 1));
  if (!typed || typed->empty() || typed->front() != kEd25519) return not_a_key;
  auto out = make(text.substr(0, name_end), ByteView(*typed).subspan(1));
  if (out && out->text() != text) return not_a_key;  // the hash is another key's, or written otherwise
  return out;
}

std::string NoteVerifier::text() const {
  base::Bytes hash;
  base::put_u32(hash, hash_);
  return name_ + "+" + base::hex(hash) + "+" + base::base64(base::concat({{&kEd25519, 1}, key_}));
}

Result<NoteSigner> NoteSigner::create(std::string_view name, const base::SecretBytes& seed) {
  if (seed.size() != crypto_sign_SEEDBYTES) return Error{Fault::usage, "a signing seed has 32 bytes"};
  auto secret = base::SecretBytes::zeros(crypto_sign_SECRETKEYBYTES);
  if (!secret) return secret.error();
  base::Bytes public_key(crypto_sign_PUBLICKEYBYTES);
  crypto_sign_seed_keypair(reinterpret_cast<unsigned char*>(public_key.data()),
                           reinterpret_cast<unsigned char*>(secret->reveal_to_write().data()), raw(seed.reveal()));
  auto verifier = NoteVerifier::make(name, public_key);
  if (!verifier) return Error{Fault::usage, verifier.error().what};
  return NoteSigner(std::move(*verifier), std::move(*secret));
}

Result<std::string> NoteSigner::sign(std::string_view text) const {
  if (!is_note_text(text)) return Error{Fault::usage, "a note is lines of UTF-8 without control characters"};
  base::Bytes blob;
  base::put_u32(blob, verifier_.hash());
  blob.resize(4 + crypto_sign_BYTES);
  crypto_sign_detached(reinterpret_cast<unsigned char*>(blob.data() + 4), nullptr, raw(base::as_bytes(text)),
                       text.size(), raw(key_.reveal()));
  std::string note(text);
  note.append("\n").append(kSignatureMark).append(verifier_.name()).append(" ").append(base::base64(blob)).append("\n");
  if (note.size() > kMaxNote) return Error{Fault::usage, "a note has at most 1 MiB"};
  return note;
}

Result<std::string> NoteSigner::cosign(std::string_view note) const {
  const auto parsed = parse_note(note);
  if (!parsed) return Error{Fault::damaged, "not a signed note"};
  auto ours = sign(parsed->text);
  if (!ours) return ours;
  std::string both = std::string(note) + ours->substr(parsed->text.size() + 1);  // its signature line
  if (!parse_note(both)) return Error{Fault::usage, "a note has at most 100 signatures and 1 MiB"};
  return both;
}

Result<VerifiedNote> verify_note(std::string_view note, const std::vector<NoteVerifier>& known) {
  const auto parsed = parse_note(note);
  if (!parsed) return Error{Fault::damaged, "not a signed note"};
  const NoteVerifier* signer = nullptr;
  for (const Signature& signature : parsed->signatures)
    for (const NoteVerifier& key : known) {
      if (key.name() != signature.name || key.hash() != signature.hash) continue;
      if (!verifies(key, parsed->text, signature.bytes))
        return Error{Fault::damaged, "the signature of a note does not verify"};
      if (signer == nullptr) signer = &key;
    }
  if (signer == nullptr) return Error{Fault::denied, "a note is not signed by a known key"};
  return VerifiedNote{std::string(parsed->text), signer->name()};
}

Result<NoteFields> NoteFields::parse(std::string_view text, std::string_view type) {
  const Error not_fields{Fault::damaged, "not a text of type " + std::string(type)};
  if (!is_note_text(text) || next_line(text) != type) return not_fields;
  NoteFields out{std::string(type), {}};
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos || !is_field_key(line.substr(0, colon))) return not_fields;
    out.fields.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
  return out;
}

std::string NoteFields::print() const {
  std::string out = type + "\n";
  for (const auto& [key, value] : fields) {
    if (!is_field_key(key) || std::any_of(value.begin(), value.end(), is_control)) std::abort();
    out.append(key).append(": ").append(value).append("\n");
  }
  return out;
}

Result<std::string> NoteFields::get(std::string_view key) const {
  const std::vector<std::string> values = all(key);
  if (values.size() == 1) return values.front();
  return Error{Fault::damaged, type + (values.empty() ? ": no line " : ": more than one line ") + std::string(key)};
}

std::vector<std::string> NoteFields::all(std::string_view key) const {
  std::vector<std::string> values;
  for (const auto& [name, value] : fields)
    if (name == key) values.push_back(value);
  return values;
}

std::optional<std::uint64_t> note_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || std::to_string(number) != text) return std::nullopt;
  return number;
}

}  // namespace keys
