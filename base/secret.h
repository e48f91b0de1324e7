// SecretBytes: the only home of keys, passwords and passphrases. Locked in memory, wiped when freed, moved but never
// copied, compared in constant time, and without a way into a string, a stream or a log.
//
// Secrets up to 512 bytes share locked pages: a lock costs a page, the usual limit is 8 MiB, and a page of its own with
// guards costs six system calls.
// Locks are not inherited by fork: take secrets after the fork, never before it.
// Sources: libsodium's secure memory (sodium_malloc, sodium_mlock, sodium_memcmp).
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace base {

class SecretBytes {
 public:
  // Fault::failed when no locked memory is left.
  static Result<SecretBytes> zeros(std::size_t size);
  static Result<SecretBytes> random(std::size_t size);
  static Result<SecretBytes> copy_of(ByteView from);           // the source stays as it is: the caller wipes it
  static Result<SecretBytes> take(std::span<std::byte> from);  // copies, then wipes the source
  static Result<SecretBytes> take(std::span<char> from);

  SecretBytes() = default;  // holds nothing
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes();  // wipes

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The only ways to the bytes, easy to search for. The view dies with the object.
  ByteView reveal() const { return {data_, size_}; }
  std::span<std::byte> reveal_to_write() { return {data_, size_}; }

  Result<SecretBytes> clone() const;  // a second copy, on purpose
  void shrink(std::size_t size);      // REQUIRES size <= this->size(); wipes what is cut off

  friend bool operator==(const SecretBytes& a, const SecretBytes& b);  // constant time for equal sizes

 private:
  SecretBytes(std::byte* data, std::size_t size) : data_(data), size_(size), capacity_(size) {}
  void release() noexcept;

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// Overwrites memory that is not a SecretBytes, so that the compiler keeps it (buffers of audio, of a library).
void wipe(std::span<std::byte> memory);
void wipe(std::span<char> memory);

// Random bytes that are not secret (ids, salts, nonces).
void random_fill(std::span<std::byte> out);
Bytes random_bytes(std::size_t size);

}  // namespace base
