#include "vault/ssh_key.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "keys/kdf.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::size_t kLeastRsaBits = 3072, kMostRsaBits = 16384;
constexpr std::size_t kMaxNumber = kMostRsaBits / 8 + 1;  // a zero in front keeps it positive

struct Curve {
  std::string_view type, name;
  std::size_t coordinate;  // bytes
};
constexpr std::array<Curve, 3> kCurves{{{"ecdsa-sha2-nistp256", "nistp256", 32},
                                        {"ecdsa-sha2-nistp384", "nistp384", 48},
                                        {"ecdsa-sha2-nistp521", "nistp521", 66}}};

Error no_key(const char* what) { return {Fault::usage, what}; }

// Bits of an mpint; nullopt: negative, zero, or not in its shortest form.
std::optional<std::size_t> bits_of(base::ByteView number) {
  if (number.empty() || (number[0] & std::byte{0x80}) != std::byte{0}) return std::nullopt;
  if (number[0] == std::byte{0}) {
    if (number.size() < 2 || (number[1] & std::byte{0x80}) == std::byte{0}) return std::nullopt;
    number = number.subspan(1);
  }
  std::size_t bits = number.size() * 8;
  for (auto first = static_cast<unsigned>(number[0]); (first & 0x80U) == 0; first <<= 1U) --bits;
  return bits;
}

Result<void> check_blob(std::string_view type, base::ByteView blob) {
  base::Reader in(blob);
  const auto inner = in.text(64);
  if (!inner || *inner != type) return no_key("the key's bytes are of another kind than its line says");
  const Error bad = no_key("the key's bytes are no key of its kind");
  if (type == "ssh-ed25519") {
    const auto point = in.string(32);
    return point && point->size() == 32 && in.done() ? Result<void>() : bad;
  }
  if (type == "ssh-rsa") {
    const auto exponent = in.string(kMaxNumber);
    const auto modulus = in.string(kMaxNumber);
    if (!exponent || !modulus || !in.done()) return bad;
    const auto size = bits_of(*exponent);
    const auto bits = bits_of(*modulus);
    if (!size || *size < 2 || *size > 64 || !bits || *bits > kMostRsaBits) return bad;
    if (*bits < kLeastRsaBits) return no_key("an RSA key needs 3072 bits at least; better make an Ed25519 key");
    return {};
  }
  const auto* curve = std::ranges::find(kCurves, type, &Curve::type);
  if (curve == kCurves.end())
    return no_key("the key is of a kind that is not taken: make an Ed25519 key (ssh-keygen -t ed25519)");
  const auto name = in.text(64);
  const auto point = in.string(1 + 2 * curve->coordinate);
  if (!name || *name != curve->name || !point || point->size() != 1 + 2 * curve->coordinate || !in.done() ||
      (*point)[0] != std::byte{4})  // not compressed
    return bad;
  return {};
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t begin = line.find_first_not_of(" \t\r", at);
    if (begin == std::string_view::npos) break;
    at = std::min(line.find_first_of(" \t\r", begin), line.size());
    words.push_back(line.substr(begin, at - begin));
  }
  return words;
}

bool names_a_kind(std::string_view word) {
  return word.starts_with("ssh-") || word.starts_with("ecdsa-") || word.starts_with("sk-");
}

}  // namespace

Result<SshKey> SshKey::from_blob(base::ByteView blob) {
  const auto type = base::Reader(blob).text(64);
  const auto valid = type && blob.size() <= kMaxSshKeyBlob ? check_blob(*type, blob) : no_key("this is no SSH key");
  if (!valid) return Error{Fault::damaged, valid.error().what};
  return SshKey(*type, base::Bytes(blob.begin(), blob.end()));
}

Result<SshKey> SshKey::parse(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return Error{Fault::damaged, "this is no SSH key"};
  const auto blob = base::unbase64(text.substr(space + 1));
  if (!blob) return Error{Fault::damaged, "this is no SSH key"};
  auto key = from_blob(*blob);
  if (key && key->type_ != text.substr(0, space)) return Error{Fault::damaged, "an SSH key of two kinds"};
  return key;
}

Result<SshKey> SshKey::parse_file(std::string_view text) {
  if (text.find("PRIVATE KEY") != std::string_view::npos)
    return no_key("this is a private key, which stays with the recorder; name the file that ends with .pub");
  std::vector<std::string_view> found;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const auto words = words_of(text.substr(at, end - at));
    at = end + 1;
    if (words.empty() || words[0].starts_with("#")) continue;
    if (!found.empty()) return no_key("the file holds more than one key");
    if (!names_a_kind(words[0])) {
      const bool options = std::ranges::any_of(words, names_a_kind);
      return no_key(options ? "options in front of a key are not taken: the file holds the key alone"
                            : "the file holds no public key in OpenSSH's format");
    }
    if (words.size() < 2) return no_key("the file holds no public key in OpenSSH's format");
    found = words;
  }
  if (found.empty()) return no_key("the file holds no public key in OpenSSH's format");
  auto blob = base::unbase64(found[1]);
  if (!blob) return no_key("the key's bytes are not base64");
  if (blob->size() > kMaxSshKeyBlob) return no_key("the key is too long");
  if (auto r = check_blob(found[0], *blob); !r) return r.error();
  return SshKey(std::string(found[0]), std::move(*blob));
}

std::string SshKey::text() const { return type_ + " " + base::base64(blob_); }

std::string SshKey::fingerprint() const { return "SHA256:" + base::base64(keys::sha256(blob_), base::Padding::none); }

}  // namespace vault
