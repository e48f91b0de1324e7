#include "base/secret.h"

#include <sodium.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <utility>
#include <vector>

namespace base {
namespace {

constexpr std::size_t kSmall = 64;    // most keys
constexpr std::size_t kMiddle = 512;  // headers, passwords
constexpr std::size_t kPage = std::size_t{64} * 1024;

void ensure_sodium() {
  static const int ready = sodium_init();
  if (ready < 0) std::abort();  // no random source: nothing here may go on
}

// Memory from sodium_malloc whose lock was checked: sodium_malloc itself ignores a failed lock.
void* locked_memory(std::size_t size) {
  void* p = sodium_malloc(size);
  if (p != nullptr && sodium_mlock(p, size) != 0) {
    sodium_free(p);
    return nullptr;
  }
  return p;
}

// Cells of one size in locked pages. Pages are kept for reuse until the process ends.
class Pool {
 public:
  explicit Pool(std::size_t cell) : cell_(cell) {}
  std::byte* get() {
    const std::lock_guard lock(mutex_);
    if (free_.empty() && !grow()) return nullptr;
    std::byte* cell = free_.back();
    free_.pop_back();
    return cell;
  }

  void put(std::byte* cell) {
    const std::lock_guard lock(mutex_);
    free_.push_back(cell);  // never grows past the cells that grow() reserved for
  }

 private:
  bool grow() {
    auto* page = static_cast<std::byte*>(locked_memory(kPage));
    if (page == nullptr) return false;
    cells_ += kPage / cell_;
    free_.reserve(cells_);
    for (std::size_t at = 0; at < kPage; at += cell_) free_.push_back(page + at);
    return true;
  }

  const std::size_t cell_;
  std::mutex mutex_;
  std::vector<std::byte*> free_;
  std::size_t cells_ = 0;
};

// nullptr: too large for a cell. They outlive every static secret.
Pool* pool_for(std::size_t size) {
  static auto* const small = new Pool(kSmall);
  static auto* const middle = new Pool(kMiddle);
  return size <= kSmall ? small : size <= kMiddle ? middle : nullptr;
}

}  // namespace

Result<SecretBytes> SecretBytes::zeros(std::size_t size) {
  ensure_sodium();
  if (size == 0) return SecretBytes();
  Pool* const pool = pool_for(size);
  auto* data = pool != nullptr ? pool->get() : static_cast<std::byte*>(locked_memory(size));
  if (data == nullptr) return Error{Fault::failed, "no locked memory left for a secret (see ulimit -l)"};
  sodium_memzero(data, size);
  return SecretBytes(data, size);
}

Result<SecretBytes> SecretBytes::random(std::size_t size) {
  auto out = zeros(size);
  if (out) randombytes_buf(out->data_, size);
  return out;
}

Result<SecretBytes> SecretBytes::copy_of(ByteView from) {
  auto out = zeros(from.size());
  if (out) std::copy(from.begin(), from.end(), out->data_);
  return out;
}

Result<SecretBytes> SecretBytes::take(std::span<std::byte> from) {
  auto out = copy_of(from);
  wipe(from);
  return out;
}

Result<SecretBytes> SecretBytes::take(std::span<char> from) { return take(std::as_writable_bytes(from)); }

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
  }
  return *this;
}

SecretBytes::~SecretBytes() { release(); }

void SecretBytes::release() noexcept {
  if (data_ == nullptr) return;
  sodium_memzero(data_, capacity_);
  if (Pool* const pool = pool_for(capacity_)) {
    pool->put(data_);
  } else {
    sodium_free(data_);  // wipes once more and unlocks
  }
  data_ = nullptr;
  size_ = capacity_ = 0;
}

Result<SecretBytes> SecretBytes::clone() const { return copy_of(reveal()); }

void SecretBytes::shrink(std::size_t size) {
  if (size > size_) std::abort();
  sodium_memzero(data_ + size, size_ - size);
  size_ = size;
}

bool operator==(const SecretBytes& a, const SecretBytes& b) {
  return a.size_ == b.size_ && (a.size_ == 0 || sodium_memcmp(a.data_, b.data_, a.size_) == 0);
}

void wipe(std::span<std::byte> memory) {
  if (!memory.empty()) sodium_memzero(memory.data(), memory.size());
}
void wipe(std::span<char> memory) { wipe(std::as_writable_bytes(memory)); }

void random_fill(std::span<std::byte> out) {
  ensure_sodium();
  if (!out.empty()) randombytes_buf(out.data(), out.size());
}

Bytes random_bytes(std::size_t size) {
  Bytes out(size);
  random_fill(out);
  return out;
}

}  // namespace base
