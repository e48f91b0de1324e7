#include "keys/bech32.h"

#include <algorithm>
#include <array>

namespace keys {
namespace {

using base::ByteView;
using base::Error;
using base::Fault;

constexpr std::string_view kSymbols = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
constexpr std::size_t kChecksum = 6;
constexpr std::size_t kLongest = 1024;

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
char lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }
char upper(char c) { return is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c; }

// The BCH checksum of BIP 173, fed symbol by symbol; the prefix goes in first.
class Checksum {
 public:
  explicit Checksum(std::string_view prefix) {
    for (const char c : prefix) feed(static_cast<unsigned>(lower(c)) >> 5);
    feed(0);
    for (const char c : prefix) feed(static_cast<unsigned>(lower(c)) & 31);
  }

  void feed(std::uint32_t symbol) {
    constexpr std::array<std::uint32_t, 5> generator{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
    const std::uint32_t top = value_ >> 25;
    value_ = ((value_ & 0x1ffffff) << 5) ^ symbol;
    for (std::size_t i = 0; i < generator.size(); ++i)
      if ((top >> i & 1) != 0) value_ ^= generator[i];
  }

  std::uint32_t value() const { return value_; }

 private:
  std::uint32_t value_ = 1;
};

std::size_t text_size(std::string_view prefix, ByteView data) {
  return prefix.size() + 1 + (data.size() * 8 + 4) / 5 + kChecksum;
}

// Writes text_size() characters.
void encode(std::string_view prefix, ByteView data, std::span<char> out) {
  auto at = std::transform(prefix.begin(), prefix.end(), out.begin(), lower);
  *at++ = '1';
  Checksum check(prefix);
  const auto put = [&](std::uint32_t symbol) {
    check.feed(symbol);
    *at++ = kSymbols[symbol];
  };
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (const std::byte b : data) {
    group = (group << 8 | static_cast<std::uint32_t>(b)) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) put(group >> (bits - 5) & 31);
  }
  if (bits > 0) put(group << (5 - bits) & 31);
  for (std::size_t i = 0; i < kChecksum; ++i) check.feed(0);
  const std::uint32_t sum = check.value() ^ 1;
  for (std::size_t i = 0; i < kChecksum; ++i) *at++ = kSymbols[sum >> (25 - 5 * i) & 31];
}

}  // namespace

std::string bech32_encode(std::string_view prefix, ByteView data) {
  std::string out(text_size(prefix, data), '\0');
  encode(prefix, data, out);
  return out;
}

base::Result<base::SecretBytes> bech32_encode_secret(std::string_view prefix, const base::SecretBytes& data) {
  auto out = base::SecretBytes::zeros(text_size(prefix, data.reveal()));
  if (!out) return out;
  const std::span text(reinterpret_cast<char*>(out->reveal_to_write().data()), out->size());
  encode(prefix, data.reveal(), text);
  std::transform(text.begin(), text.end(), text.begin(), upper);
  return out;
}

base::Result<Bech32> bech32_decode(ByteView bytes) {
  const std::string_view text = base::as_text(bytes);
  const std::size_t separator = text.rfind('1');
  if (text.size() > kLongest || separator == std::string_view::npos || separator == 0 ||
      text.size() - separator - 1 < kChecksum)
    return Error{Fault::damaged, "not bech32"};
  if (std::any_of(text.begin(), text.end(), is_lower) && std::any_of(text.begin(), text.end(), is_upper))
    return Error{Fault::damaged, "bech32 in mixed case"};
  const std::string_view prefix = text.substr(0, separator);
  if (std::any_of(prefix.begin(), prefix.end(), [](char c) { return c < 33 || c > 126; }))
    return Error{Fault::damaged, "bad symbol in bech32 prefix"};

  const std::string_view symbols = text.substr(separator + 1);
  const std::size_t data_symbols = symbols.size() - kChecksum;
  auto data = base::SecretBytes::zeros(data_symbols * 5 / 8);
  if (!data) return data.error();
  auto out = data->reveal_to_write().begin();
  Checksum check(prefix);
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const std::size_t symbol = kSymbols.find(lower(symbols[i]));
    if (symbol == std::string_view::npos) return Error{Fault::damaged, "bad symbol in bech32"};
    check.feed(static_cast<std::uint32_t>(symbol));
    if (i >= data_symbols) continue;
    group = (group << 5 | static_cast<std::uint32_t>(symbol)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    *out++ = static_cast<std::byte>(group >> bits & 0xff);
  }
  if (check.value() != 1) return Error{Fault::damaged, "bech32 checksum is wrong"};
  if (bits >= 5 || (group & ((1U << bits) - 1)) != 0) return Error{Fault::damaged, "bech32 padding is not zero"};
  std::string lowered(prefix);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), lower);
  return Bech32{std::move(lowered), std::move(*data)};
}

}  // namespace keys
