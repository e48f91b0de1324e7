// Requests: what one SFTP channel asks, and the answers. One table, one gate. Knows nothing of SSH: bytes come in, and
// replies gather in a batch, from which the session sends them.
// Requests are answered in the order in which they came, with one exception: a CLOSE is looked at when it arrives, and
// the READs of its handle that still wait get FAILURE and never count.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "base/secret.h"
#include "sftp/contents.h"
#include "sftp/handles.h"
#include "sftp/stream.h"

namespace sftp {

class Requests {
 public:
  // What all channels of a connection share. The session outlives its channels.
  struct Around {
    Link& link;
    const keys::Identity& identity;
    Contents& contents;
    InFlight& in_flight;
  };
  Requests(const Around& around, Replies& replies) : around_(around), replies_(replies) {}

  bool has_room() const { return waiting_cost_ < kMaxWaiting; }  // false: leave the input where it is
  // Takes input in. Fault::damaged: this is not SFTP; end the connection.
  base::Result<void> arrive(base::ByteView bytes);
  void answer();  // until nothing waits, or the batch is full
  bool idle() const { return waiting_.empty(); }
  void client_is_gone();  // the CLOSEs that it sent before still hold; nothing is answered any more

 private:
  struct Waiting {
    Packet type;
    std::uint32_t id;
    bool well_formed = true;
    bool overtaken = false;               // a READ whose handle was closed behind it
    std::optional<std::uint64_t> open{};  // what the handle means
    HandleKind kind = HandleKind::file;   // of the handle
    std::uint64_t offset = 0;             // READ
    std::uint32_t length = 0;             // READ
    base::Bytes body{};                   // requests without a handle
    std::size_t cost() const { return sizeof(Waiting) + body.size(); }
  };
  struct Row {
    Packet type;
    void (Requests::*run)(const Waiting&);  // nullptr: a change that nobody may make
  };
  static const Row kTable[];
  static constexpr std::size_t kMaxWaiting = 1024 * 1024;  // bytes; about 10,000 READs
  static constexpr std::size_t kMaxReply = 64 * 1024;      // of everything but DATA

  base::Result<void> arrive_packet(base::ByteView packet);
  void take_handle(Waiting& request, base::ByteView handle, HandleKind kind);
  void take_close(Waiting& request, base::ByteView handle);
  std::size_t room_needed(const Waiting& request) const;
  void dispatch(const Waiting& request);

  void init(const Waiting& request);
  void real_path(const Waiting& request);
  void stat(const Waiting& request);
  void fstat(const Waiting& request);
  void open_folder(const Waiting& request);
  void read_folder(const Waiting& request);
  void open_file(const Waiting& request);
  void read(const Waiting& request);
  void close(const Waiting& request);
  void remove(const Waiting& request);
  void extended(const Waiting& request);

  void end_file(const Waiting& close);
  void open_recording(const Waiting& request, std::size_t place, std::uint32_t item);
  void reply_handle(const Waiting& request, HandleKind kind, std::uint64_t open);
  void status(const Waiting& request, Status status, std::string_view text);
  void refuse(const Waiting& request, Refusal why);
  std::optional<std::uint32_t> readable(const Waiting& request) const;  // DATA bytes; nullopt: no DATA

  struct File {
    OpenFile bytes;
    std::size_t place;
  };

  Around around_;
  Replies& replies_;
  PacketCutter cutter_;
  bool started_ = false;
  std::deque<Waiting> waiting_;
  std::size_t waiting_cost_ = 0;
  Handles handles_{kMaxHandles};
  std::uint64_t next_open_ = 0;
  std::map<std::uint64_t, File> files_;           // open files; an entry lives until its CLOSE is answered
  std::map<std::uint64_t, std::size_t> folders_;  // open folders, and the next entry to list
};

}  // namespace sftp
