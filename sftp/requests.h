// Requests: what one SFTP channel asks, and the answers. One table, one gate: a reader's and a recorder's column. Knows
// nothing of SSH: bytes come in, and replies gather in a batch, from which the session sends them.
// Requests are answered in the order in which they came, with one exception: a CLOSE is looked at when it arrives, and
// the READs of its handle that still wait get FAILURE and never count.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "base/secret.h"
#include "sftp/contents.h"
#include "sftp/drop.h"
#include "sftp/handles.h"
#include "sftp/stream.h"

namespace sftp {

class Requests {
 public:
  // What all channels of a connection share. The session outlives its channels.
  struct Around {
    Link& link;
    InFlight& in_flight;
    const keys::Identity* identity;  // a reader's
    Contents* contents;              // and what it finds
    Drop* drop;                      // or a recorder's
  };
  Requests(const Around& around, Replies& replies) : around_(around), replies_(replies) {}

  bool has_room() const { return waiting_cost_ < kMaxWaiting; }  // false: leave the input where it is
  // Takes input in. Fault::damaged: this is not SFTP; end the connection.
  base::Result<void> arrive(base::ByteView bytes);
  void answer();  // until nothing waits, or the batch is full
  bool idle() const { return waiting_.empty(); }
  // A reader's CLOSEs that it sent before still hold, a recorder's do not: it was not told so, and has its copy.
  // Nothing is answered any more.
  void client_is_gone();

 private:
  struct Waiting {
    Packet type;
    std::uint32_t id;
    bool well_formed = true;
    bool overtaken = false;               // a READ whose handle was closed behind it
    std::optional<std::uint64_t> open{};  // what the handle means
    HandleKind kind = HandleKind::file;   // of the handle
    std::uint64_t offset = 0;             // READ, WRITE
    std::uint32_t length = 0;             // READ
    base::Bytes body{};                   // requests without a handle; data of a WRITE, wiped; FSETSTAT as it came
    std::size_t cost() const { return sizeof(Waiting) + body.size(); }
  };
  struct Row {
    using Run = void (Requests::*)(const Waiting&);
    Packet type;
    Run reader, recorder;  // nullptr: not for them
  };
  static const Row kTable[];
  static constexpr std::size_t kMaxWaiting = 1024 * 1024;  // bytes; about 10,000 READs
  static constexpr std::size_t kMaxReply = 64 * 1024;      // of everything but DATA

  base::Result<void> arrive_packet(base::ByteView packet);
  void take_handle(Waiting& request, base::ByteView handle, HandleKind kind);
  void take_close(Waiting& request, base::ByteView handle);
  void take_write(Waiting& request, base::ByteView body);
  HandleKind file_kind() const { return around_.drop != nullptr ? HandleKind::upload : HandleKind::file; }
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

  void drop_stat(const Waiting& request);
  void drop_fstat(const Waiting& request);
  void drop_set_attributes(const Waiting& request);
  void drop_set_file_attributes(const Waiting& request);
  void drop_open_folder(const Waiting& request);
  void drop_read_folder(const Waiting& request);
  void drop_open(const Waiting& request);
  void drop_write(const Waiting& request);
  void drop_close(const Waiting& request);
  void drop_make_folder(const Waiting& request);
  void drop_rename(const Waiting& request);
  void drop_remove(const Waiting& request);
  void drop_extended(const Waiting& request);
  void reply(const Waiting& request, const Drop::Answer& answer) { status(request, answer.status, answer.text); }

  void end_file(const Waiting& close);
  void tell_damage(OpenFile& file);
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
  std::set<Drop::File> uploads_;                  // begun here, and not closed
};

}  // namespace sftp
