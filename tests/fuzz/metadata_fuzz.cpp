// What parses has one form, and is printed in it again. The name of a file may be any bytes.
#include <cstdlib>

#include "vault/metadata.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView in(reinterpret_cast<const std::byte*>(data), size);
  if (const auto metadata = vault::parse_metadata(in)) {
    const auto again = vault::print_metadata(*metadata);
    if (base::as_text(again) != base::as_text(in)) std::abort();
  }
  vault::Metadata any;
  any.name = vault::clean_utf8(base::as_text(in));
  const auto parsed = vault::parse_metadata(vault::print_metadata(any));
  if (!parsed || *parsed != any) std::abort();
  return 0;
}
