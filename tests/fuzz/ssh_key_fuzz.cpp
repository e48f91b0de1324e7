// Any text of a .pub file, and any bytes that a client calls a key: what is taken is printed as it was, and read again.
#include <algorithm>
#include <cstdlib>

#include "vault/ssh_key.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  for (const auto& key : {vault::SshKey::parse_file(base::as_text(bytes)), vault::SshKey::from_blob(bytes)}) {
    if (!key) continue;
    const auto again = vault::SshKey::parse(key->text());
    if (!again || again->blob() != key->blob() || key->blob().size() > vault::kMaxSshKeyBlob) std::abort();
  }
  return 0;
}
