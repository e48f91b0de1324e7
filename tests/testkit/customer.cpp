#include "tests/testkit/customer.h"

#include <algorithm>
#include <cstdlib>

namespace testkit {

using vault::Coverage;

namespace {

constexpr std::int64_t kNow = 1000;

}  // namespace

void Customer::step() {
  if (!hung_.empty() && one_in(8)) {
    coverage_.broken(hung_.back(), kNow);
    hung_.pop_back();
  } else if (!dials() && one_in(60)) {  // a tool that ends between two chunks cannot be told from one that is done
    restart_keeper();
  } else if (streams_.empty()) {
    next_tool();
  } else {
    advance(below(streams_.size()));
  }
}

bool Customer::dials() const {
  return std::ranges::any_of(streams_, [](const Stream& s) { return s.handle == 0; });
}

void Customer::next_tool() {
  const auto prefix = static_cast<std::size_t>(std::ranges::find(local_, false) - local_.begin());
  const bool file_of_chunks = !chunks_.empty();
  gives_up_ = false;
  switch (below(5)) {
    case 0:  // get
      local_.assign(kBytes, false);
      chunks_.clear();
      streams_.push_back({0, kBytes, 0});
      break;
    case 1:  // reget
      if (file_of_chunks || prefix == 0) return;
      streams_.push_back({prefix, kBytes, prefix});
      break;
    case 2: {  // pget
      local_.assign(kBytes, false);
      chunks_.clear();
      const std::size_t count = 2 + below(3);
      for (std::size_t i = 0; i < count; ++i)
        chunks_.push_back({i * kBytes / count, (i + 1) * kBytes / count, i * kBytes / count});
      streams_ = chunks_;
      if (one_in(2))
        for (std::size_t i = count - 1; i > 0; --i) std::swap(streams_[i], streams_[below(i + 1)]);
      break;
    }
    case 3:  // pget -c
      for (const Stream& chunk : chunks_)
        if (chunk.position < chunk.end) streams_.push_back(chunk);
      break;
    default: {  // a preview of the header, which keeps no file
      if (!one_in(4)) return;
      const auto handle = next_++;
      coverage_.opened(handle);
      coverage_.booked(handle, 0, 1 + below(kBytes - 1));
      story_ += "preview\n";
      delivered_ = coverage_.closed(handle, kNow, one_in(2));
      return;
    }
  }
  for (Stream& stream : streams_)
    if (&stream == &streams_.front() || one_in(2)) open(stream);
}

void Customer::open(Stream& stream) {
  stream.handle = next_++;
  stream.first.reset();
  stream.sent = stream.arrived = 0;
  stream.eof = false;
  stream.reads_to = one_in(2) ? stream.end : stream.end + below(kBytes - stream.end + 1);
  // A first chunk that reads over the whole file, when no other will be fetched, cannot be told from a plain get.
  if (streams_.size() == 1 && !chunks_.empty() && stream.begin == 0)
    stream.reads_to = std::min(stream.reads_to, kBytes - 1);
  coverage_.opened(stream.handle);
  say("open", stream);
}

void Customer::advance(std::size_t index) {
  Stream& stream = streams_[index];
  if (stream.handle == 0) return open(stream);
  const bool all_sent = stream.first && *stream.first + stream.sent >= stream.reads_to;
  if (one_in(12)) return lose(index);
  if (one_in(40) || (all_sent && stream.eof && one_in(2))) return leave(index);
  if (all_sent && stream.reads_to == kBytes && !stream.eof && one_in(2)) {
    arrive(stream, stream.sent);
    coverage_.booked(stream.handle, kBytes, 0, true);
    stream.eof = true;
    return say("eof", stream);
  }
  if (one_in(40) || all_sent) return close(index);
  if (stream.arrived < stream.sent && one_in(2)) {
    arrive(stream, stream.arrived + 1 + below(stream.sent - stream.arrived));
  } else {
    send(stream);
  }
  if (one_in(2)) receive(stream, below(stream.sent + 1));
}

// What the keeper hears of it: that it was sent, and, at once or later, that it has arrived.
void Customer::send(Stream& stream) {
  if (!stream.first) stream.first = stream.position;
  const auto at = *stream.first + stream.sent;
  const auto length = std::min(1 + below(kBytes / 2), stream.reads_to - at);
  stream.sent += length;
  if (one_in(2)) {
    coverage_.sent(stream.handle, at, length);
  } else {
    arrive(stream, stream.sent);
  }
  say("sent", stream);
}

void Customer::arrive(Stream& stream, std::size_t to) {
  if (to == stream.arrived) return;
  coverage_.booked(stream.handle, *stream.first + stream.arrived, to - stream.arrived);
  stream.arrived = to;
}

void Customer::receive(Stream& stream, std::size_t bytes) {  // of the `sent` ones
  const auto to = std::min(*stream.first + bytes, stream.end);
  for (; stream.position < to; ++stream.position) local_[stream.position] = true;
  for (Stream& chunk : chunks_)
    if (chunk.begin == stream.begin) chunk.position = stream.position;
  had_it_ = had_it_ || std::ranges::find(local_, false) == local_.end();
}

// It has what its TCP had acknowledged, which is what it had received at least. The rest is thrown away on its way.
void Customer::close(std::size_t index) {
  Stream& stream = streams_[index];
  if (stream.first) {
    const auto received = std::min(stream.position - std::min(stream.position, *stream.first), stream.sent);
    const auto least = std::max(stream.arrived, received);
    if (const auto to = least + below(stream.sent - least + 1); to > stream.arrived) arrive(stream, to);
    receive(stream, stream.arrived);
  }
  say("close", stream);
  delivered_ = coverage_.closed(stream.handle, kNow, dials() || one_in(4));
  drop(index);
}

// Ends its connection in order, without CLOSE: everything has arrived. A tool that reads in chunks, or was told EOF, is
// done; any other one was interrupted, and may have thrown away what had arrived.
void Customer::leave(std::size_t index) {
  Stream& stream = streams_[index];
  const bool chunk = !chunks_.empty() && stream.first && *stream.first + stream.sent < kBytes;
  if (stream.first) {
    arrive(stream, stream.sent);
    receive(stream, stream.eof || chunk ? stream.sent : below(stream.sent + 1));
  }
  say("leave", stream);
  coverage_.ended(stream.handle, kNow);
  drop(index);
}

void Customer::lose(std::size_t index) {
  Stream& stream = streams_[index];
  // A session that is killed takes with it what it was about to tell of this handle.
  if (stream.first && one_in(8))
    receive(stream, stream.sent + below(stream.reads_to - *stream.first - stream.sent + 1));
  say("lose", stream);
  if (one_in(4)) {
    hung_.push_back(stream.handle);
  } else {
    coverage_.broken(stream.handle, kNow);
  }
  if (!chunks_.empty() && !gives_up_ && one_in(2)) {  // tries again, from its position
    stream.handle = 0;
    return one_in(2) ? open(stream) : void();
  }
  drop(index);
}

void Customer::drop(std::size_t index) {
  gives_up_ = gives_up_ || streams_[index].position < streams_[index].end;
  streams_.erase(streams_.begin() + static_cast<std::ptrdiff_t>(index));
  // When two tools, or one and a plain get, gave up and the later one never asked for its first chunk, the parts of
  // both cannot be told apart.
  if (gives_up_) std::erase_if(streams_, [](const Stream& s) { return s.handle == 0 && s.begin > 0; });
}

void Customer::restart_keeper() {
  auto again = Coverage::parse(coverage_.text(), kBytes, kWaits);
  if (!again) std::abort();
  coverage_ = std::move(*again);
  coverage_.settle(kNow);
  hung_.clear();
  streams_.clear();
  story_ += "restart\n";
}

void Customer::say(std::string_view what, const Stream& s) {
  story_ += std::string(what) + " h" + std::to_string(s.handle) + " chunk " + std::to_string(s.begin) + "-" +
            std::to_string(s.end) + " first " + (s.first ? std::to_string(*s.first) : "-") + " sent " +
            std::to_string(s.sent) + " arrived " + std::to_string(s.arrived) + " has " + std::to_string(s.position) +
            "\n";
}

}  // namespace testkit
