// Any bytes as an age payload under a known file key: the forward pass and the whole opening agree, and what opens has
// the size that plain_size() says.
#include <algorithm>

#include "keys/age_header.h"
#include "keys/age_stream.h"

namespace {
void insist(bool held) {
  if (!held) __builtin_trap();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView in = std::as_bytes(std::span(data, size));
  static const auto key = base::SecretBytes::copy_of(base::as_bytes("YELLOW SUBMARINE"));
  const auto whole = keys::open_payload(*key, in);
  base::Bytes forward;
  base::ByteView rest = in;
  const auto passed = keys::open_forward(
      *key,
      [&](std::span<std::byte> out) -> base::Result<std::size_t> {
        const std::size_t n = std::min(out.size(), rest.size());
        std::copy_n(rest.begin(), n, out.begin());
        rest = rest.subspan(n);
        return n;
      },
      [&](base::ByteView part) -> base::Result<void> {
        base::put_raw(forward, part);
        return {};
      });
  insist(static_cast<bool>(whole) == static_cast<bool>(passed));
  if (!whole) return insist(whole.error().fault == base::Fault::damaged), 0;
  insist(whole->size() == *keys::plain_size(size) && base::as_text(whole->reveal()) == base::as_text(forward));
  return 0;
}
