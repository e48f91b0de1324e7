// Packets: a stream cut into arbitrary pieces gives the same packets as in one piece, and no body breaks a parser.
// Input: a byte for the size of the pieces, then the stream.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "sftp/wire.h"

namespace {

struct Cut {
  std::vector<base::Bytes> packets;
  bool refused = false;
};

Cut cut(base::ByteView stream, std::size_t piece) {
  sftp::PacketCutter cutter;
  Cut out;
  for (std::size_t at = 0; at < stream.size() && !out.refused; at += piece) {
    cutter.add(stream.subspan(at, std::min(piece, stream.size() - at)));
    auto next = cutter.next();
    for (; next && *next; next = cutter.next()) out.packets.emplace_back((*next)->begin(), (*next)->end());
    out.refused = !next;
  }
  return out;
}

void parse_all(base::ByteView packet) {
  const auto request = sftp::parse_request(packet);
  if (!request) return;
  const base::ByteView body = request->body;
  const auto open = sftp::parse_open(body);
  if (open && open->path.size() > sftp::kMaxPath) std::abort();
  const auto write = sftp::parse_write(body);
  if (write && write->handle.size() + write->data.size() > body.size()) std::abort();
  const auto read = sftp::parse_read(body);
  if (read && read->handle.size() + 16 != body.size()) std::abort();
  const auto path = sftp::parse_path(body);
  if (path && path->size() + 4 != body.size()) std::abort();
  const auto handle = sftp::parse_handle(body);
  if (handle && handle->size() + 4 != body.size()) std::abort();
  const auto pair = sftp::parse_two_paths(body);
  if (pair && pair->first.size() + pair->second.size() + 8 != body.size()) std::abort();
  const auto with_attributes = sftp::parse_path_attributes(body);
  if (with_attributes && with_attributes->path.size() + 8 > body.size()) std::abort();
  const auto name = sftp::parse_extended_name(body);
  if (name && name->size() + 4 > body.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView input(reinterpret_cast<const std::byte*>(data), size);
  if (input.empty()) return 0;
  const base::ByteView stream = input.subspan(1);
  const Cut whole = cut(stream, std::max<std::size_t>(1, stream.size()));
  const Cut pieces = cut(stream, 1 + static_cast<std::size_t>(input.front()));
  if (whole.packets != pieces.packets || whole.refused != pieces.refused) std::abort();
  for (const base::Bytes& packet : whole.packets) parse_all(packet);
  return 0;
}
