// Any first bytes, in a file of that size, of more and of 44 bytes: no reason is empty text.
#include <algorithm>
#include <cstdlib>

#include "vault/sound.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView in(reinterpret_cast<const std::byte*>(data), size);
  const auto head = in.first(std::min<std::size_t>(size, 4096));
  for (const std::uint64_t whole :
       {std::uint64_t{size}, std::uint64_t{size} + 4096, std::uint64_t{44}, ~std::uint64_t{0}})
    for (const std::string_view name : {std::string_view("a.wav"), std::string_view("a"), base::as_text(head)})
      if (const auto reason = vault::quarantine_reason(name, whole, head); reason && reason->empty()) std::abort();
  return 0;
}
