// What parses has one form and a safe name. The input as a name becomes safe and stays so.
#include <cstdlib>

#include "vault/file_name.h"
#include "vault/folder_entry.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView in(reinterpret_cast<const std::byte*>(data), size);
  const auto name = vault::safe_name(base::as_text(in));
  if (name.empty() || name.size() > 200 || vault::safe_name(name) != name) std::abort();
  if (name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos || name.front() == '.') std::abort();
  if (const auto entry = vault::parse_entry(in)) {
    const auto again = vault::print_entry(*entry);
    if (base::as_text(again) != base::as_text(in) || vault::safe_name(entry->name) != entry->name) std::abort();
  }
  return 0;
}
