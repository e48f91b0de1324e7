// Step 6 of 7: stream. The bytes of an open file, the replies that carry them, and the proof of what left.
// Each piece of DATA is booked in the step that hands it to the channel, and once more when the client's TCP has
// acknowledged it: only that counts. What a CLOSE overtakes never does. The keeper hears of both before that CLOSE.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "keys/age_stream.h"
#include "keys/identity.h"
#include "sftp/link.h"
#include "sftp/wire.h"

namespace sftp {

// One open file: a recording, decrypted as it is read, or a notice.
class OpenFile {
 public:
  static OpenFile notice(std::string text);
  // Fault::damaged: the header is not this access's, holds another key than the ingest record commits to, or the object
  // has another size; Fault::denied: the header does not open.
  static base::Result<OpenFile> recording(const say::Opened& opened, base::Fd object, const keys::Identity& identity);

  std::uint64_t size() const { return reader_ ? reader_->size() : text_.size(); }
  // REQUIRES offset + out.size() <= size(). On an error `out` is wiped, and every later call fails too.
  base::Result<void> read(std::uint64_t offset, std::span<std::byte> out);
  std::optional<std::uint32_t> keeper_handle() const { return handle_; }  // nullopt: a notice, nothing is booked
  // From here on nothing of it is booked. Returns the handle that was, if there was one.
  std::optional<std::uint32_t> stop_counting() { return std::exchange(handle_, std::nullopt); }
  // True once behind each READ that gave data: clients ask for the end up to 128 times, and one answer is enough to
  // book.
  bool end_is_news() { return std::exchange(end_is_news_, false); }

 private:
  OpenFile() = default;
  std::string text_;
  std::optional<keys::StreamReader> reader_;
  std::optional<std::uint32_t> handle_;
  bool end_is_news_ = true;
};

// What was handed over and has not arrived yet: the client's TCP has not acknowledged it. The keeper is told both.
// Positions are bytes of the connection, known once libssh has passed everything to the kernel: until then nothing has
// arrived.
class InFlight {
 public:
  // DATA, or an EOF with length 0. `behind`: bytes that were handed over behind it in the same write. What SSH adds to
  // them is not counted, so that its place is a little late, never early.
  void handed_over(const ask::Book& booking, std::uint64_t behind);
  void passed_on(std::uint64_t sent);             // libssh holds nothing more; `sent` bytes went to the kernel so far
  void arrived(std::uint64_t bytes, Link& link);  // so many bytes of the connection are acknowledged
  void closed(std::uint32_t handle);              // what is still in flight of it never counts
  bool empty() const { return flying_.empty(); }

 private:
  static constexpr std::uint64_t kInLibssh = ~std::uint64_t{0};
  struct Flying {
    ask::Book booking;
    std::uint64_t behind;
    std::uint64_t position;
  };
  std::deque<Flying> flying_;
};

// The replies of one channel on their way out: a batch of up to kBatch bytes, into which recordings are decrypted
// directly, and which is wiped when it has left.
class Replies {
 public:
  static constexpr std::size_t kBatch = 256 * 1024;

  // Room for a reply; an empty batch has room for the longest.
  bool has_room(std::size_t size) const { return batch_.size() + size <= kBatch; }
  static constexpr std::size_t data_size(std::uint32_t length) { return 13 + std::size_t{length}; }
  base::Bytes& out();  // for put_*; REQUIRES has_room() for what is put
  // A DATA reply of `length` bytes, or FAILURE and false when the file does not give them. REQUIRES as OpenFile::read.
  bool add_data(std::uint32_t id, OpenFile& file, std::uint64_t offset, std::uint32_t length);
  void add_eof(std::uint32_t id, OpenFile& file);
  void uncount(std::uint32_t handle);  // what has not left entirely of its replies will never be booked
  bool empty() const { return batch_.empty(); }

  // Hands over the next bytes, at most `window`: what leaves entirely with them is in flight, then they are written. A
  // failed write ends the connection.
  using Write = std::function<base::Result<void>(base::ByteView)>;
  base::Result<void> leave(std::size_t window, Link& link, InFlight& in_flight, const Write& write);

 private:
  struct Booking {    // a DATA reply, or an EOF
    std::size_t end;  // in the batch
    std::optional<std::uint32_t> handle;
    std::uint64_t offset;
    std::uint32_t length;
    bool eof;
  };
  base::Bytes batch_;
  std::size_t left_ = 0;  // bytes of the batch that have left
  std::deque<Booking> bookings_;
};

}  // namespace sftp
