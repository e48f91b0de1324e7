#include "keys/identity.h"

#include <sodium.h>

#include <algorithm>
#include <charconv>

#include "keys/aead.h"
#include "keys/age_file.h"
#include "keys/age_stream.h"
#include "keys/bech32.h"

namespace keys {
namespace {

using base::ByteView;
using base::Error;
using base::Fault;
using base::SecretBytes;

constexpr std::string_view kKeyPrefix = "AGE-SECRET-KEY-";
constexpr std::string_view kSeedLine = "# callvault-signing-seed: ";
constexpr std::size_t kSeed = 32;
constexpr std::size_t kSeedText = 44;  // base64
constexpr std::size_t kLongestFile = std::size_t{64} * 1024;
constexpr std::size_t kWrappedKey = kFileKey + kAeadTag;

Error damaged(const char* what) { return {Fault::damaged, what}; }

// Puts texts one behind the other into a secret of the right size.
class SecretText {
 public:
  static base::Result<SecretText> create(std::size_t size) {
    auto bytes = SecretBytes::zeros(size);
    if (!bytes) return bytes.error();
    return SecretText(std::move(*bytes));
  }
  void put(ByteView part) {
    std::copy(part.begin(), part.end(), bytes_.reveal_to_write().subspan(used_).begin());
    used_ += part.size();
  }
  void put(std::string_view part) { put(base::as_bytes(part)); }
  SecretBytes take() { return std::move(bytes_); }

 private:
  explicit SecretText(SecretBytes bytes) : bytes_(std::move(bytes)) {}
  SecretBytes bytes_;
  std::size_t used_ = 0;
};

base::Result<SecretBytes> seed_text(const SecretBytes& seed) {
  auto out = SecretBytes::zeros(kSeedText + 1);
  if (!out) return out;
  sodium_bin2base64(reinterpret_cast<char*>(out->reveal_to_write().data()), out->size(),
                    reinterpret_cast<const unsigned char*>(seed.reveal().data()), seed.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  out->shrink(kSeedText);  // without the final zero
  return out;
}

base::Result<SecretBytes> parse_seed(std::string_view text) {
  auto out = SecretBytes::zeros(kSeed);
  if (!out) return out;
  std::size_t size = 0;
  const char* end = nullptr;
  if (sodium_base642bin(reinterpret_cast<unsigned char*>(out->reveal_to_write().data()), kSeed, text.data(),
                        text.size(), nullptr, &size, &end, sodium_base64_VARIANT_ORIGINAL) != 0 ||
      size != kSeed || end != text.data() + text.size())
    return damaged("bad signing seed in identity file");
  return out;
}

base::Result<SecretBytes> parse_key(std::string_view line) {
  auto decoded = bech32_decode(base::as_bytes(line));
  if (!decoded) return decoded.error().at("secret key in identity file");
  if (!line.starts_with(kKeyPrefix) || decoded->prefix != "age-secret-key-" || decoded->data.size() != 32)
    return damaged("not an X25519 secret key in identity file");
  return std::move(decoded->data);
}

// A scrypt stanza stands alone: beside others, somebody who knows no passphrase could have written the file.
base::Result<void> check_lone_scrypt(const AgeHeader& header) {
  const auto scrypt = [](const Stanza& s) { return s.args[0] == "scrypt"; };
  if (header.stanzas.size() > 1 && std::any_of(header.stanzas.begin(), header.stanzas.end(), scrypt))
    return damaged("scrypt stanza beside others");
  return {};
}

base::Result<SecretBytes> with_mac_checked(SecretBytes file_key, ByteView in, const ParsedHeader& parsed) {
  if (auto r = verify_age_mac(file_key, in, parsed); !r) return r.error().at("mac");
  return file_key;
}

// Decimal, 1 to 20, no sign and no leading zero.
base::Result<unsigned> work_factor(std::string_view text) {
  unsigned log_n = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), log_n);
  if (code != std::errc() || end != text.data() + text.size() || text[0] == '0' || log_n > 20)
    return damaged("scrypt work factor is not one of 1 to 20");
  return log_n;
}

}  // namespace

Identity::Identity(SecretBytes key, SecretBytes seed, Recipient recipient)
    : key_(std::move(key)), seed_(std::move(seed)), recipient_(recipient) {}

base::Result<Identity> Identity::generate() {
  auto key = SecretBytes::random(32);
  if (!key) return key.error();
  auto seed = SecretBytes::random(kSeed);
  if (!seed) return seed.error();
  auto out = from_secret(std::move(*key));
  if (out) out->seed_ = std::move(*seed);
  return out;
}

base::Result<Identity> Identity::from_secret(SecretBytes key) {
  if (key.size() != 32) return damaged("not an X25519 secret key");
  std::array<std::byte, 32> point;
  if (crypto_scalarmult_base(reinterpret_cast<unsigned char*>(point.data()),
                             reinterpret_cast<const unsigned char*>(key.reveal().data())) != 0)
    return damaged("not an X25519 secret key");
  auto recipient = Recipient::from_key(point);
  if (!recipient) return recipient.error();
  return Identity(std::move(key), SecretBytes(), *recipient);
}

base::Result<Identity> Identity::parse(const SecretBytes& text) {
  std::string_view rest = base::as_text(text.reveal());
  SecretBytes key;
  SecretBytes seed;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with(kSeedLine)) {
      if (!seed.empty()) return damaged("two signing seeds in identity file");
      auto parsed = parse_seed(line.substr(kSeedLine.size()));
      if (!parsed) return parsed.error();
      seed = std::move(*parsed);
    } else if (!line.empty() && !line.starts_with('#')) {
      auto parsed = parse_key(line);
      if (!parsed) return parsed.error();
      if (key.empty()) key = std::move(*parsed);
    }
  }
  if (key.empty()) return damaged("no secret key in identity file");
  auto out = from_secret(std::move(key));
  if (out) out->seed_ = std::move(seed);
  return out;
}

base::Result<SecretBytes> Identity::text(std::string_view comment) const {
  if (std::any_of(comment.begin(), comment.end(), [](char c) { return (c >= 0 && c < 32) || c == 127; }))
    return Error{Fault::usage, "a comment is one line"};
  const auto key = bech32_encode_secret(kKeyPrefix, key_);
  if (!key) return key.error();
  const auto seed = seed_.empty() ? base::Result<SecretBytes>(SecretBytes()) : seed_text(seed_);
  if (!seed) return seed.error();
  const std::string head = "# " + std::string(comment) + "\n# public key: " + recipient_.text() + "\n";
  const std::size_t seed_size = seed->empty() ? 0 : kSeedLine.size() + seed->size() + 1;
  auto out = SecretText::create(head.size() + seed_size + key->size() + 1);
  if (!out) return out.error();
  out->put(head);
  if (!seed->empty()) {
    out->put(kSeedLine);
    out->put(seed->reveal());
    out->put("\n");
  }
  out->put(key->reveal());
  out->put("\n");
  return out->take();
}

base::Result<SecretBytes> Identity::unwrap(ByteView in, const ParsedHeader& parsed) const {
  if (auto r = check_lone_scrypt(parsed.header); !r) return r.error();
  for (const Stanza& stanza : parsed.header.stanzas) {
    if (stanza.args[0] != "X25519") continue;
    if (stanza.args.size() != 2 || stanza.body.size() != kWrappedKey) return damaged("bad X25519 stanza");
    const auto share = base::unbase64(stanza.args[1], base::Padding::none);
    if (!share) return share.error().at("X25519 share");
    const auto key = x25519_stanza_key(key_, *share, *share, recipient_.key());
    if (!key) return key.error().at("X25519 share");
    auto file_key = chacha_open(*key, kZeroNonce, {}, stanza.body);
    if (file_key) return with_mac_checked(std::move(*file_key), in, parsed);
  }
  return Error{Fault::denied, "not for this key"};
}

base::Result<SecretBytes> Identity::unwrap_one(ByteView header) const {
  if (header.size() != kOneX25519Header) return damaged("a detached header has 168 bytes");
  const auto parsed = parse_age_header(header);
  if (!parsed) return parsed.error();
  if (parsed->size != header.size() || parsed->header.stanzas.size() != 1 ||
      parsed->header.stanzas[0].args[0] != "X25519")
    return damaged("a detached header has one X25519 stanza and nothing else");
  return unwrap(header, *parsed);
}

base::Result<SecretBytes> unwrap_with_passphrase(const SecretBytes& passphrase, ByteView in,
                                                 const ParsedHeader& parsed) {
  if (auto r = check_lone_scrypt(parsed.header); !r) return r.error();
  const Stanza& stanza = parsed.header.stanzas[0];
  if (stanza.args[0] != "scrypt") return damaged("not encrypted with a passphrase");
  if (stanza.args.size() != 3 || stanza.body.size() != kWrappedKey) return damaged("bad scrypt stanza");
  const auto salt = base::unbase64(stanza.args[1], base::Padding::none);
  if (!salt) return salt.error().at("scrypt salt");
  if (salt->size() != 16) return damaged("bad scrypt salt");
  const auto log_n = work_factor(stanza.args[2]);
  if (!log_n) return log_n.error();
  const auto key = scrypt_stanza_key(passphrase, *salt, *log_n);
  if (!key) return key.error();
  auto file_key = chacha_open(*key, kZeroNonce, {}, stanza.body);
  if (!file_key) return Error{Fault::denied, "wrong passphrase"};
  return with_mac_checked(std::move(*file_key), in, parsed);
}

base::Result<SecretBytes> open_sealed(const Identity& identity, ByteView file) {
  const auto parsed = parse_age_header(file);
  if (!parsed) return parsed.error();
  const auto file_key = identity.unwrap(file, *parsed);
  if (!file_key) return file_key.error();
  return open_payload(*file_key, file.subspan(parsed->size));
}

base::Result<base::Bytes> encrypt_identity(const Identity& identity, std::string_view comment,
                                           const SecretBytes& passphrase, unsigned log_n) {
  const auto text = identity.text(comment);
  if (!text) return text.error();
  const auto file_key = SecretBytes::random(kFileKey);
  if (!file_key) return file_key.error();
  auto stanza = wrap_with_passphrase(passphrase, *file_key, log_n);
  if (!stanza) return stanza.error();
  const auto header = make_age_header(*file_key, {std::move(*stanza)});
  if (!header) return header.error();
  const auto payload = seal_payload(*file_key, text->reveal());
  if (!payload) return payload.error();
  return base::concat({*header, *payload});
}

base::Result<Identity> read_identity(const base::Path& path, const AskPassphrase& ask) {
  const auto file = base::open_to_read(path);
  if (!file) return file.error().at("identity file");
  auto text = SecretBytes::zeros(kLongestFile);
  if (!text) return text.error();
  const auto size = base::read_at(file->get(), 0, text->reveal_to_write());
  if (!size) return size.error().at("identity file");
  if (*size == kLongestFile) return damaged("identity file is too long");
  if (is_age_file(text->reveal().first(*size))) {
    std::size_t used = 0;
    const auto opened = open_age_file(*file, {nullptr, ask}, [&](ByteView part) -> base::Result<void> {
      if (part.size() > kLongestFile - used) return damaged("identity file is too long");
      std::copy(part.begin(), part.end(), text->reveal_to_write().subspan(used).begin());
      used += part.size();
      return {};
    });
    if (!opened) return opened.error().at("identity file");
    text->shrink(used);
  } else {
    text->shrink(*size);
  }
  return Identity::parse(*text);
}

}  // namespace keys
