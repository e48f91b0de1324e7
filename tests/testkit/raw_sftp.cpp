#include "tests/testkit/raw_sftp.h"

#include <libssh/libssh.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace testkit {

using base::Error;
using base::Fault;

struct RawSftp::State {
  ssh_session ssh = ssh_new();
  ssh_channel channel = nullptr;
  base::Bytes input;
  std::uint32_t next_id = 1;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (ssh == nullptr) return;
    if (ssh_get_fd(ssh) >= 0) shutdown(ssh_get_fd(ssh), SHUT_RDWR);
    ssh_free(ssh);
  }

  Error error(const char* step) const { return {Fault::failed, std::string(step) + ": " + ssh_get_error(ssh)}; }

  base::Result<ssh_channel> new_channel() {
    ssh_channel made = ssh_channel_new(ssh);
    if (made == nullptr || ssh_channel_open_session(made) != SSH_OK) return error("open a channel");
    return made;
  }
};

base::Bytes sftp_packet(sftp::Packet type, std::uint32_t id, base::ByteView body) {
  base::Bytes packet;
  base::put_u8(packet, static_cast<std::uint8_t>(type));
  base::put_u32(packet, id);
  base::put_raw(packet, body);
  return packet;
}

base::Bytes string_field(std::string_view text) {
  base::Bytes field;
  base::put_string(field, text);
  return field;
}

RawSftp::RawSftp(std::unique_ptr<State> state) : state_(std::move(state)) {}
RawSftp::RawSftp(RawSftp&&) noexcept = default;
RawSftp& RawSftp::operator=(RawSftp&&) noexcept = default;
RawSftp::~RawSftp() = default;

base::Result<RawSftp> RawSftp::log_in(int port, const std::string& user, const std::string& password) {
  auto state = std::make_unique<State>();
  ssh_session ssh = state->ssh;
  const bool process_config = false;
  const long timeout = 20;
  ssh_options_set(ssh, SSH_OPTIONS_PROCESS_CONFIG, &process_config);
  ssh_options_set(ssh, SSH_OPTIONS_HOST, "127.0.0.1");
  ssh_options_set(ssh, SSH_OPTIONS_PORT, &port);
  ssh_options_set(ssh, SSH_OPTIONS_USER, user.c_str());
  ssh_options_set(ssh, SSH_OPTIONS_TIMEOUT, &timeout);
  if (ssh_connect(ssh) != SSH_OK) return state->error("connect");
  const int answer = ssh_userauth_password(ssh, nullptr, password.c_str());
  if (answer == SSH_AUTH_DENIED) return Error{Fault::denied, "password refused"};
  if (answer != SSH_AUTH_SUCCESS) return state->error("log in");
  return RawSftp(std::move(state));
}

base::Result<RawSftp> RawSftp::connect(int port, const std::string& user, const std::string& password) {
  auto client = log_in(port, user, password);
  if (!client) return client.error();
  if (auto r = client->start(); !r) return r.error();
  return client;
}

base::Result<void> RawSftp::start_subsystem(const std::string& name) {
  auto channel = state_->new_channel();
  if (!channel) return channel.error();
  state_->channel = *channel;
  if (ssh_channel_request_subsystem(*channel, name.c_str()) != SSH_OK) return state_->error("subsystem");
  return {};
}

base::Result<void> RawSftp::open_channel() {
  const auto channel = state_->new_channel();
  return channel ? base::Result<void>() : channel.error();
}

base::Result<void> RawSftp::start() {
  if (auto r = start_subsystem("sftp"); !r) return r;
  if (auto r = send(sftp_packet(sftp::Packet::init, 3)); !r) return r;
  const auto reply = receive();
  if (!reply) return reply.error();
  if (reply->type != sftp::Packet::version || reply->id != 3) return Error{Fault::failed, "not VERSION 3"};
  return {};
}

base::Result<void> RawSftp::exec(const std::string& command) {
  auto channel = state_->new_channel();
  if (!channel) return channel.error();
  return ssh_channel_request_exec(*channel, command.c_str()) == SSH_OK ? base::Result<void>() : state_->error("exec");
}

base::Result<void> RawSftp::shell() {
  auto channel = state_->new_channel();
  if (!channel) return channel.error();
  return ssh_channel_request_shell(*channel) == SSH_OK ? base::Result<void>() : state_->error("shell");
}

base::Result<void> RawSftp::pty() {
  auto channel = state_->new_channel();
  if (!channel) return channel.error();
  return ssh_channel_request_pty(*channel) == SSH_OK ? base::Result<void>() : state_->error("pty");
}

base::Result<void> RawSftp::forward() {
  ssh_channel made = ssh_channel_new(state_->ssh);
  const int rc = ssh_channel_open_forward(made, "127.0.0.1", 9, "127.0.0.1", 9);
  return rc == SSH_OK ? base::Result<void>() : state_->error("forward");
}

base::Result<void> RawSftp::listen_forward() {
  return ssh_channel_listen_forward(state_->ssh, "127.0.0.1", 0, nullptr) == SSH_OK ? base::Result<void>()
                                                                                    : state_->error("listen");
}

base::Result<void> RawSftp::send_raw(base::ByteView bytes) {
  const int n = ssh_channel_write(state_->channel, bytes.data(), static_cast<std::uint32_t>(bytes.size()));
  return n == static_cast<int>(bytes.size()) ? base::Result<void>() : state_->error("send");
}

base::Result<void> RawSftp::send(base::ByteView packet) {
  base::Bytes bytes;
  base::put_string(bytes, packet);  // a packet is a string on the wire
  return send_raw(bytes);
}

base::Result<RawSftp::Reply> RawSftp::receive(int timeout_ms) {
  base::Bytes& input = state_->input;
  for (;;) {
    base::Reader in(input);
    if (const auto packet = in.string(sftp::kMaxPacket)) {
      base::Reader fields(*packet);
      const auto type = fields.u8();
      const auto id = fields.u32();
      if (!type || !id) return Error{Fault::damaged, "a short reply"};
      Reply reply{static_cast<sftp::Packet>(*type), *id, {packet->begin() + 5, packet->end()}};
      input.erase(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(4 + packet->size()));
      return reply;
    }
    std::array<std::byte, 65536> part;
    const int n = ssh_channel_read_timeout(state_->channel, part.data(), part.size(), 0, timeout_ms);
    if (n <= 0) return state_->error("receive");
    input.insert(input.end(), part.begin(), part.begin() + n);
  }
}

namespace {

[[noreturn]] void wrong_reply(const char* wanted, const RawSftp::Reply& reply) {
  std::fprintf(stderr, "wanted %s, got a reply of type %d\n", wanted, static_cast<int>(reply.type));
  std::abort();
}

}  // namespace

sftp::Status RawSftp::Reply::status() const {
  if (type != sftp::Packet::status) wrong_reply("STATUS", *this);
  return static_cast<sftp::Status>(base::Reader(body).u32().value_or(~0U));
}

std::string RawSftp::Reply::status_text() const {
  if (type != sftp::Packet::status) wrong_reply("STATUS", *this);
  base::Reader in(body);
  in.u32();
  return in.text(1024).value_or("");
}

std::string RawSftp::Reply::handle() const {
  if (type != sftp::Packet::handle) wrong_reply("HANDLE", *this);
  return base::Reader(body).text(256).value_or("");
}

base::Bytes RawSftp::Reply::data() const {
  if (type != sftp::Packet::data) wrong_reply("DATA", *this);
  base::Reader in(body);
  const auto bytes = in.string(sftp::kMaxPacket);
  return bytes ? base::Bytes(bytes->begin(), bytes->end()) : base::Bytes();
}

base::Result<RawSftp::Reply> RawSftp::ask(sftp::Packet type, base::ByteView body) {
  const std::uint32_t id = state_->next_id++;
  if (auto r = send(sftp_packet(type, id, body)); !r) return r.error();
  auto reply = receive();
  if (reply && reply->id != id) return Error{Fault::damaged, "a reply to another request"};
  return reply;
}

base::Result<std::string> RawSftp::open(std::string_view path, std::uint32_t flags) {
  base::Bytes body = string_field(path);
  base::put_u32(body, flags);
  base::put_u32(body, 0);  // no attributes
  const auto reply = ask(sftp::Packet::open, body);
  if (!reply) return reply.error();
  if (reply->type != sftp::Packet::handle) return Error{Fault::denied, reply->status_text()};
  return reply->handle();
}

std::uint32_t RawSftp::send_read(std::string_view handle, std::uint64_t offset, std::uint32_t length) {
  base::Bytes body = string_field(handle);
  base::put_u64(body, offset);
  base::put_u32(body, length);
  const std::uint32_t id = state_->next_id++;
  static_cast<void>(send(sftp_packet(sftp::Packet::read, id, body)));
  return id;
}

std::uint32_t RawSftp::send_close(std::string_view handle) {
  const std::uint32_t id = state_->next_id++;
  static_cast<void>(send(sftp_packet(sftp::Packet::close, id, string_field(handle))));
  return id;
}

base::Result<base::Bytes> RawSftp::download(std::string_view path, std::uint32_t read_size) {
  const auto handle = open(path);
  if (!handle) return handle.error();
  base::Bytes all;
  for (;;) {
    send_read(*handle, all.size(), read_size);
    const auto reply = receive();
    if (!reply) return reply.error();
    if (reply->type != sftp::Packet::data) {
      if (reply->status() != sftp::Status::eof) return Error{Fault::failed, reply->status_text()};
      break;
    }
    base::put_raw(all, reply->data());
  }
  send_close(*handle);
  const auto closed = receive();
  if (!closed) return closed.error();
  if (closed->status() != sftp::Status::ok) return Error{Fault::failed, closed->status_text()};
  return all;
}

void RawSftp::read_slowly() {
  const int bytes = 4096;
  setsockopt(ssh_get_fd(state_->ssh), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

void RawSftp::disconnect() {
  ssh_channel_poll(state_->channel, 0);  // libssh says nothing unless poll() has told it that it may write
  ssh_disconnect(state_->ssh);
}

void RawSftp::reset() {
  const linger at_once{1, 0};
  setsockopt(ssh_get_fd(state_->ssh), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ssh_silent_disconnect(state_->ssh);
}

}  // namespace testkit
