#include "sftp/session.h"

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "sftp/contents.h"
#include "sftp/drop.h"
#include "sftp/login.h"
#include "sftp/notices.h"
#include "sftp/requests.h"

namespace sftp {

namespace {

using base::Error;
using base::Fault;
using base::monotonic_ms;

constexpr std::uint64_t kDataHead = 9;           // of an SSH packet with DATA: type, channel, length
constexpr std::uint64_t kSmallReplies = 64;      // to keepalives, in between: shorter than a head each
constexpr std::int64_t kLookMs = 5'000;          // at the line, while data is on its way
constexpr std::uint32_t kDeadMs = 30'000;        // without an ACK
constexpr std::uint8_t kUnanswered = 3;          // probes of a shut window, one behind the other
constexpr std::uint64_t kMostUnread = 4096;      // packets that libssh holds since the client took everything
constexpr std::size_t kMostInput = 2048 * 1024;  // that waits in libssh; its window is smaller
constexpr int kMostKeys = 64;                    // that one client may offer
constexpr std::size_t kMaxAccount = 64;          // of ask::Key
constexpr std::int64_t kGoodbyeMs = 2'000;       // for the last words to leave, and for the client to hear them

struct Channel {
  explicit Channel(ssh_channel channel) : ssh(channel) {}

  ssh_channel ssh;
  ssh_channel_callbacks_struct callbacks{};
  std::size_t input = 0;     // bytes that wait in libssh
  base::Bytes early;         // what came in while we sent
  bool is_sftp = false;      // the subsystem was asked for
  bool ended = false;        // by the client, with EOF or CLOSE
  bool ended_whole = false;  // and its TCP had acknowledged everything
  bool closed = false;       // by the client: must be freed
  Replies replies;
  std::optional<Requests> requests;
};

class Session {
 public:
  Session(base::Fd keeper, base::Fd logged_in, const SessionSettings& settings)
      : link_(std::move(keeper)), logged_in_(std::move(logged_in)), settings_(settings) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  base::Result<void> start(base::Fd connection, const SshPolicy& policy);
  void run();

 private:
  // From libssh's callbacks. They note and answer; data is never written there.
  static int on_message(ssh_session, ssh_message message, void* self);
  static ssh_string on_gssapi(ssh_session, const char*, int, ssh_string*, void*) { return nullptr; }  // refused
  static void on_key_exchange(void* self, float progress);
  static int on_keeper(int fd, int events, void* self);
  static int on_data(ssh_session, ssh_channel channel, void* data, std::uint32_t size, int is_stderr, void* self);
  static void on_eof(ssh_session, ssh_channel channel, void* self);
  static void on_close(ssh_session, ssh_channel channel, void* self);

  int service(ssh_message message);
  int authenticate(ssh_message message);
  int prompt(ssh_message message);
  int open_channel(ssh_message message);
  int request_on_channel(ssh_message message);
  bool try_password(const char* password);
  enum class Key { refused, would_do, right };
  Key try_key(ssh_message message);
  bool enter();
  bool logged_in() const { return who_ || drop_; }
  bool same_user(const char* user);
  Channel* find(ssh_channel channel);
  void ended(ssh_channel channel, bool closed);

  void step();
  void measure();
  void feed(Channel& channel);
  void take_in(Channel& channel, base::ByteView bytes);
  base::Result<void> pass_on(Channel& channel, base::ByteView bytes);
  void take_in_early();
  void send(Channel& channel);
  void finish(Channel& channel);
  void free_closed();
  bool alive() const {
    return ssh_is_connected(ssh_) == 1 && (ssh_get_status(ssh_) & (SSH_CLOSED | SSH_CLOSED_ERROR)) == 0;
  }
  bool can_write() const { return !key_exchange_ && (ssh_get_status(ssh_) & SSH_WRITE_PENDING) == 0; }
  bool has_work(const Channel& channel) const;
  int wait_ms() const;
  bool line_is_dead() const;
  void check_time();
  void check_unread();
  bool orderly() const;
  void end(std::string_view last_words);
  void say_goodbye();

  Link link_;
  base::Fd logged_in_;
  SessionSettings settings_;
  base::Fd socket_;  // a second descriptor of the connection: libssh closes its own
  ssh_session ssh_ = nullptr;
  ssh_event event_ = nullptr;
  ssh_callbacks_struct callbacks_{};
  ssh_server_callbacks_struct server_callbacks_{};
  ssh_counter_struct counter_{};  // bytes of the connection
  ssh_counter_struct packets_{};  // what they carry

  std::uint64_t packets_taken_ = 0;  // when libssh last held none back

  std::int64_t began_ = monotonic_ms();
  std::int64_t active_ = began_;
  bool over_ = false;
  std::string last_words_;
  bool key_exchange_ = false;
  bool sending_ = false;  // libssh may read in the middle of it
  bool queued_ = false;   // libssh holds back what was sent last, for a key exchange that it began itself

  std::optional<std::string> user_;
  bool asked_ = false;  // for the password, keyboard-interactive
  int failures_ = 0;
  std::optional<LoggedIn> who_;
  std::optional<Contents> contents_;
  KeeperUploads uploads_{link_};
  std::optional<Drop> drop_;  // a recorder's, instead of who_
  int keys_ = 0;              // that were offered
  InFlight in_flight_;
  int unacknowledged_ = 0;       // bytes that the client's TCP has not acknowledged
  std::list<Channel> channels_;  // a client may open one in the middle of anything
  bool any_sftp_ended_ = false;
  bool any_sftp_broken_ = false;
};

Session::~Session() {
  channels_.clear();
  if (event_ != nullptr) ssh_event_free(event_);
  if (ssh_ != nullptr) ssh_free(ssh_);
}

base::Result<void> Session::start(base::Fd connection, const SshPolicy& policy) {
  socket_ = base::Fd(dup(connection.get()));
  ssh_ = ssh_new();
  event_ = ssh_event_new();
  if (!socket_ || ssh_ == nullptr || event_ == nullptr) return Error{Fault::failed, "no memory for a session"};
  if (auto r = policy.apply(ssh_, connection.get()); !r) return r;
  connection.release();  // libssh's now
  ssh_callbacks_init(&callbacks_);
  callbacks_.userdata = this;
  callbacks_.connect_status_function = on_key_exchange;
  ssh_callbacks_init(&server_callbacks_);
  server_callbacks_.userdata = this;
  server_callbacks_.gssapi_select_oid_function = on_gssapi;
  if (ssh_set_callbacks(ssh_, &callbacks_) != SSH_OK || ssh_set_server_callbacks(ssh_, &server_callbacks_) != SSH_OK)
    return Error{Fault::failed, "libssh refuses callbacks"};
  ssh_set_message_callback(ssh_, on_message, this);
  ssh_set_auth_methods(ssh_, SSH_AUTH_METHOD_PUBLICKEY | SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_INTERACTIVE);
  ssh_set_counters(ssh_, &counter_, &packets_);
  if (ssh_handle_key_exchange(ssh_) == SSH_ERROR) return Error{Fault::failed, "no key exchange"};
  if (ssh_event_add_session(event_, ssh_) != SSH_OK ||
      ssh_event_add_fd(event_, link_.fd(), POLLIN, on_keeper, this) != SSH_OK)
    return Error{Fault::failed, "no event loop"};
  return {};
}

void Session::end(std::string_view last_words) {
  over_ = true;
  last_words_ = last_words;
}

// --- log-in ----------------------------------------------------------------------------------------------------------

int Session::on_message(ssh_session, ssh_message message, void* self) {
  auto* session = static_cast<Session*>(self);
  if (session->over_) return 0;  // no answer
  switch (ssh_message_type(message)) {
    case SSH_REQUEST_SERVICE: return session->service(message);
    case SSH_REQUEST_AUTH: return session->authenticate(message);
    case SSH_REQUEST_CHANNEL_OPEN: return session->open_channel(message);
    case SSH_REQUEST_CHANNEL: return session->request_on_channel(message);
    default: return 1;  // libssh answers: refused
  }
}

int Session::service(ssh_message message) {
  if (std::strcmp(ssh_message_service_service(message), "ssh-userauth") != 0) {
    end("no such service");
    return 0;
  }
  ssh_message_service_reply_success(message);
  ssh_string text = ssh_string_from_char(banner().c_str());
  ssh_send_issue_banner(ssh_, text);
  ssh_string_free(text);
  return 0;
}

bool Session::same_user(const char* user) {
  if (!user_ && user != nullptr) user_ = user;
  if (user_ && (user == nullptr || *user_ == user)) return true;
  end("the user name has changed");
  return false;
}

// The password comes from its message, since libssh would answer FAILURE behind a callback of its own for passwords.
const char* password_of(ssh_message message) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  return ssh_message_auth_password(message);
#pragma GCC diagnostic pop
}

int Session::authenticate(ssh_message message) {
  const int method = ssh_message_subtype(message);
  const bool response = ssh_message_auth_kbdint_is_response(message) == 1;
  if (!same_user(response ? nullptr : ssh_message_auth_user(message))) return 0;
  bool right = false;
  if (method == static_cast<int>(SSH_AUTH_METHOD_PASSWORD)) {
    right = try_password(password_of(message));
  } else if (method == static_cast<int>(SSH_AUTH_METHOD_PUBLICKEY)) {
    const Key key = try_key(message);
    if (key == Key::would_do) {
      ssh_message_auth_reply_pk_ok_simple(message);
      return 0;
    }
    right = key == Key::right;
  } else if (method == static_cast<int>(SSH_AUTH_METHOD_INTERACTIVE)) {
    if (!response) return prompt(message);
    const bool answers_us = std::exchange(asked_, false) && ssh_userauth_kbdint_getnanswers(ssh_) == 1;
    right = answers_us && try_password(ssh_userauth_kbdint_getanswer(ssh_, 0));
  }
  if (right) ssh_message_auth_reply_success(message, 0);
  return right || over_ ? 0 : 1;  // at the end no answer: a client without tries left would show that, not the words
}

int Session::prompt(ssh_message message) {
  const char* text = "Password: ";
  char hidden = 0;
  asked_ = true;
  ssh_message_auth_interactive_request(message, "", "", 1, &text, &hidden);
  return 0;
}

// To the nanosecond: the rest of a rounded time would tell how long the work took that it should hide.
timespec from_now(std::int64_t ms) {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  at.tv_nsec += ms % 1000 * 1'000'000;
  at.tv_sec += ms / 1000 + at.tv_nsec / 1'000'000'000;
  at.tv_nsec %= 1'000'000'000;
  return at;
}

// The listener hears of it: this connection does not count among those that are not logged in.
bool Session::enter() {
  active_ = monotonic_ms();
  const char byte = 1;
  if (write(logged_in_.get(), &byte, 1) != 1) end("the server is going down");
  return !over_;
}

// libssh wipes the password itself with its message. Waiting here keeps nobody but this client waiting.
bool Session::try_password(const char* password) {
  if (over_ || logged_in()) return false;
  const timespec answered = from_now(settings_.failure_ms);
  auto result = log_in(link_, *user_, base::as_bytes(password));
  if (auto* who = std::get_if<LoggedIn>(&result)) {
    who_ = std::move(*who);
    return enter();
  }
  const Refusal why = std::get<Refusal>(result);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &answered, nullptr) == EINTR) {
  }
  if (why != Refusal::wrong)
    end(words(why));
  else if (++failures_ >= settings_.tries)
    end("too many wrong passwords");
  return false;
}

// As it goes over the wire; empty when libssh cannot print it.
base::Bytes blob_of(ssh_key key) {
  char* text = nullptr;
  if (ssh_pki_export_pubkey_base64(key, &text) != SSH_OK) return {};
  auto blob = base::unbase64(text);
  ssh_string_free_char(text);
  return blob ? std::move(*blob) : base::Bytes();
}

// First a client asks whether a key would do, then it signs with it; libssh has verified the signature. A key that is
// not a recorder's is no failed try: clients offer all that they have.
Session::Key Session::try_key(ssh_message message) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  const ssh_publickey_state_e state = ssh_message_auth_publickey_state(message);
  const ssh_key key = ssh_message_auth_pubkey(message);
#pragma GCC diagnostic pop
  if (over_ || logged_in() || key == nullptr) return Key::refused;
  if (++keys_ > kMostKeys) {
    end("too many keys");
    return Key::refused;
  }
  const bool proved = state == SSH_PUBLICKEY_STATE_VALID;
  if (!proved && state != SSH_PUBLICKEY_STATE_NONE) return Key::refused;
  const base::Bytes blob = blob_of(key);
  if (blob.empty() || user_->size() > kMaxAccount) return Key::refused;
  const auto answer = link_.ask<say::Accepted>(ask::Key{*user_, blob, proved});
  if (const auto* why = std::get_if<Refusal>(&answer)) {
    if (*why != Refusal::wrong) end(words(*why));
    return Key::refused;
  }
  if (!proved) return Key::would_do;
  drop_.emplace(uploads_);
  return enter() ? Key::right : Key::refused;
}

// --- channels --------------------------------------------------------------------------------------------------------

int Session::open_channel(ssh_message message) {
  if (!logged_in() || ssh_message_subtype(message) != SSH_CHANNEL_SESSION || channels_.size() >= settings_.channels)
    return 1;
  ssh_channel opened = ssh_message_channel_request_open_reply_accept(message);
  if (opened == nullptr) return 0;
  Channel& channel = channels_.emplace_back(opened);
  ssh_callbacks_init(&channel.callbacks);
  channel.callbacks.userdata = this;
  channel.callbacks.channel_data_function = on_data;
  channel.callbacks.channel_eof_function = on_eof;
  channel.callbacks.channel_close_function = on_close;
  ssh_set_channel_callbacks(opened, &channel.callbacks);
  return 0;
}

// Only the subsystem "sftp", once. No exec, shell, pty, environment, X11, agent.
int Session::request_on_channel(ssh_message message) {
  Channel* channel = find(ssh_message_channel_request_channel(message));
  const char* name = ssh_message_channel_request_subsystem(message);
  if (channel == nullptr || channel->is_sftp || ssh_message_subtype(message) != SSH_CHANNEL_REQUEST_SUBSYSTEM ||
      name == nullptr || std::strcmp(name, "sftp") != 0)
    return 1;
  channel->is_sftp = true;
  ssh_message_channel_request_reply_success(message);
  return 0;
}

Channel* Session::find(ssh_channel channel) {
  const auto found = std::ranges::find(channels_, channel, &Channel::ssh);
  return found == channels_.end() ? nullptr : &*found;
}

// Requests are taken in at once, since libssh gives no more input out when a DISCONNECT follows in the same packet.
// What there is no room for stays in libssh, which opens the window no further, until feed() fetches it. What libssh
// reads in the middle of a write waits until the place of the written DATA in the connection is known: a CLOSE may be
// in it.
int Session::on_data(ssh_session, ssh_channel channel, void* data, std::uint32_t size, int is_stderr, void* self) {
  if (is_stderr != 0) return static_cast<int>(size);  // nothing of ours: thrown away
  auto* session = static_cast<Session*>(self);
  Channel* found = session->find(channel);
  if (found == nullptr) return 0;
  const bool take = found->requests && found->requests->has_room();
  found->input = take ? 0 : size;
  if (found->input > kMostInput) session->end("more data than there is room for");
  const base::ByteView bytes(static_cast<const std::byte*>(data), size);
  if (take && session->sending_)
    base::put_raw(found->early, bytes);
  else if (take)
    session->take_in(*found, bytes);
  return take ? static_cast<int>(size) : 0;
}

void Session::on_eof(ssh_session, ssh_channel channel, void* self) {
  static_cast<Session*>(self)->ended(channel, false);
}

void Session::on_close(ssh_session, ssh_channel channel, void* self) {
  static_cast<Session*>(self)->ended(channel, true);
}

void Session::ended(ssh_channel channel, bool closed) {
  Channel* found = find(channel);
  if (found == nullptr) return;
  if (!found->ended) {
    measure();
    found->ended_whole = in_flight_.empty();
  }
  found->ended = true;
  found->closed = closed;
}

// --- the loop --------------------------------------------------------------------------------------------------------

// While keys are exchanged libssh takes no data. Then DATA would be booked, and not leave.
void Session::on_key_exchange(void* self, float progress) {
  auto* session = static_cast<Session*>(self);
  session->key_exchange_ = progress < 1.0F;
  if (progress < 0.5F && !SshPolicy::fit_to_client(session->ssh_)) session->end("the key exchange failed");
  if (!session->key_exchange_) session->queued_ = false;
}

int Session::on_keeper(int, int, void* self) {
  static_cast<Session*>(self)->link_.listen();
  return 0;
}

void Session::run() {
  while (!over_ && alive()) {  // libssh may also learn of the end while step() writes
    if (ssh_event_dopoll(event_, wait_ms()) == SSH_ERROR || !alive()) break;
    step();
  }
  measure();
  for (Channel& channel : channels_)
    if (channel.requests) channel.requests->client_is_gone();
  if (logged_in()) link_.tell(ask::End{orderly()});
  if (over_) say_goodbye();
}

void Session::step() {
  const int on = 1;
  if (!logged_in()) setsockopt(socket_.get(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);  // the kernel forgets it
  measure();
  for (Channel& channel : channels_) feed(channel);
  for (Channel& channel : channels_) send(channel);
  for (Channel& channel : channels_) finish(channel);
  free_closed();
  check_time();
  check_unread();
  if (link_.over()) end(words(*link_.over()));
}

void Session::measure() {
  if (!sending_ && !queued_ && can_write()) in_flight_.passed_on(counter_.out_bytes);
  if (ioctl(socket_.get(), SIOCOUTQ, &unacknowledged_) == 0)
    in_flight_.arrived(counter_.out_bytes - static_cast<std::uint64_t>(unacknowledged_), link_);
}

void Session::feed(Channel& channel) {
  if (!channel.is_sftp || over_) return;
  if (!channel.requests) {
    if (who_ && !contents_) {
      auto loaded = Contents::load(link_, *who_);
      if (!loaded) {
        base::log_error(loaded.error().at("list the folder").what);
        return end("the folder cannot be listed");
      }
      contents_ = std::move(*loaded);
    }
    channel.requests.emplace(Requests::Around{link_, in_flight_, who_ ? &who_->identity : nullptr,
                                              who_ ? &*contents_ : nullptr, drop_ ? &*drop_ : nullptr},
                             channel.replies);
  }
  std::array<std::byte, 32 * 1024> part;
  while (channel.input > 0 && channel.requests->has_room() && !over_) {
    const auto most = static_cast<std::uint32_t>(std::min(part.size(), channel.input));
    const int n = ssh_channel_read_nonblocking(channel.ssh, part.data(), most, 0);
    if (n <= 0) return end("the connection is broken");
    channel.input -= static_cast<std::size_t>(n);
    take_in(channel, std::span(part).first(static_cast<std::size_t>(n)));
  }
}

void Session::take_in(Channel& channel, base::ByteView bytes) {
  active_ = monotonic_ms();
  measure();
  if (!over_ && !channel.requests->arrive(bytes)) end("this is not SFTP version 3");
}

// libssh may begin a key exchange in the middle. Then it takes the bytes, and keeps them until that is over; what tells
// is that the payload of the packets that left is not their heads and these bytes.
base::Result<void> Session::pass_on(Channel& channel, base::ByteView bytes) {
  const ssh_counter_struct before = packets_;
  sending_ = true;
  const int n = ssh_channel_write(channel.ssh, bytes.data(), static_cast<std::uint32_t>(bytes.size()));
  sending_ = false;
  if (n != static_cast<int>(bytes.size())) return Error{Fault::failed, "the channel does not take data"};
  const std::uint64_t expected = bytes.size() + kDataHead * (packets_.out_packets - before.out_packets);
  const std::uint64_t left = packets_.out_bytes - before.out_bytes;
  queued_ = left > expected || left + kSmallReplies < expected;
  return {};
}

// What libssh read meanwhile.
void Session::take_in_early() {
  measure();
  for (Channel& channel : channels_)
    if (!channel.early.empty()) take_in(channel, std::exchange(channel.early, {}));
}

void Session::send(Channel& channel) {
  if (!channel.requests || channel.closed) return;
  while (!over_ && can_write()) {
    const std::size_t window = ssh_channel_window_size(channel.ssh);
    channel.requests->answer();
    if (channel.replies.empty() || window == 0) return;
    const auto left =
        channel.replies.leave(window, link_, in_flight_, [&](base::ByteView bytes) { return pass_on(channel, bytes); });
    take_in_early();
    if (!left) return end("the connection is broken");
    active_ = monotonic_ms();
  }
}

// The client sends no more: what it asked for was answered, and the channel closes as a program that ended well.
void Session::finish(Channel& channel) {
  if (!channel.ended || channel.closed || has_work(channel) || channel.input > 0 || !channel.replies.empty()) return;
  if (ssh_channel_is_closed(channel.ssh)) return;
  ssh_channel_request_send_exit_status(channel.ssh, 0);
  ssh_channel_close(channel.ssh);
}

void Session::free_closed() {
  std::erase_if(channels_, [this](Channel& channel) {
    if (!channel.closed) return false;
    if (channel.is_sftp) (channel.ended_whole ? any_sftp_ended_ : any_sftp_broken_) = true;
    if (channel.requests) channel.requests->client_is_gone();
    ssh_remove_channel_callbacks(channel.ssh, &channel.callbacks);
    ssh_channel_free(channel.ssh);
    return true;
  });
}

bool Session::has_work(const Channel& channel) const {
  if (!channel.is_sftp || channel.closed) return false;
  const bool takes = !channel.requests || channel.requests->has_room();
  const bool gives = channel.requests && (!channel.requests->idle() || !channel.replies.empty()) &&
                     ssh_channel_window_size(channel.ssh) > 0;
  return (channel.input > 0 && takes) || (gives && can_write());
}

int Session::wait_ms() const {
  if (std::ranges::any_of(channels_, [this](const Channel& c) { return has_work(c); })) return 0;
  std::int64_t deadline = logged_in() ? active_ + settings_.idle_ms : began_ + settings_.grace_ms;
  const std::int64_t longest = unacknowledged_ > 0 ? std::min(kLookMs, settings_.idle_ms) : settings_.idle_ms;
  if (const auto due = link_.booking_due()) deadline = std::min(deadline, *due);
  return static_cast<int>(std::clamp<std::int64_t>(deadline - monotonic_ms(), 0, longest));
}

// Data is on its way, and not one ACK comes: no reset has told that the line is dead. TCP itself tries for a quarter of
// an hour; TCP_USER_TIMEOUT would also cut off a client that pauses, which acknowledges and takes nothing. While its
// window is shut nothing is on its way but TCP's probes, which a client that is there answers one by one.
bool Session::line_is_dead() const {
  tcp_info info{};
  socklen_t size = sizeof info;
  return unacknowledged_ > 0 && getsockopt(socket_.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
         (info.tcpi_unacked > 0 || info.tcpi_probes >= kUnanswered) && info.tcpi_last_ack_recv >= kDeadMs;
}

void Session::check_time() {
  const std::int64_t now = monotonic_ms();
  if (!logged_in() && now - began_ >= settings_.grace_ms) end("log-in took too long");
  if (logged_in() && now - active_ >= settings_.idle_ms) end("idle for too long");
  if (line_is_dead()) end("the line is dead");
  if (const auto due = link_.booking_due(); due && now >= *due) link_.book_what_waits();
}

// libssh answers without end, and keeps what the client does not take: log-ins, services and global requests need no
// window. Data waits for the client before it comes to that.
void Session::check_unread() {
  if ((ssh_get_status(ssh_) & SSH_WRITE_PENDING) == 0) packets_taken_ = packets_.out_packets;
  if (packets_.out_packets - packets_taken_ > kMostUnread) end("answers are not read");
}

// The client said that it is done, and its TCP had acknowledged everything: SSH_MSG_DISCONNECT, or the end of every
// channel. libssh tells a DISCONNECT only in its error text.
bool Session::orderly() const {
  if (over_) return false;  // ended by us
  constexpr std::string_view kDisconnected = "Received SSH_MSG_DISCONNECT";
  if (std::string_view(ssh_get_error(ssh_)).starts_with(kDisconnected)) return in_flight_.empty();
  const bool open = std::ranges::any_of(channels_, [](const Channel& c) { return c.is_sftp && !c.ended_whole; });
  return any_sftp_ended_ && !any_sftp_broken_ && !open;
}

// ssh_disconnect() writes only when poll() has said since the last write that the socket takes more: a round in which
// nothing was written. And the client hears it only when the socket is not closed over unread input.
void Session::say_goodbye() {
  const std::int64_t deadline = monotonic_ms() + kGoodbyeMs;
  for (bool quiet = false; !quiet && monotonic_ms() < deadline;) {
    const std::uint64_t written = counter_.out_bytes;
    if (ssh_event_dopoll(event_, 20) == SSH_ERROR) return;
    quiet = counter_.out_bytes == written && (ssh_get_status(ssh_) & SSH_WRITE_PENDING) == 0;
  }
  ssh_event_remove_session(event_, ssh_);
  ssh_session_set_disconnect_message(ssh_, last_words_.c_str());
  channels_.clear();  // libssh frees its side of them
  ssh_disconnect(ssh_);
  shutdown(socket_.get(), SHUT_WR);
  std::array<char, 4096> thrown_away;
  for (pollfd client{socket_.get(), POLLIN, 0};;) {
    const std::int64_t left = deadline - monotonic_ms();
    if (left <= 0 || poll(&client, 1, static_cast<int>(left)) <= 0) return;
    if (recv(socket_.get(), thrown_away.data(), thrown_away.size(), MSG_DONTWAIT) <= 0) return;
  }
}

}  // namespace

int run_session(base::Fd connection, base::Fd keeper, base::Fd logged_in, const SshPolicy& policy,
                const SessionSettings& settings) {
  Session session(std::move(keeper), std::move(logged_in), settings);
  if (auto r = session.start(std::move(connection), policy); !r) return 1;
  session.run();
  return 0;
}

}  // namespace sftp
