// Any bytes as a sealed header row, and what the row would hold as a detached header: nothing opens by accident.
#include "keys/sealed_header.h"

#include "keys/challenge.h"

namespace {
void insist(bool held) {
  if (!held) __builtin_trap();
}
base::SecretBytes key_of(int value) {
  return std::move(*base::SecretBytes::copy_of(base::Bytes(32, static_cast<std::byte>(value))));
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView in = std::as_bytes(std::span(data, size));
  static const auto recording = key_of(1);
  static const auto access = key_of(2);
  static const auto me = keys::Identity::from_secret(key_of(0x11));
  for (const auto* second : {static_cast<const base::SecretBytes*>(nullptr), &access}) {
    const auto header = keys::open_header({"r-1", "it-manager"}, recording, second, in);
    insist(header || header.error().fault == base::Fault::damaged);
    insist(!header || header->size() + 40 == size);
  }
  const auto file_key = me->unwrap_one(in);
  insist(!file_key || size == keys::kOneX25519Header);
  const auto answer = keys::answer_challenge(*me, in);
  insist(!answer || size == keys::kOneX25519Header);
  return 0;
}
