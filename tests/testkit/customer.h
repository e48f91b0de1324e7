// Customer: a simulated client with a local file of its own, and the Coverage that is kept of it.
//
// One customer runs one tool after the other. Each writes to one local file: a plain get truncates it, a resume appends
// at its size, a download in chunks writes each chunk only, whatever else it was sent. What was sent arrives later or,
// when the connection breaks, never; the vault learns of a broken connection at once or much later, and of what was
// sent last before a crash not at all.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "vault/coverage.h"

namespace testkit {

class Customer {
 public:
  static constexpr std::size_t kBytes = 24;  // of the recording
  // What happens: each call is a choice among `n`, and gives a number below that.
  using Choices = std::function<std::size_t(std::size_t n)>;
  explicit Customer(Choices choices) : below_(std::move(choices)) {}

  void step();

  bool delivered() const { return delivered_; }
  bool due() const { return coverage_.due().has_value() && !dials(); }  // a chunk comes before the wait is over
  bool has_it() const { return had_it_; }                               // a copy was whole, now or at some time
  std::string story() const { return story_ + coverage_.text(); }

 private:
  struct Stream {  // one chunk, or all of a plain get
    std::size_t begin, end;
    std::size_t position;                   // this much is in the local file
    std::size_t sent = 0;                   // of the open handle
    std::size_t arrived = 0;                // of that, as the vault knows
    std::optional<std::size_t> first = {};  // where that handle began to read; nullopt: not yet
    vault::Coverage::Handle handle = 0;     // 0: its connection is not there yet
    std::size_t reads_to = 0;               // the end and what it reads over
    bool eof = false;                       // was told
  };

  std::size_t below(std::size_t n) { return below_(n); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  bool dials() const;
  void next_tool();
  void open(Stream& stream);
  void advance(std::size_t index);
  void send(Stream& stream);
  void arrive(Stream& stream, std::size_t to);
  void receive(Stream& stream, std::size_t bytes);
  void close(std::size_t index);
  void leave(std::size_t index);
  void lose(std::size_t index);
  void drop(std::size_t index);
  void restart_keeper();
  void say(std::string_view what, const Stream& s);

  Choices below_;
  static constexpr vault::Coverage::Waits kWaits{30000, 60000};
  vault::Coverage coverage_{kBytes, kWaits};
  std::vector<bool> local_ = std::vector<bool>(kBytes);
  std::vector<Stream> chunks_;                 // of a download in chunks, as its state file tells; empty: a plain file
  std::vector<Stream> streams_;                // of the running tool
  bool gives_up_ = false;                      // on a chunk: then it opens no other
  std::vector<vault::Coverage::Handle> hung_;  // dead, and the vault does not know
  vault::Coverage::Handle next_ = 1;
  bool delivered_ = false, had_it_ = false;
  std::string story_;
};

}  // namespace testkit
