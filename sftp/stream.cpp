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
  if (!reader_) {
    std::ranges::copy(base::as_bytes(text_).subspan(static_cast<std::size_t>(offset), out.size()), out.begin());
    return {};
  }
  const auto n = reader_->read(offset, out);
  if (n && *n == out.size()) return {};
  base::wipe(out);
  return n ? Error{Fault::damaged, "the object ends before its end"} : n.error();
}

void Acknowledged::passed_on(std::uint64_t sent) {
  for (auto& [handle, position] : positions_) position = std::min(position, sent);
}

bool Acknowledged::all_of(std::uint32_t handle) const {
  const auto at = positions_.find(handle);
  return at == positions_.end() || at->second <= arrived_;
}

bool Acknowledged::everything() const {
  return std::ranges::all_of(positions_, [this](const auto& at) { return at.second <= arrived_; });
}

base::Bytes& Replies::out() {
  batch_.reserve(kBatch);  // once: growing would leave copies behind
  return batch_;
}

void Replies::add_data(std::uint32_t id, OpenFile& file, std::uint64_t offset, std::uint32_t length) {
  const std::size_t start = out().size();
  put_data_head(batch_, id, length);
  const std::size_t head = batch_.size();
  batch_.resize(head + length);
  if (file.read(offset, std::span(batch_).subspan(head))) {
    data_.push_back({batch_.size(), file.keeper_handle(), offset, length});
  } else {
    batch_.resize(start);
    put_status(batch_, id, Status::failure, "the recording is damaged; please tell its sender");
  }
}

void Replies::uncount(std::uint32_t handle) {
  for (Data& data : data_)
    if (data.handle == handle) data.handle.reset();
}

void Replies::book_up_to(std::size_t end, Link& link) {
  std::optional<ask::Book> run;  // DATA that follows on other DATA is booked with it
  for (; !data_.empty() && data_.front().end <= end; data_.pop_front()) {
    const Data& data = data_.front();
    if (!data.handle) continue;
    if (run && run->handle == *data.handle && run->offset + run->length == data.offset) {
      run->length += data.length;
      continue;
    }
    if (run) link.tell(*run);
    run = ask::Book{*data.handle, data.offset, data.length};
  }
  if (run) link.tell(*run);
}

base::Result<void> Replies::leave(std::size_t window, Link& link, Acknowledged& acknowledged, const Write& write) {
  std::optional<std::uint32_t> handle;
  std::size_t end = data_.empty() ? batch_.size() : left_;
  for (const Data& data : data_) {
    if (handle && data.handle != handle) break;
    handle = data.handle;
    end = data.end;
  }
  end = std::min(end, left_ + window);

  book_up_to(end, link);
  if (link.over()) return Error{Fault::failed, "the keeper is gone"};
  if (handle) acknowledged.handed_over(*handle);
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
