// Listener: the process that accepts connections, limits them, and forks a session for each. It parses nothing of SSH
// and holds no secret but the host key, which sessions inherit.
#pragma once

#include <optional>

#include "base/files.h"
#include "base/user.h"
#include "sftp/session.h"

namespace sftp {

struct ListenerSettings {
  base::Path host_key;
  std::size_t connections = 200;                 // in all
  std::size_t unauthenticated = 20;              // in all; when full, the oldest of the busiest address gives way
  std::size_t unauthenticated_per_address = 10;  // an address is a /32, or a /64 of IPv6
  double new_per_minute = 60;                    // per address
  double burst = 20;
  std::optional<base::User> user;  // what it and its sessions become, when they were started as root
  SessionSettings session;
};

// Serves until the keeper's socket closes, then ends its sessions. REQUIRES: forked from the keeper before any secret
// was read, a listening non-blocking TCP socket, and a SOCK_SEQPACKET socket to the keeper. For each connection the
// keeper receives one packet: the client's address as text, with the keeper's end of a session's socketpair
// (SCM_RIGHTS). The keeper sends nothing but limits. Returns the process's exit code.
int run_listener(base::Fd listening, base::Fd keeper, const ListenerSettings& settings);

// What of the settings can change while it runs; sessions that run keep theirs.
base::Bytes encode_limits(const ListenerSettings& settings);
bool take_limits(base::ByteView packet, ListenerSettings& settings);  // false: these are none; nothing has changed

}  // namespace sftp
