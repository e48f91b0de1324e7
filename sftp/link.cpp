#include "sftp/link.h"

#include "base/clock.h"
#include "sftp/packet_socket.h"

namespace sftp {

namespace {

constexpr std::uint32_t kMostUntold = 1024 * 1024;  // bytes of DATA
constexpr std::int64_t kLongestUntoldMs = 50;

}  // namespace

void Link::tell(const Ask& note) {
  if (!std::holds_alternative<ask::Book>(note)) book_what_waits();
  if (!over_ && !send_packet(keeper_.get(), encode(note), Wait::yes)) over_ = Refusal::failed;
}

void Link::book(const ask::Book& booking) {
  Run& run = booking.arrived ? arrived_ : sent_;
  const bool goes_on = run && run->handle == booking.handle && run->offset + run->length == booking.offset && !run->eof;
  if (goes_on) {
    run->length += booking.length;
    run->eof = booking.eof;
  } else {
    tell_run(run);
    run = booking;
  }
  const bool at_once = !goes_on && !booking.arrived;
  if (at_once || run->length >= kMostUntold) return tell_run(run);
  if (!due_) due_ = base::monotonic_ms() + kLongestUntoldMs;
}

void Link::tell_run(Run& run) {
  if (!run || (run->length == 0 && !run->eof)) return;
  tell(*run);
  run->offset += run->length;
  run->length = 0;
  run->eof = false;
}

void Link::book_what_waits() {
  tell_run(sent_);  // first: what has arrived was sent
  tell_run(arrived_);
  due_.reset();
}

std::optional<Say> Link::receive(base::Fd* object) {
  auto packet = receive_packet(keeper_.get(), kMaxMessage, Wait::yes);
  if (packet && *packet) {
    auto said = decode_say((*packet)->bytes);
    if (said) {
      if (object != nullptr) *object = std::move((*packet)->object);
      if (const auto* cut = std::get_if<say::Cut>(&*said)) over_ = cut->why;
      if (!over_) return std::move(*said);
    }
  }
  if (!over_) over_ = Refusal::failed;
  return std::nullopt;
}

std::optional<Say> Link::exchange(const Ask& request, base::Fd* object) {
  tell(request);
  if (over_) return std::nullopt;
  return receive(object);
}

void Link::listen() {
  if (!over_ && receive(nullptr)) over_ = Refusal::failed;  // only a Cut comes unasked
}

}  // namespace sftp
