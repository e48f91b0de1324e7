// Material for tests: secrets built from text and shown again (only tests may turn a secret into a string), patterns,
// and files that are written without waiting for the disk.
#pragma once

#include <fstream>
#include <string>

#include "base/path.h"
#include "base/secret.h"
#include "tests/testkit/expect.h"

namespace testkit {

inline base::SecretBytes secret(std::string_view text) {
  return must(base::SecretBytes::copy_of(base::as_bytes(text)));
}
inline base::SecretBytes secret(base::ByteView bytes) { return must(base::SecretBytes::copy_of(bytes)); }
inline base::SecretBytes secret_of(std::size_t size, int value) {
  auto out = must(base::SecretBytes::zeros(size));
  for (std::byte& b : out.reveal_to_write()) b = static_cast<std::byte>(value);
  return out;
}
inline std::string shown(const base::SecretBytes& secret) { return base::to_text(secret.reveal()); }
inline base::Bytes bytes_of(const base::SecretBytes& secret) { return base::concat({secret.reveal()}); }

// Bytes that differ from place to place, so that a wrong offset shows.
inline base::Bytes pattern(std::size_t size) {
  base::Bytes out(size);
  std::uint32_t x = 12345;
  for (std::byte& b : out) b = static_cast<std::byte>((x = x * 1664525 + 1013904223) >> 24);
  return out;
}

inline void put_file(const base::Path& path, base::ByteView bytes) {
  std::ofstream out(path.string(), std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) std::abort();
}

}  // namespace testkit
