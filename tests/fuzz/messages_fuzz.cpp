// Messages of session and keeper: what decodes has exactly one encoding, and is never a message of both sides.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "sftp/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView packet(reinterpret_cast<const std::byte*>(data), size);
  const auto ask = sftp::decode_ask(packet);
  const auto say = sftp::decode_say(packet);
  if (ask && say) std::abort();
  if (ask && !std::ranges::equal(sftp::encode(*ask), packet)) std::abort();
  if (say && !std::ranges::equal(sftp::encode(*say), packet)) std::abort();
  return 0;
}
