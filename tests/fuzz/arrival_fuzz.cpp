// Pieces of an upload in any order and of any length: what is taken is what a plain array holds, each byte once.
#include <cstdlib>

#include "sftp/arrival.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::Reader in(base::ByteView(reinterpret_cast<const std::byte*>(data), size));
  sftp::Arrival arrival;
  base::Bytes taken;
  const auto byte_at = [](std::uint64_t place) { return static_cast<std::byte>(place * 31 % 251); };
  for (;;) {
    const auto offset = in.u16();
    const auto length = in.u8();
    if (!offset || !length) break;
    base::Bytes piece;
    for (std::uint64_t i = 0; i < *length; ++i) piece.push_back(byte_at(*offset + i));
    const auto verdict = arrival.add(*offset, piece, [&](base::ByteView part) {
      base::put_raw(taken, part);
      return true;
    });
    if (verdict != sftp::Arrival::Verdict::fine) break;
  }
  if (taken.size() != arrival.size()) std::abort();
  for (std::size_t i = 0; i < taken.size(); ++i)
    if (taken[i] != byte_at(i)) std::abort();
  return 0;
}
