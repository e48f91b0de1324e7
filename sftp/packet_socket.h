// Packet socket: messages and descriptors over the SOCK_SEQPACKET sockets between keeper, listener and sessions.
#pragma once

#include <optional>

#include "base/files.h"

namespace sftp {

enum class Wait { yes, no };  // the keeper waits for nobody

// Sends one packet, with a descriptor when `object` holds one. Fault::failed: the other side is gone, or its queue is
// full and nobody waits; busy: this user has too many descriptors on their way.
base::Result<void> send_packet(int socket, base::ByteView packet, Wait wait, const base::Fd* object = nullptr);

struct ReceivedPacket {
  base::Bytes bytes;
  base::Fd object;  // the descriptor that came with it, if any, and if this process had room for it
};
// The next packet; nullopt when there is none and nobody waits; Fault::failed when the other side is gone, or sent more
// than `max` bytes or several descriptors.
base::Result<std::optional<ReceivedPacket>> receive_packet(int socket, std::size_t max, Wait wait);

}  // namespace sftp
