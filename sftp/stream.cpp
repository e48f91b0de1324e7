#include "sftp/stream.h"

#include <algorithm>
#include <utility>

#include "keys/sealed_header.h"

namespace sftp {

using base::Error;
using base::Fault;

OpenFile OpenFile::notice(std::string text) {
  OpenFile file;
  file.text_ = std::move(text);
  return file;
}

base::Result<OpenFile> OpenFile::recording(const say::Opened& opened, base::Fd object, const keys::Identity& identity) {
  const auto file_key = identity.unwrap_one(opened.header);
  if (!file_key) return file_key.error().at("header");
  const auto commitment = keys::commitment(*file_key, opened.recording);
  if (!commitment) return commitment.error();
  if (*commitment != opened.commitment) return Error{Fault::damaged, "the header holds another key than was recorded"};
  auto reader = keys::StreamReader::open(*file_key, std::move(object));
  if (!reader) return reader.error();
  if (reader->size() != opened.size) return Error{Fault::damaged, "the object has another size than was recorded"};
  OpenFile file;
  file.reader_ = std::move(*reader);
  file.handle_ = opened.handle;
  return file;
}

base::Result<void> OpenFile::read(std::uint64_t offset, std::span<std::byte> out) {
  end_is_news_ = true;
  if (!reader_) {
    std::ranges::copy(base::as_bytes(text_).subspan(static_cast<std::size_t>(offset), out.size()), out.begin());
    return {};
  }
  const auto n = reader_->read(offset, out);
  if (n && *n == out.size()) return {};
  base::wipe(out);
  return n ? Error{Fault::damaged, "the object ends before its end"} : n.error();
}

void InFlight::handed_over(const ask::Book& booking, std::uint64_t behind) {
  flying_.push_back({booking, behind, kInLibssh});
}

void InFlight::passed_on(std::uint64_t sent) {
  for (auto last = flying_.rbegin(); last != flying_.rend() && last->position == kInLibssh; ++last)
    last->position = sent - last->behind;
}

void InFlight::arrived(std::uint64_t bytes, Link& link) {
  for (; !flying_.empty() && flying_.front().position <= bytes; flying_.pop_front()) {
    ask::Book booking = flying_.front().booking;
    booking.arrived = true;
    link.book(booking);
  }
}

void InFlight::closed(std::uint32_t handle) {
  std::erase_if(flying_, [&](const Flying& flying) { return flying.booking.handle == handle; });
}

base::Bytes& Replies::out() {
  batch_.reserve(kBatch);  // once: growing would leave copies behind
  return batch_;
}

bool Replies::add_data(std::uint32_t id, OpenFile& file, std::uint64_t offset, std::uint32_t length) {
  const std::size_t start = out().size();
  put_data_head(batch_, id, length);
  const std::size_t head = batch_.size();
  batch_.resize(head + length);
  if (file.read(offset, std::span(batch_).subspan(head))) {
    bookings_.push_back({batch_.size(), file.keeper_handle(), offset, length, false});
    return true;
  }
  batch_.resize(start);
  put_status(batch_, id, Status::failure, "the recording is damaged; please tell its sender");
  return false;
}

void Replies::add_eof(std::uint32_t id, OpenFile& file) {
  put_status(out(), id, Status::eof, "end of file");
  if (file.keeper_handle() && file.end_is_news())
    bookings_.push_back({batch_.size(), file.keeper_handle(), file.size(), 0, true});
}

void Replies::uncount(std::uint32_t handle) {
  for (Booking& booking : bookings_)
    if (booking.handle == handle) booking.handle.reset();
}

base::Result<void> Replies::leave(std::size_t window, Link& link, InFlight& in_flight, const Write& write) {
  const std::size_t end = std::min(batch_.size(), left_ + window);
  for (; !bookings_.empty() && bookings_.front().end <= end; bookings_.pop_front()) {
    const Booking& next = bookings_.front();
    if (!next.handle) continue;
    const ask::Book booking{*next.handle, next.offset, next.length, next.eof, false};
    if (next.length > 0) link.book({*next.handle, next.offset, next.length, false, false});
    in_flight.handed_over(booking, end - next.end);
  }
  if (link.over()) return Error{Fault::failed, "the keeper is gone"};
  const std::span leaving = std::span(batch_).subspan(left_, end - left_);
  const auto written = write(leaving);
  base::wipe(leaving);
  if (!written) return written;
  left_ = end;
  if (left_ == batch_.size()) {
    batch_.clear();
    left_ = 0;
  }
  return {};
}

}  // namespace sftp
