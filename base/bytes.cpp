#include "base/bytes.h"

#include <array>
#include <cstring>

namespace base {

ByteView as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

Bytes to_bytes(std::string_view text) {
  const auto view = as_bytes(text);
  return {view.begin(), view.end()};
}

std::string to_text(ByteView bytes) { return std::string(as_text(bytes)); }

Bytes concat(std::initializer_list<ByteView> parts) {
  Bytes out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

namespace {

template <class Number>
void put_number(Bytes& out, Number v) {
  for (std::size_t i = sizeof(Number); i-- > 0;) out.push_back(static_cast<std::byte>((v >> (8 * i)) & 0xff));
}

}  // namespace

void put_u8(Bytes& out, std::uint8_t v) { out.push_back(std::byte{v}); }
void put_u16(Bytes& out, std::uint16_t v) { put_number(out, v); }
void put_u32(Bytes& out, std::uint32_t v) { put_number(out, v); }
void put_u64(Bytes& out, std::uint64_t v) { put_number(out, v); }
void put_raw(Bytes& out, ByteView v) { out.insert(out.end(), v.begin(), v.end()); }

void put_string(Bytes& out, ByteView v) {
  put_u32(out, static_cast<std::uint32_t>(v.size()));
  put_raw(out, v);
}

void put_string(Bytes& out, std::string_view v) { put_string(out, as_bytes(v)); }

std::optional<ByteView> Reader::raw(std::size_t size) {
  if (failed_ || size > in_.size()) {
    failed_ = true;
    return std::nullopt;
  }
  const ByteView out = in_.first(size);
  in_ = in_.subspan(size);
  return out;
}

namespace {

template <class Number>
std::optional<Number> number(std::optional<ByteView> raw) {
  if (!raw) return std::nullopt;
  std::uint64_t v = 0;
  for (const std::byte b : *raw) v = (v << 8) | static_cast<std::uint64_t>(b);
  return static_cast<Number>(v);
}

}  // namespace

std::optional<std::uint8_t> Reader::u8() { return number<std::uint8_t>(raw(1)); }
std::optional<std::uint16_t> Reader::u16() { return number<std::uint16_t>(raw(2)); }
std::optional<std::uint32_t> Reader::u32() { return number<std::uint32_t>(raw(4)); }
std::optional<std::uint64_t> Reader::u64() { return number<std::uint64_t>(raw(8)); }

std::optional<ByteView> Reader::string(std::size_t max) {
  const auto size = u32();
  if (!size || *size > max) {
    failed_ = true;
    return std::nullopt;
  }
  return raw(*size);
}

std::optional<std::string> Reader::text(std::size_t max) {
  const auto bytes = string(max);
  if (!bytes) return std::nullopt;
  return to_text(*bytes);
}

std::string hex(ByteView bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    out.push_back(digits[static_cast<unsigned>(b) >> 4]);
    out.push_back(digits[static_cast<unsigned>(b) & 15]);
  }
  return out;
}

Result<Bytes> unhex(std::string_view text) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  if (text.size() % 2 != 0) return Error{Fault::damaged, "hex text of odd length"};
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return Error{Fault::damaged, "not a hex digit"};
    out.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return out;
}

namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int, 256> reverse_alphabet() {
  std::array<int, 256> out{};
  out.fill(-1);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    out[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int>(i);
  return out;
}

constexpr std::array<int, 256> kReverse = reverse_alphabet();

}  // namespace

std::string base64(ByteView bytes, Padding padding) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    unsigned group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = (group << 8) | (k < n ? static_cast<unsigned>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < n + 1; ++k) out.push_back(kAlphabet[(group >> (18 - 6 * k)) & 63]);
    if (padding == Padding::full) out.append(3 - n, '=');
  }
  return out;
}

Result<Bytes> unbase64(std::string_view text, Padding padding) {
  const Error bad{Fault::damaged, "not canonical base64"};
  if (padding == Padding::full) {
    if (text.size() % 4 != 0) return bad;
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return bad;
  Bytes out;
  out.reserve(text.size() * 3 / 4);
  unsigned group = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const int v = kReverse[static_cast<unsigned char>(c)];
    if (v < 0) return bad;
    group = ((group << 6) | static_cast<unsigned>(v)) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<std::byte>((group >> bits) & 0xff));
    }
  }
  if ((group & ((1U << bits) - 1)) != 0) return bad;
  return out;
}

}  // namespace base
