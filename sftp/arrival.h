// Arrival: puts the pieces of one upload in order. Clients send many at once, and some in another order than the
// file's; what comes too early is kept, up to a window. Pure.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "base/bytes.h"

namespace sftp {

class Arrival {
 public:
  static constexpr std::uint64_t kWindow = std::uint64_t{4} * 1024 * 1024;

  Arrival() = default;
  Arrival(Arrival&&) = default;
  Arrival& operator=(Arrival&&) = default;
  ~Arrival();  // wipes what it kept

  enum class Verdict {
    fine,
    again,    // bytes that came before: they are sealed, nothing changes them
    too_far,  // beyond the window
    failed    // `take` said no
  };
  // `take` gets what is in order now, from the first byte on. After anything but fine, nothing may follow.
  using Take = std::function<bool(base::ByteView)>;
  Verdict add(std::uint64_t offset, base::ByteView data, const Take& take);

  std::uint64_t size() const { return next_; }      // in order
  bool has_gap() const { return !early_.empty(); }  // something before what came is missing

 private:
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, base::Bytes> early_;  // by offset, none overlaps another
};

}  // namespace sftp
