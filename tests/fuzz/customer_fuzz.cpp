// Each byte is a choice of a customer, of its lines or of the keeper: what is called delivered, or due, it has in a
// file.
#include <cstdint>
#include <cstdlib>

#include "tests/testkit/customer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::size_t at = 0;
  testkit::Customer customer([&](std::size_t n) { return at < size ? data[at++] % n : 0; });
  while (at < size) {
    customer.step();
    if (!customer.delivered() && !customer.due()) continue;
    if (!customer.has_it()) std::abort();
    return 0;
  }
  return 0;
}
