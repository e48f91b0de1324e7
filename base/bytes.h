// Bytes: the plain (not secret) byte strings of the project, and their text forms.
// Big-endian numbers are written with put_* and read with Reader, which never reads past its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace base {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

ByteView as_bytes(std::string_view text);  // views the same memory
std::string_view as_text(ByteView bytes);  // views the same memory
Bytes to_bytes(std::string_view text);     // copies
std::string to_text(ByteView bytes);       // copies
Bytes concat(std::initializer_list<ByteView> parts);

void put_u8(Bytes& out, std::uint8_t v);
void put_u16(Bytes& out, std::uint16_t v);
void put_u32(Bytes& out, std::uint32_t v);
void put_u64(Bytes& out, std::uint64_t v);
void put_raw(Bytes& out, ByteView v);
void put_string(Bytes& out, ByteView v);  // u32 length, then the bytes; REQUIRES v.size() < 2^32
void put_string(Bytes& out, std::string_view v);

// Reads forward through bytes it does not own. After the first short read every later one fails too.
class Reader {
 public:
  explicit Reader(ByteView in) : in_(in) {}

  std::optional<std::uint8_t> u8();
  std::optional<std::uint16_t> u16();
  std::optional<std::uint32_t> u32();
  std::optional<std::uint64_t> u64();
  std::optional<ByteView> raw(std::size_t size);
  std::optional<ByteView> string(std::size_t max);  // u32 length, then the bytes; longer than `max` fails
  std::optional<std::string> text(std::size_t max);
  std::size_t left() const { return failed_ ? 0 : in_.size(); }
  bool done() const { return !failed_ && in_.empty(); }  // everything was read, nothing failed

 private:
  ByteView in_;
  bool failed_ = false;
};

std::string hex(ByteView bytes);  // lower case
Result<Bytes> unhex(std::string_view text);

// RFC 4648 base64. Strict: the standard alphabet, no whitespace, and the unused bits of the last symbol are zero.
enum class Padding { none, full };
std::string base64(ByteView bytes, Padding padding = Padding::full);
Result<Bytes> unbase64(std::string_view text, Padding padding = Padding::full);

}  // namespace base
