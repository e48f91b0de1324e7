#include "sftp/packet_socket.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/secret.h"

namespace sftp {

using base::Error;
using base::Fault;
using base::Result;

namespace {

int flags_of(Wait wait) { return wait == Wait::yes ? 0 : MSG_DONTWAIT; }

// All of them: the room for one is room for two, since it is padded.
std::vector<base::Fd> descriptors_of(msghdr& message) {
  std::vector<base::Fd> all;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      all.emplace_back(fd);
    }
  }
  return all;
}

}  // namespace

Result<void> send_packet(int socket, base::ByteView packet, Wait wait, const base::Fd* object) {
  iovec part{const_cast<std::byte*>(packet.data()), packet.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (object != nullptr && *object) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = object->get();
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  ssize_t n;
  do n = sendmsg(socket, &message, MSG_NOSIGNAL | flags_of(wait));
  while (n < 0 && errno == EINTR);
  const Fault fault = n < 0 && errno == ETOOMANYREFS ? Fault::busy : Fault::failed;
  if (n < 0) return Error{fault, std::string("send to a process: ") + std::strerror(errno)};
  return {};
}

Result<std::optional<ReceivedPacket>> receive_packet(int socket, std::size_t max, Wait wait) {
  // Kept, since filling room for the longest message with zeros cost more than all else here; wiped, since keys and
  // sound pass through.
  static thread_local base::Bytes room;
  if (room.size() < max) room.resize(max);
  iovec part{room.data(), max};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n;
  do n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags_of(wait));
  while (n < 0 && errno == EINTR);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::optional<ReceivedPacket>();
  if (n <= 0) return Error{Fault::failed, "the other process is gone"};
  ReceivedPacket out{{room.begin(), room.begin() + n}, {}};
  base::wipe(std::span(room).first(static_cast<std::size_t>(n)));
  auto objects = descriptors_of(message);
  if (objects.size() > 1 || (!objects.empty() && (message.msg_flags & MSG_CTRUNC) != 0))
    return Error{Fault::failed, "a packet with several descriptors"};
  if (!objects.empty()) out.object = std::move(objects.front());
  if ((message.msg_flags & MSG_TRUNC) != 0) return Error{Fault::failed, "a packet is longer than any message"};
  return std::optional(std::move(out));
}

}  // namespace sftp
