// Stored coverage: what parses is printed again as it was, and is never due without a range up to the end; in doubt the
// ranges are gone, and the word that it is whole is all there is.
#include <cstdlib>

#include "vault/coverage.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view in(reinterpret_cast<const char*>(data), size);
  if (const auto ranges = vault::Ranges::parse(in); ranges && ranges->text() != in) std::abort();
  for (const std::uint64_t bytes : {0U, 100U}) {
    auto coverage = vault::Coverage::parse(in, bytes, {30000, 60000});
    if (!coverage) continue;
    if (coverage->text() != in) std::abort();
    coverage->settle(0);
    const bool in_doubt = in.find("\ndoubt\n") != std::string_view::npos;
    if (bytes == 100 && coverage->due() && !in_doubt && in.find("-100\n") == std::string_view::npos) std::abort();
  }
  return 0;
}
