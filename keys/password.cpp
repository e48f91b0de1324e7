#include "keys/password.h"

#include <array>

#include "keys/kdf.h"

namespace keys {
namespace {

using base::ByteView;
using base::Error;
using base::Fault;
using base::SecretBytes;

constexpr std::string_view kSymbols = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";  // Crockford base32
constexpr std::size_t kBytes = 15;
constexpr std::size_t kData = 24;  // symbols
constexpr std::size_t kAll = kData + 1;
constexpr std::size_t kGroup = 5;
constexpr std::size_t kShown = kAll + kAll / kGroup - 1;
constexpr std::size_t kLongest = 64;
constexpr unsigned kNone = 32;

constexpr std::array<std::string_view, 3> kKinds{"delivery", "grant", "standing"};

unsigned value_of(char c) {
  if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  if (c == 'O') c = '0';
  if (c == 'I' || c == 'L') c = '1';
  const std::size_t at = kSymbols.find(c);
  return at == std::string_view::npos ? kNone : static_cast<unsigned>(at);
}

// The check symbol is a sum over GF(32) in which each symbol has a weight of its own: s0*a^24 + s1*a^23 + ... + s23*a,
// with a = 2 modulo x^5 + x^2 + 1, whose powers a^0 to a^30 all differ. So one wrong symbol, or any two exchanged, the
// check symbol included, always change it.
unsigned times_a(unsigned v) { return (v << 1 ^ (v >> 4) * 0b100101) & 31; }

unsigned check_symbol(ByteView values) {
  unsigned sum = 0;
  for (const std::byte v : values.first(kData)) sum = times_a(sum ^ static_cast<unsigned>(v));
  return sum;
}

}  // namespace

std::string_view name_of(AccessKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

base::Result<AccessKind> access_kind(std::string_view name) {
  for (std::size_t i = 0; i < kKinds.size(); ++i)
    if (kKinds[i] == name) return static_cast<AccessKind>(i);
  return Error{Fault::damaged, "unknown kind of access"};
}

base::Result<Password> Password::generate() {
  auto bytes = SecretBytes::random(kBytes);
  if (!bytes) return bytes.error();
  return Password(std::move(*bytes));
}

base::Result<Password> Password::parse(ByteView typed) {
  const Error bad{Fault::denied, "not a password of an access"};
  if (typed.size() > kLongest) return bad;
  auto values = SecretBytes::zeros(kAll);
  auto bytes = SecretBytes::zeros(kBytes);
  if (!values || !bytes) return Error{Fault::failed, "no locked memory left for a password"};
  const auto symbols = values->reveal_to_write();
  std::size_t n = 0;
  for (const char c : base::as_text(typed)) {
    if (c == '-' || c == ' ') continue;
    const unsigned value = value_of(c);
    if (value == kNone || n == kAll) return bad;
    symbols[n++] = static_cast<std::byte>(value);
  }
  if (n != kAll || static_cast<std::byte>(check_symbol(symbols)) != symbols[kData]) return bad;
  for (std::size_t bit = 0; bit < kBytes * 8; ++bit) {
    const std::byte one = symbols[bit / 5] >> (4 - bit % 5) & std::byte{1};
    bytes->reveal_to_write()[bit / 8] |= one << (7 - bit % 8);
  }
  return Password(std::move(*bytes));
}

base::Result<SecretBytes> Password::text() const {
  auto values = SecretBytes::zeros(kAll);
  if (!values) return values;
  const auto symbols = values->reveal_to_write();
  for (std::size_t bit = 0; bit < kBytes * 8; ++bit)
    symbols[bit / 5] |= (bytes_.reveal()[bit / 8] >> (7 - bit % 8) & std::byte{1}) << (4 - bit % 5);
  symbols[kData] = static_cast<std::byte>(check_symbol(symbols));
  auto out = SecretBytes::zeros(kShown);
  if (!out) return out;
  auto to = out->reveal_to_write().begin();
  for (std::size_t i = 0; i < kAll; ++i) {
    if (i > 0 && i % kGroup == 0) *to++ = std::byte{'-'};
    *to++ = static_cast<std::byte>(kSymbols[static_cast<std::size_t>(symbols[i])]);
  }
  return out;
}

base::Result<Identity> Password::derive(const AccessTerms& terms) const {
  if (terms.salt.size() != 32) return Error{Fault::damaged, "the salt of an access has 32 bytes"};
  base::Bytes info = base::to_bytes(label::kAccess);
  base::put_string(info, terms.id);
  base::put_string(info, terms.account);
  base::put_string(info, name_of(terms.kind));
  base::put_u64(info, static_cast<std::uint64_t>(terms.not_before));
  base::put_u64(info, static_cast<std::uint64_t>(terms.expires));
  auto key = hkdf_sha256(bytes_.reveal(), terms.salt, info, 32);
  if (!key) return key.error();
  return Identity::from_secret(std::move(*key));
}

}  // namespace keys
