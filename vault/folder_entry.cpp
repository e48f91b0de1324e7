#include "vault/folder_entry.h"

#include <algorithm>
#include <bit>

#include "vault/file_name.h"

namespace vault {

namespace {

constexpr std::uint8_t kLayout = 1;
constexpr std::size_t kLongestName = 255;
constexpr std::size_t kHexSha256 = 64;

bool is_hex_sha256(std::string_view text) {
  return text.size() == kHexSha256 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

base::Bytes print_entry(const FolderEntry& entry) {
  base::Bytes out;
  base::put_u8(out, kLayout);
  base::put_string(out, entry.name);
  base::put_u64(out, entry.size);
  base::put_u64(out, std::bit_cast<std::uint64_t>(entry.mtime));
  base::put_string(out, entry.sha256);
  return out;
}

base::Result<FolderEntry> parse_entry(base::ByteView bytes) {
  base::Reader in(bytes);
  const auto layout = in.u8();
  const auto name = in.text(kLongestName);
  const auto size = in.u64();
  const auto mtime = in.u64();
  const auto sha256 = in.text(kHexSha256);
  if (!in.done()) return base::Error{base::Fault::damaged, "a folder entry is cut or too long"};
  if (*layout != kLayout) return base::Error{base::Fault::damaged, "a folder entry has an unknown layout"};
  if (safe_name(*name) != *name) return base::Error{base::Fault::damaged, "a folder entry's name is not safe"};
  if (!is_hex_sha256(*sha256)) return base::Error{base::Fault::damaged, "a folder entry's sha256 is not one"};
  return FolderEntry{*name, *size, std::bit_cast<base::Seconds>(*mtime), *sha256};
}

}  // namespace vault
