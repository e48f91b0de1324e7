// Any bytes as bech32: what decodes encodes to the same text in lower case. Recipients and identities on top of it.
#include "keys/bech32.h"

#include <algorithm>

#include "keys/identity.h"

namespace {
void insist(bool held) {
  if (!held) __builtin_trap();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView in = std::as_bytes(std::span(data, size));
  if (const auto decoded = keys::bech32_decode(in)) {
    std::string lower = base::to_text(in);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    insist(keys::bech32_encode(decoded->prefix, decoded->data.reveal()) == lower);
  }
  if (const auto recipient = keys::Recipient::parse(base::as_text(in))) insist(recipient->text() == base::as_text(in));
  const auto text = base::SecretBytes::copy_of(in);
  if (text) (void)keys::Identity::parse(*text);
  return 0;
}
