// Any bytes as an age header: what parses prints the same bytes, and no key opens it by accident.
#include "keys/age_file.h"

namespace {
void insist(bool held) {
  if (!held) __builtin_trap();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView in = std::as_bytes(std::span(data, size));
  const auto parsed = keys::parse_age_header(in);
  if (!parsed) return insist(parsed.error().fault == base::Fault::damaged), 0;
  insist(parsed->size <= size && parsed->mac_covers < parsed->size);
  const base::Bytes printed = keys::print_age_header(parsed->header);
  insist(base::as_text(printed) == base::as_text(in.first(parsed->size)));
  static const auto me =
      keys::Identity::from_secret(std::move(*base::SecretBytes::copy_of(base::Bytes(32, std::byte{0x11}))));
  const auto key = me->unwrap(in, *parsed);
  insist(!key || keys::verify_age_mac(*key, in, *parsed));
  return 0;
}
