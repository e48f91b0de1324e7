// Coverage: what provably arrived of one recording in one claim. Pure: no files, no clock of its own (times are
// milliseconds of base::monotonic_ms() and come from the caller).
//
// - Rule A: one handle, alone on the item during all of its life, was closed and its ranges are [0, size): delivered.
//   At once; but when its client may be fetching in chunks, only when no OPEN comes for a while: the first chunk may
//   have read over all of it before the next one began.
// - Rule B: one handle, alone, was sent [0, size) and EOF behind it, and its connection ended in order without CLOSE:
//   delivered when no OPEN comes for a longer while.
// - Rule C: several handles together are [0, size), each closed or ended in order, none is open: delivered when no OPEN
//   comes for a while, the longer one if a CLOSE is missing.
//   What a closed handle got is cut at the first byte of every other handle, also of those that broke: clients that
//   fetch in chunks read beyond a chunk's end and throw that away.
// - Resume: what a broken handle got proves nothing, until a later handle's first READ lies inside of it: a client goes
//   on where its copy ends, so it has what comes before. That counts once the later handle is closed. Both must be
//   alone: among several handles a resume looks like the next chunk.
// - New copy: when a handle begins at 0, nothing that ended before counts any more.
// - Doubt: where we lost track (a handle without a READ beside others, too many parts), and when a handle broke and the
//   client was ever seen to fetch in chunks, only rule A holds until then: it may have thrown its file away.
// The reasons stand in docs/delivery.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace vault {

// A set of disjoint, sorted, non-touching ranges [begin, end).
class Ranges {
 public:
  void add(std::uint64_t begin, std::uint64_t end);  // REQUIRES begin <= end
  void add(const Ranges& other);
  bool covers(std::uint64_t begin, std::uint64_t end) const;
  std::uint64_t bytes() const;
  bool empty() const { return ranges_.empty(); }
  // Begin of the run that contains `at` or ends there; `at` itself when there is none.
  std::uint64_t run_begin(std::uint64_t at) const;
  Ranges within(std::uint64_t begin, std::uint64_t end) const;                    // the part inside [begin, end)
  const std::map<std::uint64_t, std::uint64_t>& list() const { return ranges_; }  // begin -> end

  std::string text() const;                                  // "0-65536,131072-200000", "" when empty
  static base::Result<Ranges> parse(std::string_view text);  // Fault::damaged: not sorted, touching, not numbers

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;
};

class Coverage {
 public:
  using Handle = std::uint64_t;         // unique within the process
  struct Waits {                        // without an OPEN, until what is all there counts as delivered
    std::int64_t settle_ms = 0;         // every handle was closed
    std::int64_t without_close_ms = 0;  // a connection ended in order instead
  };
  Coverage(std::uint64_t size, Waits waits) : size_(size), waits_(waits) {}

  // Bounds on what a client can make us remember: a handle in more pieces counts for nothing, the others end in doubt.
  static constexpr std::size_t kMostPieces = 128;      // of one handle
  static constexpr std::size_t kMostParts = 64;        // of each kind of ended handles
  static constexpr std::size_t kMostPiecesKept = 512;  // of all ended handles; text() has about 42 bytes for each

  void opened(Handle handle);  // also takes back a due time of rule C
  // DATA was handed over: the client may have it. Clipped to the size; unknown handles: ignored. True: a new copy
  // began, earlier parts do not count any more. Store that before long: a restart would bring them back.
  bool sent(Handle handle, std::uint64_t offset, std::uint64_t length);
  // And it arrived (`eof`: and behind it the answer EOF; length 0: that alone). True: as in sent().
  bool booked(Handle handle, std::uint64_t offset, std::uint64_t length, bool eof = false);
  // True: rule A holds, the recording is delivered now. False: look at due(). `company`: connections of its client may
  // be about to open the item.
  bool closed(Handle handle, std::int64_t now_ms, bool company = false);
  // Its connection ended without CLOSE, in order: the client said so, and its TCP had acknowledged everything.
  void ended(Handle handle, std::int64_t now_ms);
  void broken(Handle handle, std::int64_t now_ms);  // its connection ended in any other way

  bool in_chunks() const { return in_chunks_; }  // the client was seen to fetch it in chunks
  // When a rule will call it delivered, unless a new OPEN comes first; nullopt: not complete, or a handle is open.
  std::optional<std::int64_t> due() const { return due_; }
  std::size_t open_handles() const { return open_.size(); }
  std::uint64_t size() const { return size_; }
  std::uint64_t bytes_sent() const { return bytes_sent_; }  // all DATA that arrived, for warnings

  // What is kept across a restart of the keeper, below 32 KiB. Open handles are restored as broken ones: nothing is
  // invented. A due time is not kept: call settle() after parse().
  std::string text() const;
  static base::Result<Coverage> parse(std::string_view text, std::uint64_t size, Waits waits);
  void settle(std::int64_t now_ms);  // the wait begins now, if all is there

 private:
  struct Part {                          // one open handle
    bool alone = true;                   // no other handle was open during its life
    bool counts = true;                  // false: of an earlier copy, or in too many pieces
    bool eof = false;                    // was answered behind all from `start` to the end
    bool odd = false;                    // its first READ was in the middle, where nothing was sent before
    std::optional<std::uint64_t> start;  // the lowest byte it was sent; nullopt: no READ yet
    Ranges ranges;                       // what arrived
    Ranges sent;                         // and what else it was sent
    Ranges resumed;                      // what its client has from before its first READ
  };
  bool start(Part& part, std::uint64_t offset);
  static void add(Part& part, Ranges& to, std::uint64_t offset, std::uint64_t length);
  bool begin_copy(Part& part);
  bool sent_around(std::uint64_t offset) const;  // by handles that ended
  void note_chunk(const Part& ended);
  void resume(Part& part, std::uint64_t offset);
  void finish(Part part);
  void keep(std::vector<Ranges>& parts, Ranges part);
  void keep_start(const Part& part);
  void take_back_resume(Part& part);
  void cut_at(std::uint64_t offset);
  void forget();
  void doubt();
  bool lost_track(const Part& part) const;
  bool proved_by_end(const Part& part) const;
  std::set<std::uint64_t> starts() const;  // of all ended handles
  bool complete() const;

  std::uint64_t size_;
  Waits waits_;
  std::map<Handle, Part> open_;
  std::vector<Ranges> finished_;   // of each handle closed or ended in order, and what each one of them resumed
  bool without_close_ = false;     // one of them was not closed
  std::vector<Ranges> tentative_;  // of each broken handle that was alone
  std::set<std::uint64_t> cuts_;   // starts of the other ended handles
  bool doubtful_ = false;          // the three above are empty then
  bool in_chunks_ = false;         // seen in this copy or an earlier one
  bool broke_ = false;             // a handle did, or one began where another had, in this copy
  bool whole_ = false;             // the handle that ended last has it all, by rule A; it waits
  std::optional<std::int64_t> due_;
  std::uint64_t bytes_sent_ = 0;
};

}  // namespace vault
