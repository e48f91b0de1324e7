// Wire: SFTP version 3 packets <-> structs. Pure and capped; everything here is read from strangers.
// Source: draft-ietf-secsh-filexfer-02 (version 3), and PROTOCOL of OpenSSH for limits@openssh.com.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace sftp {

enum class Packet : std::uint8_t {
  init = 1,
  version = 2,
  open = 3,
  close = 4,
  read = 5,
  write = 6,
  lstat = 7,
  fstat = 8,
  setstat = 9,
  fsetstat = 10,
  opendir = 11,
  readdir = 12,
  remove = 13,
  mkdir = 14,
  rmdir = 15,
  realpath = 16,
  stat = 17,
  rename = 18,
  readlink = 19,
  symlink = 20,
  status = 101,
  handle = 102,
  data = 103,
  name = 104,
  attrs = 105,
  extended = 200,
  extended_reply = 201,
};

enum class Status : std::uint32_t {
  ok = 0,
  eof = 1,
  no_such_file = 2,
  permission_denied = 3,
  failure = 4,
  bad_message = 5,
  op_unsupported = 8,
};

constexpr std::uint32_t kMaxPacket = 256 * 1024;  // of a request and of a reply, without the length field
constexpr std::uint32_t kMaxRead = 255 * 1024;    // 261,120: what limits@openssh.com announces
constexpr std::uint32_t kMaxWrite = 255 * 1024;
constexpr std::uint32_t kMaxHandles = 256;
constexpr std::size_t kMaxPath = 4096;
constexpr std::size_t kMaxHandle = 32;

namespace open_flag {
constexpr std::uint32_t kRead = 1, kWrite = 2, kAppend = 4, kCreate = 8, kTruncate = 16, kExclusive = 32;
}

// Cuts the bytes of a channel into packets. Fault::damaged when a length is 0 or over kMaxPacket: end the connection.
class PacketCutter {
 public:
  void add(base::ByteView bytes);
  // The next whole packet (type byte first), valid until the next call of add() or next(); nullopt: more bytes needed.
  base::Result<std::optional<base::ByteView>> next();
  std::size_t buffered() const { return buffer_.size() - at_; }

 private:
  base::Bytes buffer_;
  std::size_t at_ = 0;
};

struct Attributes {
  std::optional<std::uint64_t> size;
  std::optional<std::uint32_t> uid, gid, permissions, atime, mtime;
};

struct Request {
  Packet type;           // any value a client sent, also unknown ones
  std::uint32_t id = 0;  // for init: the version
  base::ByteView body;   // behind the id; views the packet
};
base::Result<Request> parse_request(base::ByteView packet);

// Bodies. Each fails with Fault::damaged on short, over-long or trailing bytes (answer: BAD_MESSAGE). Behind the data
// of a WRITE trailing bytes are left out: rclone (pkg/sftp 1.13.5) sends its whole buffer, of which it has filled a
// part.
struct OpenRequest {
  std::string path;
  std::uint32_t flags;
  Attributes attributes;
};
struct ReadRequest {
  base::ByteView handle;
  std::uint64_t offset;
  std::uint32_t length;
};
struct WriteRequest {
  base::ByteView handle;
  std::uint64_t offset;
  base::ByteView data;
};
struct TwoPaths {
  std::string first, second;
};
struct PathAttributes {
  std::string path;
  Attributes attributes;
};
base::Result<OpenRequest> parse_open(base::ByteView body);
base::Result<ReadRequest> parse_read(base::ByteView body);
base::Result<WriteRequest> parse_write(base::ByteView body);
base::Result<std::string> parse_path(base::ByteView body);                // opendir, lstat, stat, remove, realpath, ...
base::Result<base::ByteView> parse_handle(base::ByteView body);           // close, readdir, fstat
base::Result<TwoPaths> parse_two_paths(base::ByteView body);              // rename
base::Result<PathAttributes> parse_path_attributes(base::ByteView body);  // setstat, mkdir
base::Result<std::string> parse_extended_name(base::ByteView body);  // the rest of an extended request is not looked at
base::Result<TwoPaths> parse_extended_two_paths(base::ByteView body);  // behind the name: posix-rename@openssh.com

// Replies: each appends one whole packet, length field first.
void put_version(base::Bytes& out);  // version 3 and limits@openssh.com
void put_status(base::Bytes& out, std::uint32_t id, Status status, std::string_view text);
void put_handle(base::Bytes& out, std::uint32_t id, base::ByteView handle);
void put_attributes(base::Bytes& out, std::uint32_t id, const Attributes& attributes);
struct NameEntry {
  std::string name;
  std::string long_name;
  Attributes attributes;
};
void put_names(base::Bytes& out, std::uint32_t id, const std::vector<NameEntry>& entries);
void put_limits(base::Bytes& out, std::uint32_t id);  // the reply to the extended request limits@openssh.com
// The head of a DATA reply with `length` bytes, which the caller appends behind it.
void put_data_head(base::Bytes& out, std::uint32_t id, std::uint32_t length);

// The line of `ls -l` for an entry: fixed owner and links, size, UTC date. Bounded.
std::string long_name(std::string_view name, bool folder, std::uint64_t size, std::int64_t mtime);

}  // namespace sftp
