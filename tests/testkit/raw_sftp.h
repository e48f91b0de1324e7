// RawSftp: a small SFTP version 3 client for tests, over libssh's client side. It sends what it is told to, packet by
// packet, also what no real client would send, and hands back every reply as it comes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "sftp/wire.h"

namespace testkit {

// A packet without its length field.
base::Bytes sftp_packet(sftp::Packet type, std::uint32_t id, base::ByteView body = {});
base::Bytes string_field(std::string_view text);

class RawSftp {
 public:
  // Logs in by password to 127.0.0.1. Fault::denied: the password was refused; the text is libssh's.
  static base::Result<RawSftp> log_in(int port, const std::string& user, const std::string& password);
  static base::Result<RawSftp> connect(int port, const std::string& user, const std::string& password);  // and start()
  RawSftp(RawSftp&&) noexcept;
  RawSftp& operator=(RawSftp&&) noexcept;
  ~RawSftp();  // closes the TCP connection without a word

  base::Result<void> open_channel();  // beside the one in use
  base::Result<void> start();         // subsystem sftp on a new channel, INIT, VERSION
  base::Result<void> start_subsystem(const std::string& name);
  base::Result<void> exec(const std::string& command);  // on a new channel: exec, shell, pty, env
  base::Result<void> shell();
  base::Result<void> pty();
  base::Result<void> forward();         // a direct-tcpip channel
  base::Result<void> listen_forward();  // a tcpip-forward request

  base::Result<void> send(base::ByteView packet);     // with its length field in front
  base::Result<void> send_raw(base::ByteView bytes);  // as they are

  struct Reply {
    sftp::Packet type;
    std::uint32_t id;
    base::Bytes body;             // behind the id
    sftp::Status status() const;  // of a STATUS reply; anything else ends the test program
    std::string status_text() const;
    std::string handle() const;  // of a HANDLE reply
    base::Bytes data() const;    // of a DATA reply
  };
  base::Result<Reply> receive(int timeout_ms = 10'000);  // Fault::failed: nothing came, or the connection ended

  // One request, its reply.
  base::Result<Reply> ask(sftp::Packet type, base::ByteView body);
  base::Result<std::string> open(std::string_view path, std::uint32_t flags = sftp::open_flag::kRead);
  std::uint32_t send_read(std::string_view handle, std::uint64_t offset, std::uint32_t length);  // returns its id
  std::uint32_t send_close(std::string_view handle);
  base::Result<base::Bytes> download(std::string_view path, std::uint32_t read_size = 32768);  // OPEN .. EOF, CLOSE

  void read_slowly();  // from now on the kernel takes in little that nobody reads
  void disconnect();   // SSH_MSG_DISCONNECT
  void reset();        // a TCP reset

 private:
  struct State;
  explicit RawSftp(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace testkit
