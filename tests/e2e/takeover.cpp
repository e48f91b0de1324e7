// A session process that was taken over after the log-in, as an exploit would leave it: an extended request "takeover"
// makes the system calls that the test wants, from inside the fence, and sends the keeper what no honest session sends.
// Linked in front of two functions of sftp/wire.cpp (ld --wrap) into a callvaultd for tests, which is never installed.
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "sftp/messages.h"
#include "sftp/wire.h"

// The names that ld's --wrap gives to the two functions.
base::Result<std::string> real_parse_extended_name(base::ByteView body) __asm__(
    "__real__ZN4sftp19parse_extended_nameB5cxx11ESt4spanIKSt4byteLm18446744073709551615EE");
base::Result<std::string> our_parse_extended_name(base::ByteView body) __asm__(
    "__wrap__ZN4sftp19parse_extended_nameB5cxx11ESt4spanIKSt4byteLm18446744073709551615EE");
void real_put_limits(base::Bytes& out,
                     std::uint32_t id) __asm__("__real__ZN4sftp10put_limitsERSt6vectorISt4byteSaIS1_EEj");
void our_put_limits(base::Bytes& out,
                    std::uint32_t id) __asm__("__wrap__ZN4sftp10put_limitsERSt6vectorISt4byteSaIS1_EEj");

namespace {

constexpr std::string_view kName = "takeover@callvault.test";
constexpr std::size_t kMostArguments = 6;
constexpr std::size_t kMostBytes = std::size_t{64} * 1024;

std::optional<base::Bytes> reply;  // of the request that is answered now

// A number for each argument, or bytes, whose address is the argument and which go back as the call left them.
base::Bytes make_call(base::Reader& in) {
  const long number = static_cast<long>(in.u64().value_or(0));
  std::array<base::Bytes, kMostArguments> buffers;
  std::array<std::uint64_t, kMostArguments> arguments{};
  for (std::size_t i = 0; i < kMostArguments; ++i) {
    if (in.u8().value_or(0) == 0) {
      arguments[i] = in.u64().value_or(0);
      continue;
    }
    const auto bytes = in.string(kMostBytes).value_or(base::ByteView());
    buffers[i].assign(bytes.begin(), bytes.end());
    arguments[i] = reinterpret_cast<std::uint64_t>(buffers[i].data());
  }
  const long result =
      syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
  base::Bytes out;
  base::put_u64(out, static_cast<std::uint64_t>(result < 0 ? -errno : result));
  for (const auto& buffer : buffers) base::put_string(out, buffer);
  return out;
}

// The keeper's end is the one socket of packets among the descriptors.
int keeper() {
  for (int fd = 3; fd < 64; ++fd) {
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET) return fd;
  }
  return -1;
}

bool send(int to, base::ByteView packet, bool with_descriptor) {
  iovec part{const_cast<std::byte*>(packet.data()), packet.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (with_descriptor) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = STDERR_FILENO;
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  return sendmsg(to, &message, MSG_NOSIGNAL) >= 0;
}

// Sends a packet so many times, and gives back what the keeper said to it: each answer; then a 1 when it is still
// there, a 0 when it has ended this session.
base::Bytes tell_keeper(base::Reader& in) {
  const std::uint32_t times = in.u32().value_or(0);
  const bool with_descriptor = in.u8().value_or(0) != 0;
  const int wait_ms = static_cast<int>(in.u32().value_or(0));  // for each answer
  const auto packet = in.string(std::size_t{256} * 1024).value_or(base::ByteView());
  const int to = keeper();
  bool there = true;
  std::vector<base::Bytes> answers;
  const auto take = [&](int ms) {
    pollfd one{to, POLLIN, 0};
    if (poll(&one, 1, ms) <= 0) return false;
    base::Bytes answer(sftp::kMaxMessage);
    const ssize_t n = recv(to, answer.data(), answer.size(), MSG_DONTWAIT);
    there = n > 0;
    if (!there) return false;
    answer.resize(static_cast<std::size_t>(n));
    if (answers.size() < 8) answers.push_back(std::move(answer));
    return true;
  };
  int open = 0;  // without an answer; when its queue is full the keeper ends the session
  for (std::uint32_t i = 0; i < times && there; ++i) {
    there = send(to, packet, with_descriptor);
    ++open;
    while (there && times > 1 && take(open < 50 ? 0 : 10'000)) --open;
  }
  while (take(wait_ms)) {
  }
  base::Bytes out;
  base::put_u32(out, static_cast<std::uint32_t>(answers.size()));
  for (const auto& answer : answers) base::put_string(out, answer);
  base::put_u8(out, there ? 1 : 0);
  return out;
}

}  // namespace

base::Result<std::string> our_parse_extended_name(base::ByteView body) {
  base::Reader in(body);
  const auto name = in.text(256);
  if (!name || *name != kName) return real_parse_extended_name(body);
  reply = in.u8() == 0 ? make_call(in) : tell_keeper(in);
  return std::string("limits@openssh.com");  // whose reply is ours then
}

void our_put_limits(base::Bytes& out, std::uint32_t id) {
  const auto ours = std::exchange(reply, std::nullopt);
  if (!ours) return real_put_limits(out, id);
  base::put_u32(out, static_cast<std::uint32_t>(1 + 4 + ours->size()));
  base::put_u8(out, static_cast<std::uint8_t>(sftp::Packet::extended_reply));
  base::put_u32(out, id);
  base::put_raw(out, *ours);
}
