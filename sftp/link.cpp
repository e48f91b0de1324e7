#include "sftp/link.h"

#include "sftp/packet_socket.h"

namespace sftp {

void Link::tell(const Ask& note) {
  if (!over_ && !send_packet(keeper_.get(), encode(note), Wait::yes)) over_ = Refusal::failed;
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
