#include "tests/sftp/fake_keeper.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/filesystem/operations.hpp>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "keys/age_stream.h"
#include "keys/challenge.h"
#include "keys/host_key.h"
#include "keys/kdf.h"
#include "keys/sealed_header.h"
#include "tests/testkit/expect.h"
#include "vault/folder_entry.h"

namespace sftp {

using testkit::must;

namespace {

constexpr base::Seconds kCallTime = 1795339815;  // 2026-11-22T09:30:15Z

int receive_with_descriptor(int socket, std::string& text) {
  std::array<char, 256> bytes{};
  iovec part{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (n <= 0) return -1;
  text.assign(bytes.data(), static_cast<std::size_t>(n));
  int fd = -1;
  if (const cmsghdr* c = CMSG_FIRSTHDR(&message)) std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
  return fd;
}

void send_packet(int socket, const Say& said, int descriptor = -1) {
  base::Bytes packet = encode(said);
  iovec part{packet.data(), packet.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(c), &descriptor, sizeof descriptor);
  }
  sendmsg(socket, &message, MSG_NOSIGNAL);
}

}  // namespace

bool FakeKeeper::Handle::covers(std::uint64_t size) const {
  if (size == 0) return booked.empty();
  return booked.size() == 1 && booked.begin()->first == 0 && booked.begin()->second == size;
}

FakeKeeper::FakeKeeper() {
  password_ = must(keys::Password::generate());
  password_text_ = base::to_text(must(password_->text()).reveal());
  const auto now = base::SystemClock().now();
  terms_ = {"d-1", account(), keys::AccessKind::delivery, now - 60, now + 86400, base::random_bytes(32)};
  identity_ = must(password_->derive(terms_));
  settings.host_key = folder_ / "host_key";
  settings.burst = 1000;  // all tests come from one address
  settings.session.failure_ms = 50;
  must(keys::make_host_key(settings.host_key));
}

void FakeKeeper::add(std::string name, base::Bytes plain) {
  Recording r{std::move(name), std::move(plain)};
  r.id = "r-" + std::to_string(recordings_.size());
  r.object = folder_.path() / r.id;
  const auto file_key = must(base::SecretBytes::random(keys::kFileKey));
  base::Bytes object;
  auto writer = must(keys::StreamWriter::create(file_key, [&](base::ByteView part) -> base::Result<void> {
    base::put_raw(object, part);
    return {};
  }));
  must(writer.write(r.plain));
  must(writer.finish());
  must(base::system_files().create_whole(r.object, object));
  r.header = must(keys::header_for(identity_->recipient(), file_key));
  r.commitment = must(keys::commitment(file_key, r.id));
  const vault::FolderEntry entry{r.name, r.plain.size(), kCallTime, base::hex(keys::sha256(r.plain))};
  r.sealed_entry = must(keys::seal_to({identity_->recipient()}, vault::print_entry(entry)));
  recordings_.push_back(std::move(r));
}

FakeKeeper::Recording& FakeKeeper::recording(const std::string& name) {
  for (Recording& r : recordings_)
    if (r.name == name) return r;
  std::abort();
}

void FakeKeeper::start() {
  base::Fd listening(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  std::array<int, 2> pair{};
  if (bind(listening.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listening.get(), 64) != 0 ||
      getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0 || pipe2(wake_.data(), O_CLOEXEC) != 0)
    std::abort();
  port_ = ntohs(address.sin_port);
  base::Fd theirs(pair[1]);
  control_ = pair[0];
  listener_ = fork();
  if (listener_ == 0) {
    close(control_);
    _exit(run_listener(std::move(listening), std::move(theirs), settings));
  }
  thread_ = std::thread([this] { run(); });
}

FakeKeeper::~FakeKeeper() {
  if (listener_ <= 0) return;
  const char byte = 0;
  if (write(wake_[1], &byte, 1) != 1) std::abort();
  thread_.join();
  close(control_);  // the listener ends with it
  int code = 0;
  if (waitpid(listener_, &code, 0) != listener_ || code != 0) ADD_FAILURE() << "the listener ended with " << code;
  for (const auto& [fd, session] : sessions_) close(fd);
  close(wake_[0]);
  close(wake_[1]);
}

void FakeKeeper::run() {
  for (;;) {
    std::vector<pollfd> watched{{wake_[0], POLLIN, 0}, {control_, POLLIN, 0}};
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [fd, session] : sessions_) watched.push_back({fd, POLLIN, 0});
    }
    if (poll(watched.data(), watched.size(), -1) < 0 || watched[0].revents != 0) return;
    const std::lock_guard lock(mutex_);
    if (watched[1].revents != 0) {
      std::string text;
      const int fd = receive_with_descriptor(control_, text);
      if (fd < 0) return;
      addresses_.push_back(text);
      sessions_[fd] = Session{fd, {}};
    }
    for (std::size_t i = 2; i < watched.size(); ++i) {
      if (watched[i].revents == 0 || serve(sessions_.at(watched[i].fd))) continue;
      close(watched[i].fd);
      sessions_.erase(watched[i].fd);
      ++ended_sessions_;
    }
  }
}

bool FakeKeeper::serve(Session& session) {
  base::Bytes packet(kMaxMessage);
  const ssize_t n = recv(session.fd, packet.data(), packet.size(), 0);
  if (n <= 0) return false;
  const auto asked = decode_ask(base::ByteView(packet).first(static_cast<std::size_t>(n)));
  if (!asked) {
    ADD_FAILURE() << "a session sent a message that cannot be read";
    return false;
  }
  answer(session, *asked);
  return true;
}

void FakeKeeper::answer(Session& session, const Ask& asked) {
  const auto refuse = [&](Refusal why) { send_packet(session.fd, say::Refused{why}); };
  if (const auto* login = std::get_if<ask::Login>(&asked)) {
    say::Challenges challenges;
    session.answers.clear();
    const bool known = login->account == account();
    for (std::size_t i = 0; i < kChallenges; ++i) {
      auto challenge =
          must(known && i == 3 ? keys::make_challenge(identity_->recipient()) : keys::make_dummy_challenge());
      const bool real = known && i == 3;
      challenges.terms.push_back({real ? terms_.id : "d-0", "delivery", real ? terms_.not_before : 0,
                                  real ? terms_.expires : 1, real ? terms_.salt : base::random_bytes(32),
                                  std::move(challenge.sealed)});
      session.answers.push_back(std::move(challenge.answer));
    }
    return send_packet(session.fd, challenges);
  }
  if (const auto* proof = std::get_if<ask::Answer>(&asked)) {
    const bool right = proof->which == 3 && session.answers.size() == kChallenges &&
                       session.answers[3] == must(base::SecretBytes::copy_of(proof->proof));
    if (!right || refuse_login) {
      ++refused_;
      return refuse(right ? *refuse_login : Refusal::wrong);
    }
    ++granted_;
    session.logged_in = true;
    return send_packet(session.fd, say::Granted{terms_.id, "delivery", static_cast<std::uint32_t>(recordings_.size()),
                                                terms_.expires, plain_folder, "checkpoint of the test\n", 1795339815});
  }
  if (!session.logged_in) {
    ADD_FAILURE() << "a session asked before its log-in";
    return refuse(Refusal::not_allowed);
  }
  if (const auto* list = std::get_if<ask::List>(&asked)) {
    say::Entries page{static_cast<std::uint32_t>(recordings_.size()), {}};
    for (std::uint32_t i = list->from; i < recordings_.size() && page.entries.size() < 7; ++i)
      page.entries.push_back({i, recordings_[i].gone, recordings_[i].sealed_entry});
    return send_packet(session.fd, page);
  }
  if (const auto* wanted = std::get_if<ask::Open>(&asked)) return open(session, wanted->item);
  if (const auto* book = std::get_if<ask::Book>(&asked)) {
    Handle& handle = handles_.at(book->handle);
    if (handle.closed) ADD_FAILURE() << "booked behind CLOSE";
    if (!book->arrived) {
      handle.sent += book->length;
      return;
    }
    handle.bytes += book->length;
    if (book->eof) ++handle.eofs;
    if (book->length == 0) return;
    std::uint64_t begin = book->offset;
    std::uint64_t end = begin + book->length;
    std::erase_if(handle.booked, [&](const auto& range) {
      if (range.first > end || range.second < begin) return false;
      begin = std::min(begin, range.first);
      end = std::max(end, range.second);
      return true;
    });
    handle.booked[begin] = end;
    return;
  }
  if (const auto* closed = std::get_if<ask::Close>(&asked)) {
    Handle& handle = handles_.at(closed->handle);
    handle.closed = true;
    handle.served = closed->served;
    return send_packet(session.fd, say::Done{false});
  }
  if (const auto* removed = std::get_if<ask::Remove>(&asked))
    return recordings_.at(removed->item).gone ? send_packet(session.fd, say::Done{true}) : refuse(Refusal::not_allowed);
  if (const auto* end = std::get_if<ask::End>(&asked)) ends_.push_back(end->orderly);
}

void FakeKeeper::open(Session& session, std::uint32_t item) {
  const Recording& r = recordings_.at(item);
  if (r.gone) return send_packet(session.fd, say::Refused{Refusal::gone});
  if (r.restricted) return send_packet(session.fd, say::Refused{Refusal::restricted});
  const base::Fd object = must(base::open_to_read(r.object));
  const auto number = static_cast<std::uint32_t>(handles_.size());
  handles_.push_back({r.name, {}});
  send_packet(session.fd, say::Opened{number, r.id, r.header, r.commitment, r.plain.size()}, object.get());
}

std::vector<FakeKeeper::Handle> FakeKeeper::handles(const std::string& name) {
  const std::lock_guard lock(mutex_);
  std::vector<Handle> found;
  for (const Handle& h : handles_)
    if (h.name == name) found.push_back(h);
  return found;
}

std::size_t FakeKeeper::logins(bool granted) {
  const std::lock_guard lock(mutex_);
  return granted ? granted_ : refused_;
}

std::vector<std::string> FakeKeeper::addresses() {
  const std::lock_guard lock(mutex_);
  return addresses_;
}

std::vector<bool> FakeKeeper::ends() {
  const std::lock_guard lock(mutex_);
  return ends_;
}

std::size_t FakeKeeper::wait_for_ends(std::size_t count) {
  for (int i = 0; i < 1000; ++i) {
    {
      const std::lock_guard lock(mutex_);
      if (ended_sessions_ >= count) return ended_sessions_;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return 0;
}

void FakeKeeper::set_gone(const std::string& name) {
  const std::lock_guard lock(mutex_);
  recording(name).gone = true;
}

void FakeKeeper::cut(Refusal why) {
  const std::lock_guard lock(mutex_);
  for (const auto& [fd, session] : sessions_) send_packet(fd, say::Cut{why});
}

}  // namespace sftp
