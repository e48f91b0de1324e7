// The real keeper with a real vault, and sessions that say to it whatever they like: a message out of order or out of
// form ends that session and no other, nothing is delivered that was not proved, and nobody waits for a flood.
#include "sftp/keeper.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>

#include "keys/challenge.h"
#include "keys/password.h"
#include "sftp/login.h"
#include "sftp/packet_socket.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_vault.h"
#include "vault/customer.h"
#include "vault/grant.h"
#include "vault/recorder.h"
#include "vault/restriction.h"
#include "vault/server_keys.h"

namespace sftp {
namespace {

using base::Bytes;
using testkit::must;

constexpr int kLongestMs = 60'000;  // for an answer, on a machine that is busy

std::array<base::Fd, 2> socket_pair() {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) std::abort();
  return {base::Fd(pair[0]), base::Fd(pair[1])};
}

// The keeper's log, and what else this program writes to stderr meanwhile: why a session was ended, that a commit
// failed.
class Log {
 public:
  Log() : file_(memfd_create("log", MFD_CLOEXEC)), stderr_(dup(STDERR_FILENO)) { dup2(file_.get(), STDERR_FILENO); }
  ~Log() {
    dup2(stderr_.get(), STDERR_FILENO);
    std::fputs(text().c_str(), stderr);
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  int count(std::string_view words) const {
    const std::string all = text();
    int found = 0;
    for (auto at = all.find(words); at != std::string::npos; at = all.find(words, at + 1)) ++found;
    return found;
  }
  bool tells(std::string_view words, int times) const {  // waits for it
    for (int i = 0; i < kLongestMs / 10 && count(words) < times; ++i) usleep(10'000);
    return count(words) >= times;
  }

 private:
  std::string text() const {
    std::string out(std::size_t{1} << 20, '\0');
    const auto size = pread(file_.get(), out.data(), out.size(), 0);
    out.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return out;
  }
  base::Fd file_, stderr_;
};

// The session's end of its socket.
class Hostile {
 public:
  explicit Hostile(base::Fd socket) : socket_(std::move(socket)) {}

  bool send(base::ByteView packet, const base::Fd* descriptor = nullptr) {
    return static_cast<bool>(send_packet(socket_.get(), packet, Wait::yes, descriptor));
  }
  bool send(const Ask& message) { return send(encode(message)); }
  // What the keeper says next; nullopt: it has ended this session.
  std::optional<Say> hear(base::Fd* object = nullptr) {
    pollfd one{socket_.get(), POLLIN, 0};
    if (poll(&one, 1, kLongestMs) != 1) {
      ADD_FAILURE() << "the keeper says nothing";
      return std::nullopt;
    }
    auto packet = receive_packet(socket_.get(), kMaxMessage, Wait::no);
    if (!packet || !*packet) return std::nullopt;
    if (object != nullptr) *object = std::move((*packet)->object);
    return must(decode_say((*packet)->bytes));
  }
  std::optional<Say> ask(const Ask& message) {
    send(message);  // a session that was ended hears so
    return hear();
  }
  template <class Answer>
  Answer must_ask(const Ask& message) {
    auto said = ask(message);
    if (!said || !std::holds_alternative<Answer>(*said)) {
      ADD_FAILURE() << "another answer, or none";
      return {};
    }
    return std::get<Answer>(std::move(*said));
  }
  std::optional<Refusal> refused(const Ask& message) {
    const auto said = ask(message);
    const auto* refused = said ? std::get_if<say::Refused>(&*said) : nullptr;
    return refused == nullptr ? std::nullopt : std::optional(refused->why);
  }
  bool hung_up() {  // waits for the keeper to do so, and hears nothing meanwhile
    pollfd one{socket_.get(), 0, 0};
    return poll(&one, 1, kLongestMs) == 1 && (one.revents & POLLHUP) != 0;
  }
  bool ended() { return !hear(); }
  bool hears_nothing() {  // up to now
    pollfd one{socket_.get(), POLLIN, 0};
    return poll(&one, 1, 0) == 0;
  }
  std::optional<Refusal> why_cut() {
    const auto said = hear();
    const auto* cut = said ? std::get_if<say::Cut>(&*said) : nullptr;
    return cut == nullptr ? std::nullopt : std::optional(cut->why);
  }
  // As an honest session does it; the key of the access.
  std::variant<LoggedIn, Refusal> log_in(std::string_view account, const base::SecretBytes& password) {
    Link link(base::Fd(dup(socket_.get())));
    return sftp::log_in(link, account, password.reveal());
  }
  // The challenge that the password opens, and its answer.
  ask::Answer answer_of(std::string_view account, const base::SecretBytes& password) {
    const auto challenges = must_ask<say::Challenges>(ask::Login{std::string(account)});
    const auto key = must(keys::Password::parse(password.reveal()));
    for (std::size_t i = 0; i < challenges.terms.size(); ++i) {
      const say::Terms& t = challenges.terms[i];
      auto identity = must(
          key.derive({t.id, std::string(account), must(keys::access_kind(t.kind)), t.not_before, t.expires, t.salt}));
      auto proof = keys::answer_challenge(identity, t.sealed);
      if (!proof) continue;
      ask::Answer answer{static_cast<std::uint8_t>(i), {}};
      std::ranges::copy(proof->reveal(), answer.proof.begin());
      return answer;
    }
    ADD_FAILURE() << "the password opens no challenge";
    return {};
  }
  void close() { socket_ = base::Fd(); }
  void break_off() {  // until the keeper has seen it
    shutdown(socket_.get(), SHUT_WR);
    EXPECT_TRUE(ended());
  }

 private:
  base::Fd socket_;
};

class KeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    must(vault::add_customer(*v_, v_.actor(), "globex", "Globex Ltd", 0));
    acme_ = v_.deliver({v_.recording(1), v_.recording(2)});
    base::put_string(key_, "ssh-ed25519");
    base::put_string(key_, Bytes(32, std::byte{7}));
    must(vault::add_recorder(*v_, v_.actor(), {"pbx-1", must(vault::SshKey::from_blob(key_)), "customer", "acme", ""}));
    vault::DeliveryRequest theirs;
    theirs.customer = "globex";
    theirs.recordings = {v_.recording(3, 3000, "globex")};
    globex_ = must(vault::deliver(*v_, v_.actor(), theirs));
    start();
  }
  void start() {
    auto [ours, keepers] = socket_pair();
    listener_ = std::move(ours);
    stop_ = base::Fd(eventfd(0, EFD_CLOEXEC));
    keeper_.emplace(must(v_.try_open()), std::move(keepers), base::Fd(dup(stop_.get())));
    must(keeper_->start());
    thread_ = std::thread([this] { code_ = keeper_->run(); });
  }
  // Whatever a test did: the keeper is up, serves the next customer, and nothing was delivered.
  void TearDown() override {
    if (!thread_.joinable()) return;
    Hostile next = session();
    const auto who = next.log_in("globex", globex_.password);
    EXPECT_TRUE(std::holds_alternative<LoggedIn>(who));
    EXPECT_EQ(next.must_ask<say::Opened>(ask::Open{0}).size, 3044U);
    stop();
    EXPECT_EQ(code_, 0);
    EXPECT_EQ(v_.sql("SELECT count(*) FROM recording WHERE state <> 'sealed'"), std::to_string(delivered_));
    EXPECT_EQ(v_.damage(), "");
  }
  void stop() {
    const std::uint64_t one = 1;
    ASSERT_EQ(write(stop_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    thread_.join();
    keeper_.reset();
  }
  void settle_soon() {  // a keeper that is started from now on
    const base::Path config = v_.folder() / "callvault.toml";
    auto text = base::to_text(must(base::read_file(config, 1 << 20)));
    const std::string_view settle = "settle = \"30s\"";
    const auto at = text.find(settle);
    ASSERT_NE(at, std::string::npos);
    testkit::put_file(config, base::as_bytes(text.replace(at, settle.size(), "settle = \"1s\"")));
  }
  Hostile session(const std::string& address = "203.0.113.7") {
    auto [ours, keepers] = socket_pair();
    must(send_packet(listener_.get(), base::as_bytes(address), Wait::yes, &keepers));
    return Hostile(std::move(ours));
  }
  Hostile logged_in() {
    Hostile s = session();
    EXPECT_TRUE(std::holds_alternative<LoggedIn>(s.log_in("acme", acme_.password)));
    return s;
  }

  Hostile recorder() {
    Hostile s = session();
    s.must_ask<say::Accepted>(ask::Key{"pbx-1", key_, true});
    return s;
  }
  std::string count() { return v_.sql("SELECT count(*) FROM recording"); }
  std::string entries(const std::string& event) {
    return v_.sql("SELECT count(*) FROM audit WHERE leaf LIKE '%event: " + event + "%'");
  }
  std::string state(const std::string& id) { return v_.sql("SELECT state FROM recording WHERE id = '" + id + "'"); }
  bool becomes(const std::string& id, const std::string& wanted) {  // waits for it
    for (int i = 0; i < kLongestMs / 10 && state(id) != wanted; ++i) usleep(10'000);
    return state(id) == wanted;
  }
  std::size_t incoming() {
    const auto names = base::list_folder(v_.folder() / "objects" / "incoming");
    return names ? names->size() : 0;
  }
  // Until the keeper has seen that a session is gone.
  bool nothing_incoming() {
    for (int i = 0; i < 6000 && incoming() != 0; ++i) usleep(10'000);
    return incoming() == 0;
  }

  testkit::TempVault v_;
  Bytes key_;  // of the recorder pbx-1
  vault::Delivery acme_, globex_;
  base::Fd listener_, stop_;
  std::optional<Keeper> keeper_;
  std::thread thread_;
  int code_ = -1;
  int delivered_ = 0;  // what the test has proved
};

const std::vector<Ask> kOnlyAfterLogIn = {ask::List{0},          ask::Open{0},   ask::Book{1, 0, 9, false, true},
                                          ask::Close{1, true},   ask::Remove{0}, ask::Answer{0, {}},
                                          ask::Answer{255, {}},  ask::Upload{},  ask::Append{0, {}},
                                          ask::Hold{0, "a.wav"}, ask::Drop{0}};

TEST_F(KeeperTest, NothingButALogInComesFirst) {
  for (const Ask& message : kOnlyAfterLogIn) {
    Hostile s = session();
    s.send(message);
    EXPECT_TRUE(s.ended()) << message.index();
  }
  Hostile s = session();
  s.send(ask::End{true});
  EXPECT_TRUE(s.ended());
}

TEST_F(KeeperTest, AChallengeAloneOpensNothing) {
  for (const Ask& message : kOnlyAfterLogIn) {
    if (std::holds_alternative<ask::Answer>(message)) continue;
    Hostile s = session();
    s.must_ask<say::Challenges>(ask::Login{"acme"});
    s.send(message);
    EXPECT_TRUE(s.ended()) << message.index();
  }
}

TEST_F(KeeperTest, OnlyTheAnswerToThisChallengeOfThisSessionLogsIn) {
  const auto wrong = std::optional(Refusal::wrong);
  Hostile s = session();
  for (const int which : {0, 3, 7, 255}) {  // guessed
    s.must_ask<say::Challenges>(ask::Login{"acme"});
    EXPECT_EQ(s.refused(ask::Answer{static_cast<std::uint8_t>(which), {}}), wrong);
  }
  auto answer = s.answer_of("acme", acme_.password);  // of another challenge
  answer.which = static_cast<std::uint8_t>(answer.which + 1);
  EXPECT_EQ(s.refused(answer), wrong);
  answer.which = static_cast<std::uint8_t>(answer.which - 1);
  s.send(answer);  // and the right one, too late
  EXPECT_TRUE(s.ended());

  Hostile a = session();
  Hostile b = session();
  const auto old = a.answer_of("acme", acme_.password);
  const auto theirs = b.answer_of("acme", acme_.password);
  EXPECT_EQ(b.refused(old), wrong);                                 // of another session
  EXPECT_NE(a.answer_of("acme", acme_.password).proof, old.proof);  // a log-in begun anew has another answer
  EXPECT_EQ(a.refused(old), wrong);
  EXPECT_NE(theirs.proof, old.proof);

  Hostile c = session();
  const auto of_acme = c.answer_of("acme", acme_.password);
  c.must_ask<say::Challenges>(ask::Login{"globex"});
  EXPECT_EQ(c.refused(of_acme), wrong);  // of another account
}

TEST_F(KeeperTest, LogInsAreCountedHereToo) {
  Hostile s = session();
  for (int i = 0; i < v_->config().login_tries; ++i) s.must_ask<say::Challenges>(ask::Login{"nobody"});
  s.send(ask::Login{"acme"});
  EXPECT_TRUE(s.ended());
}

TEST_F(KeeperTest, NoSecondLogIn) {
  for (const Ask& message : {Ask(ask::Login{"globex"}), Ask(ask::Answer{0, {}})}) {
    Hostile s = logged_in();
    s.send(message);
    EXPECT_TRUE(s.ended());
  }
}

TEST_F(KeeperTest, OnlyTheItemsOfItsOwnAccessHaveNumbers) {
  Hostile s = logged_in();
  EXPECT_EQ(s.must_ask<say::Entries>(ask::List{0}).total, 2U);
  for (const std::uint32_t item : {2U, 3U, 255U, 65536U, 1U << 31, ~0U}) {
    EXPECT_EQ(s.refused(ask::Open{item}), Refusal::not_found) << item;
    EXPECT_EQ(s.refused(ask::Remove{item}), Refusal::not_found) << item;
    EXPECT_TRUE(s.must_ask<say::Entries>(ask::List{item}).entries.empty()) << item;
  }
  const auto theirs = v_.sql("SELECT recording FROM item WHERE access = '" + globex_.id + "'");
  for (const std::uint32_t item : {0U, 1U}) EXPECT_NE(s.must_ask<say::Opened>(ask::Open{item}).recording, theirs);
  EXPECT_EQ(s.refused(ask::Remove{0}), Refusal::not_allowed);  // not downloaded
}

TEST_F(KeeperTest, AHandleIsOfItsSessionAndOfOneClose) {
  for (const Ask& message : {Ask(ask::Book{1, 0, 100, false, true}), Ask(ask::Close{1, true}),
                             Ask(ask::Close{~0U, true}), Ask(ask::Book{0, 0, 3044, true, true})}) {
    Hostile holder = logged_in();
    const auto handle = holder.must_ask<say::Opened>(ask::Open{0}).handle;
    EXPECT_EQ(handle, 1U);
    Hostile other = logged_in();
    other.send(message);
    EXPECT_TRUE(other.ended());
    EXPECT_FALSE(holder.must_ask<say::Done>(ask::Close{handle, true}).delivered);
    holder.send(ask::Close{handle, true});
    EXPECT_TRUE(holder.ended());
  }
}

TEST_F(KeeperTest, ADescriptorThatIsSentAlongEndsTheSessionAndIsClosed) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const base::Fd read_end(ends[0]);
  base::Fd write_end(ends[1]);
  Hostile s = logged_in();
  s.send(encode(Ask(ask::List{0})), &write_end);
  EXPECT_TRUE(s.ended());
  write_end = base::Fd();
  pollfd one{read_end.get(), POLLIN, 0};
  ASSERT_EQ(poll(&one, 1, kLongestMs), 1);
  char byte = 0;
  EXPECT_EQ(read(read_end.get(), &byte, 1), 0) << "the keeper holds it";
}

// Of a session that may say it, with an open handle: only its form ends it, as the log tells.
class KeeperFormTest : public KeeperTest {
 protected:
  void expect_no_message(Hostile s, base::ByteView packet, const std::string& what) {
    ++sent_;
    s.send(packet);
    EXPECT_TRUE(s.ended()) << what;
    EXPECT_EQ(log_.count("a session sent what is no message"), sent_) << what;
  }
  Hostile customer() {
    Hostile s = logged_in();
    s.must_ask<say::Opened>(ask::Open{0});
    return s;
  }
  Hostile uploading() {
    Hostile s = recorder();
    s.must_ask<say::Uploading>(ask::Upload{});
    return s;
  }
  Log log_;
  int sent_ = 0;
};

TEST_F(KeeperFormTest, EveryCutOrLongerMessageEndsItsSession) {
  struct Case {
    std::function<Hostile()> session;
    std::vector<Ask> messages;
  };
  const std::array<Case, 3> all = {{
      {[&] { return session(); }, {ask::Login{"acme"}, ask::Answer{0, {}}, ask::Key{"pbx-1", key_, true}}},
      {[&] { return customer(); },
       {ask::List{0}, ask::Open{0}, ask::Book{1, 0, 9, false, true}, ask::Close{1, true}, ask::Remove{0},
        ask::End{true}}},
      {[&] { return uploading(); },
       {ask::Upload{}, ask::Append{0, Bytes(3)}, ask::Hold{0, "a.wav"}, ask::Drop{0}, ask::Move{"a.part", "a.wav"},
        ask::Forget{"a.part"}, ask::Look{"a.wav"}, ask::End{true}}},
  }};
  for (const auto& [state, messages] : all)
    for (const Ask& message : messages) {
      Bytes packet = encode(message);
      const std::string name = "message " + std::to_string(message.index());
      for (std::size_t size = 1; size < packet.size(); ++size)
        expect_no_message(state(), base::ByteView(packet).first(size), name + " cut to " + std::to_string(size));
      packet.push_back(std::byte{0});
      expect_no_message(state(), packet, name + " and a byte more");
    }
  for (const auto& [state, messages] : all) {  // no packet at all: it reads like a session that is gone
    Hostile s = state();
    s.send(Bytes());
    EXPECT_TRUE(s.ended());
  }
}

TEST_F(KeeperFormTest, UnknownAndOversizedPacketsEndTheirSession) {
  const std::array<std::function<Hostile()>, 3> all = {
      {[&] { return session(); }, [&] { return customer(); }, [&] { return uploading(); }}};
  for (const auto& state : all) {
    for (int type = 0; type < 256; ++type) {
      const bool known = type >= 1 && type <= static_cast<int>(std::variant_size_v<Ask>);
      for (const std::size_t size : {1U, 8U})
        if (!known) expect_no_message(state(), Bytes(size, static_cast<std::byte>(type)), std::to_string(type));
    }
    expect_no_message(state(), Bytes(kMaxMessage, std::byte{3}), "as long as a message may be");
    for (const std::size_t size : {kMaxMessage + 1, std::size_t{150'000}}) {  // not even read
      Hostile s = state();
      ASSERT_TRUE(s.send(Bytes(size, std::byte{3})));
      EXPECT_TRUE(s.ended()) << size;
    }
  }
}

TEST_F(KeeperTest, NothingIsDeliveredThatWasNotProved) {
  using Step = std::function<void(Hostile&, std::uint32_t)>;
  const std::uint32_t whole = 3044;
  const std::vector<Step> all = {
      [](Hostile& s, std::uint32_t h) {
        s.must_ask<say::Done>(ask::Close{h, true});
      },
      [&](Hostile& s, std::uint32_t h) {
        s.send(ask::Book{h, 0, whole - 1, true, true});
        EXPECT_FALSE(s.must_ask<say::Done>(ask::Close{h, true}).delivered);
      },
      [&](Hostile& s, std::uint32_t h) {
        s.send(ask::Book{h, 1, ~0U, true, true});  // beyond the end
        EXPECT_FALSE(s.must_ask<say::Done>(ask::Close{h, true}).delivered);
      },
      [&](Hostile& s, std::uint32_t h) {
        s.send(ask::Book{h, ~std::uint64_t{0}, ~0U, true, true});  // a sum that overflows
        s.send(ask::Book{h, ~std::uint64_t{0} - whole + 1, whole, true, true});
        EXPECT_FALSE(s.must_ask<say::Done>(ask::Close{h, true}).delivered);
      },
      [&](Hostile& s, std::uint32_t h) {
        s.send(ask::Book{h, 0, whole, true, true});
        EXPECT_FALSE(s.must_ask<say::Done>(ask::Close{h, false}).delivered);  // the session could not open it
      },
      [&](Hostile& s, std::uint32_t h) {
        s.send(ask::Book{h, 0, whole, true, true});
        s.send(ask::End{false});
      },
      [&](Hostile& s, std::uint32_t h) {
        s.send(ask::Book{h, 0, whole, false, true});  // without EOF
        s.send(ask::End{true});
      },
  };
  Hostile honest = logged_in();  // what proves it does
  const auto handle = honest.must_ask<say::Opened>(ask::Open{1}).handle;
  honest.send(ask::Book{handle, 0, whole, true, true});
  EXPECT_TRUE(honest.must_ask<say::Done>(ask::Close{handle, true}).delivered);
  delivered_ = 1;
  for (const Step& step : all) {
    Hostile s = logged_in();
    step(s, s.must_ask<say::Opened>(ask::Open{0}).handle);
    s.close();
  }
}

class KeeperWaitTest : public KeeperTest {
 protected:
  // Reads all of an item and closes it: was it delivered at once?
  bool fetch(Hostile& s, std::uint32_t item) {
    const auto handle = s.must_ask<say::Opened>(ask::Open{item}).handle;
    s.send(ask::Book{handle, 0, 3044, true, true});
    return s.must_ask<say::Done>(ask::Close{handle, true}).delivered;
  }
  std::string first() {
    return v_.sql("SELECT recording FROM item WHERE access = '" + acme_.id + "' AND position = 0");
  }
  std::string stored() { return v_.sql("SELECT coverage FROM item WHERE recording = '" + first() + "'"); }
};

TEST_F(KeeperWaitTest, AWholeReadWaitsBesideANewConnectionOfItsNetwork) {
  Hostile s = logged_in();
  const Hostile stranger = session("198.51.100.7");
  EXPECT_TRUE(fetch(s, 1));
  const Hostile next_chunk = session("203.0.113.200");
  EXPECT_FALSE(fetch(s, 0));
  delivered_ = 1;
}

// A line that is cut may cut several connections of a client. Whichever is back first may read over all of it before
// the next one is there for its chunk.
TEST_F(KeeperWaitTest, AWholeReadWaitsAfterAConnectionOfItsNetworkBrokeBeforeItsLogIn) {
  Hostile s = logged_in();
  session("198.51.100.7").break_off();
  EXPECT_TRUE(fetch(s, 1));
  Hostile next_chunk = session("203.0.113.200");
  next_chunk.must_ask<say::Challenges>(ask::Login{"acme"});
  next_chunk.break_off();
  EXPECT_FALSE(fetch(s, 0));
  delivered_ = 1;
}

TEST_F(KeeperWaitTest, AWholeReadWaitsAfterAConnectionBrokeThatTriedAgainAfterAWrongPassword) {
  Hostile s = logged_in();
  Hostile next_chunk = session();
  next_chunk.must_ask<say::Challenges>(ask::Login{"acme"});
  EXPECT_EQ(next_chunk.refused(ask::Answer{255, {}}), Refusal::wrong);
  next_chunk.must_ask<say::Challenges>(ask::Login{"acme"});
  next_chunk.break_off();
  EXPECT_FALSE(fetch(s, 0));
}

TEST_F(KeeperWaitTest, AWholeReadWaitsAfterAConnectionOfItsClaimBroke) {
  Hostile next_chunk = logged_in();
  next_chunk.must_ask<say::Opened>(ask::Open{0});
  next_chunk.break_off();
  Hostile s = logged_in();
  EXPECT_FALSE(fetch(s, 0));
}

TEST_F(KeeperWaitTest, AWholeReadWaitsAfterOneMoreConnectionWasRefused) {
  std::vector<Hostile> all;
  for (int i = 0; i < 8; ++i) all.push_back(logged_in());
  for (Hostile& s : all) s.must_ask<say::Opened>(ask::Open{1});  // none of them is new
  Hostile ninth = session();
  const auto who = ninth.log_in("acme", acme_.password);
  EXPECT_EQ(std::get<Refusal>(who), Refusal::too_many);
  ninth.break_off();
  EXPECT_FALSE(fetch(all.front(), 0));
}

TEST_F(KeeperWaitTest, AWholeReadWaitsAfterARestart) {
  { const Hostile s = logged_in(); }
  stop();
  start();
  Hostile s = logged_in();
  EXPECT_FALSE(fetch(s, 0));
}

TEST_F(KeeperWaitTest, AWholeReadDoesNotWaitForWhoTookLeaveOrMayNotComeIn) {
  Hostile s = logged_in();
  Hostile done = logged_in();
  done.must_ask<say::Opened>(ask::Open{0});
  done.send(ask::End{true});
  EXPECT_TRUE(done.ended());
  Hostile wrong = session();
  wrong.must_ask<say::Challenges>(ask::Login{"acme"});
  EXPECT_EQ(wrong.refused(ask::Answer{255, {}}), Refusal::wrong);
  wrong.break_off();
  EXPECT_TRUE(fetch(s, 0));
  delivered_ = 1;
}

TEST_F(KeeperWaitTest, AnOpenTakesTheWaitBackAlsoAfterACrash) {
  Hostile s = logged_in();
  const Hostile next_chunk = session();
  EXPECT_FALSE(fetch(s, 0));
  s.must_ask<say::Opened>(ask::Open{0});
  EXPECT_NE(stored().find("doubt"), std::string::npos) << stored();
}

TEST_F(KeeperWaitTest, AnOpenThatIsRefusedTakesTheWaitBack) {
  Hostile s = logged_in();
  const Hostile next_chunk = session();
  EXPECT_FALSE(fetch(s, 0));
  const std::string id = first();
  must(vault::restrict_recording(*v_, v_.actor(), id, ""));
  EXPECT_EQ(s.refused(ask::Open{0}), Refusal::restricted);
  EXPECT_EQ(s.refused(ask::Remove{0}), Refusal::not_allowed);  // which would end the wait
  must(vault::release_recording(*v_, v_.actor(), id, ""));
}

// The catalogue takes no entry, as on a full disk: what was downloaded is marked later, and nothing of it ends before.
class KeeperCommitTest : public KeeperWaitTest {
 protected:
  void refuse(const std::string& event = "") {  // all, or only these
    v_.sql("CREATE TRIGGER full BEFORE INSERT ON audit WHEN NEW.leaf LIKE '%event: " + event +
           "%' BEGIN SELECT RAISE(ABORT, 'full'); END");
  }
  void accept() { v_.sql("DROP TRIGGER full"); }
  void expect_delivered_once() {
    delivered_ = 1;
    EXPECT_TRUE(becomes(first(), "erased")) << state(first());
    EXPECT_TRUE(v_.gone(first()));
    EXPECT_EQ(entries("recording.delivered"), "1");
    EXPECT_EQ(entries("recording.erased"), "1");
  }
  static constexpr std::string_view kFailed = "erase what was delivered";
};

TEST_F(KeeperCommitTest, WhatCouldNotBeMarkedIsErasedLaterAndOnce) {
  Hostile s = logged_in();
  const Log log;
  refuse();
  const std::int64_t began = base::monotonic_ms();
  EXPECT_TRUE(fetch(s, 0));
  ASSERT_TRUE(log.tells(kFailed, 3));
  EXPECT_GE(base::monotonic_ms() - began, 2000) << "tried again at once";
  EXPECT_EQ(state(first()), "sealed");
  EXPECT_TRUE(v_.whole(first()));
  EXPECT_EQ(s.refused(ask::Open{0}), Refusal::gone);  // its client has it
  EXPECT_TRUE(s.must_ask<say::Entries>(ask::List{0}).entries[0].gone);
  accept();
  expect_delivered_once();
}

TEST_F(KeeperCommitTest, WhatWasMarkedAndNotErasedIsErasedLater) {
  Hostile s = logged_in();
  const Log log;
  refuse("erasure.done");
  EXPECT_TRUE(fetch(s, 0));
  ASSERT_TRUE(log.tells(kFailed, 2));
  EXPECT_EQ(state(first()), "erasing");
  EXPECT_EQ(s.refused(ask::Open{0}), Refusal::gone);
  accept();
  expect_delivered_once();
}

TEST_F(KeeperCommitTest, WhatWasNeverMarkedIsOfferedAgainAfterARestart) {
  Hostile s = logged_in();
  {
    const Log log;
    refuse();
    EXPECT_TRUE(fetch(s, 0));
    ASSERT_TRUE(log.tells(kFailed, 1));
    stop();
    EXPECT_EQ(code_, 0);
  }
  EXPECT_EQ(state(first()), "sealed");
  settle_soon();
  start();
  accept();
  Hostile again = logged_in();
  EXPECT_FALSE(again.must_ask<say::Entries>(ask::List{0}).entries[0].gone);
  EXPECT_TRUE(v_.whole(first()));
  EXPECT_FALSE(fetch(again, 0));  // it waits: lines broke with the keeper
  expect_delivered_once();
}

// Nor can the revocation be entered. Afterwards the download comes first.
TEST_F(KeeperCommitTest, ARevocationThatFailsTooTakesNothingBack) {
  Hostile s = logged_in();
  const Log log;
  refuse();
  EXPECT_TRUE(fetch(s, 0));
  ASSERT_TRUE(log.tells(kFailed, 1));
  EXPECT_FAULT(base::Fault::failed, vault::revoke_delivery(*v_, v_.actor(), acme_.id));
  accept();
  expect_delivered_once();
  EXPECT_TRUE(s.hears_nothing());
  must(vault::revoke_delivery(*v_, v_.actor(), acme_.id));
  EXPECT_EQ(s.why_cut(), Refusal::revoked);
  EXPECT_EQ(state(first()), "erased");
}

// Whoever revokes cannot know of the download: it is withdrawn, and held as before. The client is cut off when nothing
// waits any more.
TEST_F(KeeperCommitTest, ARevocationMeanwhileKeepsTheRecordingAndIsSeenAfterwards) {
  Hostile s = logged_in();
  const Log log;
  refuse("erasure.begun");  // the last entry of those marks
  EXPECT_TRUE(fetch(s, 0));
  ASSERT_TRUE(log.tells(kFailed, 1));
  must(vault::revoke_delivery(*v_, v_.actor(), acme_.id));
  ASSERT_TRUE(log.tells(kFailed, log.count(kFailed) + 2));  // with two ticks in between
  EXPECT_TRUE(s.hears_nothing());
  accept();
  EXPECT_EQ(s.why_cut(), Refusal::revoked);
  EXPECT_EQ(entries("recording.delivered"), "0");
  EXPECT_EQ(state(first()), "sealed");
  EXPECT_TRUE(v_.whole(first()));
}

TEST_F(KeeperCommitTest, AClaimThatIsOverEndsWhenWhatWasDownloadedIsMarked) {
  Hostile s = logged_in();
  const Log log;
  refuse("recording.delivered");
  EXPECT_TRUE(fetch(s, 0));
  ASSERT_TRUE(log.tells(kFailed, 1));
  v_.sql("UPDATE access SET claimed_at = claimed_at - " + std::to_string(v_->config().claim_longest + 1) +
         " WHERE id = '" + acme_.id + "'");
  ASSERT_TRUE(log.tells(kFailed, log.count(kFailed) + 2));  // with two ticks in between
  EXPECT_TRUE(s.hears_nothing());
  accept();
  expect_delivered_once();
  EXPECT_EQ(s.why_cut(), Refusal::used);
  EXPECT_EQ(v_.sql("SELECT state FROM access WHERE id = '" + acme_.id + "'"), "finished");
}

// Empty recordings can be opened as long as the claim lasts, since some clients fetch one twice; the claim does not
// wait.
class KeeperEmptyTest : public KeeperTest {
 protected:
  void SetUp() override {
    KeeperTest::SetUp();
    empty_ = v_.ingest(v_.source("empty.wav", {})).id;
    // As all empty files are: nothing delivers it then.
    const auto why = v_.sql("SELECT quarantine FROM recording WHERE id = '" + empty_ + "'");
    v_.sql("UPDATE recording SET quarantine = '' WHERE id = '" + empty_ + "'");
    both_ = v_.deliver({empty_, v_.recording(5)});
    v_.sql("UPDATE recording SET quarantine = '" + why + "' WHERE id = '" + empty_ + "'");
    stop();
    auto config = v_->config();
    config.claim_idle_after_all = 0;  // the claim ends with the next tick
    must(vault::write_config(v_.folder(), config, base::system_files()));
    v_.reopen();
    start();
  }
  std::string empty_;
  vault::Delivery both_;
};

TEST_F(KeeperEmptyTest, IsFetchedTwiceAndErasedWhenItsClaimEnds) {
  Hostile s = session();
  EXPECT_TRUE(std::holds_alternative<LoggedIn>(s.log_in("acme", both_.password)));
  const auto number = v_.sql("SELECT position FROM item WHERE recording = '" + empty_ + "'");
  const std::uint32_t empty = number == "0" ? 0 : 1;
  for (int i = 0; i < 3; ++i) {
    const auto opened = s.must_ask<say::Opened>(ask::Open{empty});
    EXPECT_EQ(opened.size, 0U);
    s.send(ask::Book{opened.handle, 0, 0, true, true});
    EXPECT_TRUE(s.must_ask<say::Done>(ask::Close{opened.handle, true}).delivered);
    EXPECT_TRUE(becomes(empty_, "erasing")) << state(empty_);
    usleep(600'000);  // a tick: neither its keys nor its claim, which has another item, are gone
  }
  EXPECT_EQ(state(empty_), "erasing");
  EXPECT_TRUE(s.hears_nothing());
  const auto other = s.must_ask<say::Opened>(ask::Open{1 - empty}).handle;
  s.send(ask::Book{other, 0, 3044, true, true});
  EXPECT_TRUE(s.must_ask<say::Done>(ask::Close{other, true}).delivered);
  EXPECT_EQ(s.why_cut(), Refusal::used);
  EXPECT_EQ(v_.sql("SELECT state FROM access WHERE id = '" + both_.id + "'"), "finished");
  EXPECT_TRUE(becomes(empty_, "erased")) << state(empty_);
  EXPECT_TRUE(v_.gone(empty_));
  delivered_ = 2;
}

// A grant of both recordings of acme's delivery and one of class own.
class KeeperGrantTest : public KeeperTest {
 protected:
  void SetUp() override {
    KeeperTest::SetUp();
    for (const char* position : {"0", "1"})
      ids_.push_back(v_.sql("SELECT recording FROM item WHERE access = '" + acme_.id + "' AND position = " + position));
    ids_.push_back(v_.recording(4, 3000, ""));
    grant_ = must(vault::grant(*v_, v_.actor(), {ids_, "front-desk", std::nullopt}));
  }
  Hostile reader(const std::string& address = "198.51.100.9") {
    Hostile s = session(address);
    const auto who = s.log_in("front-desk", grant_.password);
    EXPECT_TRUE(std::holds_alternative<LoggedIn>(who));
    if (const auto* in = std::get_if<LoggedIn>(&who)) {
      EXPECT_EQ(in->granted.kind, "grant");
      EXPECT_EQ(in->granted.ends, grant_.expires);
    }
    return s;
  }
  // Reads all of an item, with or without CLOSE.
  static std::uint32_t read(Hostile& s, std::uint32_t item) {
    const auto handle = s.must_ask<say::Opened>(ask::Open{item}).handle;
    s.send(ask::Book{handle, 0, 3044, true, true});
    return handle;
  }
  std::variant<LoggedIn, Refusal> try_log_in(const std::string& account, const base::SecretBytes& password) {
    Hostile s = session();
    return s.log_in(account, password);
  }
  static bool is(const std::variant<LoggedIn, Refusal>& answer, Refusal why) {
    const auto* refusal = std::get_if<Refusal>(&answer);
    return refusal != nullptr && *refusal == why;
  }
  std::vector<std::string> ids_;
  vault::Grant grant_;
};

TEST_F(KeeperGrantTest, IsReadAgainAndAgainAndNothingIsDelivered) {
  for (int i = 0; i < 3; ++i) {
    Hostile s = reader("198.51.100." + std::to_string(i));
    EXPECT_EQ(s.must_ask<say::Entries>(ask::List{0}).entries.size(), 3U);
    for (const std::uint32_t item : {0U, 1U, 2U, 0U}) {
      EXPECT_FALSE(s.must_ask<say::Done>(ask::Close{read(s, item), true}).delivered);
      EXPECT_EQ(s.refused(ask::Remove{item}), Refusal::not_allowed);
    }
    read(s, 2);
    s.send(ask::End{true});  // rule B's
    EXPECT_TRUE(s.ended());
  }
  EXPECT_EQ(v_.sql("SELECT count(*) FROM item WHERE coverage <> '' OR sent <> 0"), "0");
  EXPECT_EQ(entries("grant.opened"), "3");
  EXPECT_EQ(entries("recording.read"), "9");  // one for each recording and connection
  EXPECT_EQ(v_.sql("SELECT state FROM access WHERE id = '" + grant_.id + "'"), "open");
}

// Clients with several connections list over one and read over another: a notice that grew would be a broken transfer.
TEST_F(KeeperGrantTest, WhatTheNoticesSayStaysWhileSomebodyIsLoggedIn) {
  const auto notices = [&](const std::string& account, const base::SecretBytes& password, Hostile& s) {
    const auto who = s.log_in(account, password);
    if (const auto* in = std::get_if<LoggedIn>(&who)) return std::pair(in->granted.checkpoint, in->granted.written);
    ADD_FAILURE() << "no log-in to " << account;
    return std::pair(std::string(), base::Seconds{});
  };
  for (const auto& [account, password] : {std::pair("acme", &acme_.password), {"front-desk", &grant_.password}}) {
    Hostile one = session(), another = session();
    const auto first = notices(account, *password, one);
    EXPECT_NE(first.first, "");
    sleep(1);         // the clock's step
    v_.recording(9);  // the log grows
    EXPECT_EQ(notices(account, *password, another), first) << account;
  }
}

TEST_F(KeeperGrantTest, EightReadAtOnceAndANinthWaits) {
  std::vector<Hostile> readers;
  for (int i = 0; i < 8; ++i) readers.push_back(reader("198.51.100." + std::to_string(i)));
  EXPECT_TRUE(is(try_log_in("front-desk", grant_.password), Refusal::too_many));
  read(readers.front(), 0);
  readers.pop_back();
  for (int i = 0; i < 100; ++i) {
    if (!is(try_log_in("front-desk", grant_.password), Refusal::too_many)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ADD_FAILURE() << "the place of the one that left is not given away";
}

TEST_F(KeeperGrantTest, ItsPasswordOpensNoOtherAccount) {
  EXPECT_TRUE(is(try_log_in("acme", grant_.password), Refusal::wrong));
  EXPECT_TRUE(is(try_log_in("back-desk", grant_.password), Refusal::wrong));
  EXPECT_TRUE(is(try_log_in("front-desk", acme_.password), Refusal::wrong));
  const auto other = must(vault::grant(*v_, v_.actor(), {{ids_[0]}, "back-desk", std::nullopt}));
  EXPECT_TRUE(is(try_log_in("front-desk", other.password), Refusal::wrong));
  EXPECT_EQ(entries("grant.opened"), "0");
}

TEST_F(KeeperGrantTest, RevokedItIsCutAndRefused) {
  Hostile s = reader();
  read(s, 2);
  must(vault::revoke_grant(*v_, v_.actor(), grant_.id));
  EXPECT_EQ(s.why_cut(), Refusal::revoked);
  EXPECT_TRUE(s.ended());
  EXPECT_TRUE(is(try_log_in("front-desk", grant_.password), Refusal::revoked));
}

TEST_F(KeeperGrantTest, RestrictedARecordingIsCutAndTheOthersStay) {
  Hostile s = reader();
  read(s, 2);
  must(vault::restrict_recording(*v_, v_.actor(), ids_[2], ""));
  EXPECT_EQ(s.why_cut(), Refusal::restricted);
  Hostile again = reader();
  EXPECT_EQ(again.refused(ask::Open{2}), Refusal::restricted);
  read(again, 0);
  must(vault::release_recording(*v_, v_.actor(), ids_[2], ""));
  read(again, 2);
}

TEST_F(KeeperGrantTest, WhatItsCustomerFetchesMeanwhileIsCutAndDoesNotShowAnyMore) {
  Hostile other = reader();
  read(other, 1);
  Hostile s = reader();
  read(s, 0);
  Hostile customer = logged_in();
  EXPECT_TRUE(customer.must_ask<say::Done>(ask::Close{read(customer, 0), true}).delivered);
  delivered_ = 1;
  EXPECT_EQ(s.why_cut(), Refusal::withdrawn);
  EXPECT_EQ(other.why_cut(), Refusal::withdrawn);  // all of the grant: a client comes back and sees what is left
  Hostile again = reader();
  EXPECT_NE(again.refused(ask::Open{0}), std::nullopt);
  const auto listed = again.must_ask<say::Entries>(ask::List{0});
  ASSERT_EQ(listed.entries.size(), 3U);
  EXPECT_TRUE(listed.entries[0].sealed.empty());
  EXPECT_FALSE(listed.entries[1].sealed.empty());
  read(again, 1);
  EXPECT_EQ(customer.must_ask<say::Entries>(ask::List{0}).entries[0].gone, true);  // a tombstone, to its customer
}

TEST_F(KeeperGrantTest, RowsThatWereEditedOpenNothing) {
  Hostile s = reader();
  const std::string as_it_was =
      v_.sql("SELECT sealed FROM header WHERE recording = '" + ids_[0] + "' AND recipient = '" + grant_.id + "'");
  const std::string mine =
      "UPDATE header SET sealed = '%' WHERE recording = '" + ids_[0] + "' AND recipient = '" + grant_.id + "'";
  const auto put = [&](const std::string& sealed) {
    std::string statement = mine;
    v_.sql(statement.replace(statement.find('%'), 1, sealed));
  };
  put(v_.sql("SELECT sealed FROM header WHERE recording = '" + ids_[1] + "' AND recipient = '" + grant_.id + "'"));
  EXPECT_EQ(s.refused(ask::Open{0}), Refusal::damaged);
  put(v_.sql("SELECT sealed FROM header WHERE recording = '" + ids_[0] + "' AND recipient = '" + acme_.id + "'"));
  EXPECT_EQ(s.refused(ask::Open{0}), Refusal::damaged);
  put(as_it_was);
  v_.sql("UPDATE recording SET customer = 'globex' WHERE id = '" + ids_[0] + "'");
  EXPECT_EQ(s.refused(ask::Open{0}), Refusal::damaged);
  v_.sql("UPDATE recording SET customer = 'acme' WHERE id = '" + ids_[0] + "'");
  v_.sql("UPDATE recording SET class = 'customer', customer = 'acme' WHERE id = '" + ids_[2] + "'");
  EXPECT_EQ(s.refused(ask::Open{2}), Refusal::damaged);
  v_.sql("UPDATE recording SET class = 'own', customer = NULL WHERE id = '" + ids_[2] + "'");
  EXPECT_EQ(entries("recording.read"), "0");
  read(s, 0);
  read(s, 2);
  const std::string expires = "UPDATE access SET expires = expires + 86400 WHERE id = '" + grant_.id + "'";
  v_.sql(expires);
  EXPECT_TRUE(is(try_log_in("front-desk", grant_.password), Refusal::wrong));
  v_.sql("UPDATE access SET expires = expires - 86400 WHERE id = '" + grant_.id + "'");
}

TEST_F(KeeperTest, AFloodOfAHundredThousandMessagesLeavesTheOthersTheirTurn) {
  constexpr int kFlood = 100'000;
  std::atomic<int> sent = 0;
  Hostile flooder = logged_in();
  const auto handle = flooder.must_ask<say::Opened>(ask::Open{0}).handle;
  std::thread flood([&] {
    for (; sent < kFlood; ++sent)
      if (!flooder.send(ask::Book{handle, static_cast<std::uint64_t>(sent % 3) * 1000, 1000, false, true})) return;
  });
  Hostile honest = session();
  EXPECT_TRUE(std::holds_alternative<LoggedIn>(honest.log_in("globex", globex_.password)));
  for (int i = 0; i < 20; ++i) {
    const auto opened = honest.must_ask<say::Opened>(ask::Open{0});
    EXPECT_FALSE(honest.must_ask<say::Done>(ask::Close{opened.handle, true}).delivered);
  }
  EXPECT_LT(sent, kFlood) << "answered only after the flood";
  flood.join();
  EXPECT_EQ(sent, kFlood);
  EXPECT_EQ(flooder.must_ask<say::Entries>(ask::List{0}).total, 2U);  // all were taken
}

// Nor does the keeper wait for it.
TEST_F(KeeperTest, ASessionThatTakesInNoAnswerIsEnded) {
  Hostile s = logged_in();
  int sent = 0;
  while (sent < 100'000 && s.send(ask::List{0})) ++sent;
  EXPECT_LT(sent, 100'000);
}

// Descriptors on their way count against the keeper's user: it would have none left for the others.
TEST_F(KeeperTest, OneObjectAtATimeIsOnItsWayToASession) {
  Hostile s = logged_in();
  s.send(ask::Open{0});
  s.send(ask::Open{1});
  EXPECT_TRUE(s.hung_up());
  base::Fd first;
  ASSERT_TRUE(s.hear(&first));
  EXPECT_TRUE(first);
  EXPECT_TRUE(s.ended());
}

TEST_F(KeeperTest, ASessionHasAMostOfOpenFiles) {
  Hostile s = logged_in();
  int opened = 0;
  for (; opened < 5000; ++opened) {
    const auto said = s.ask(ask::Open{0});
    ASSERT_TRUE(said);
    if (std::holds_alternative<say::Refused>(*said)) break;
  }
  EXPECT_EQ(opened, 1024);
}

TEST_F(KeeperTest, AListenerThatSendsRubbishEndsNothingButItself) {
  must(send_packet(listener_.get(), base::as_bytes("203.0.113.7"), Wait::yes));  // without a descriptor
  must(send_packet(listener_.get(), Bytes(257, std::byte{1}), Wait::yes));       // no packet
  thread_.join();
  EXPECT_EQ(code_, 1);
}

// --- recorders -------------------------------------------------------------------------------------------------------

TEST_F(KeeperTest, OnlyItsNameAndItsKeyTogetherAreARecorder) {
  const auto wrong = std::optional(Refusal::wrong);
  Bytes other;
  base::put_string(other, "ssh-ed25519");
  base::put_string(other, Bytes(32, std::byte{8}));
  Hostile s = session();
  EXPECT_EQ(s.refused(ask::Key{"pbx-1", other, true}), wrong);
  EXPECT_EQ(s.refused(ask::Key{"acme", key_, true}), wrong);
  EXPECT_EQ(s.refused(ask::Key{"pbx-2", key_, true}), wrong);
  EXPECT_EQ(s.refused(ask::Key{"pbx-1", {}, true}), wrong);
  s.must_ask<say::Accepted>(ask::Key{"pbx-1", key_, false});
  s.send(ask::Upload{});
  EXPECT_TRUE(s.ended()) << "a key that would do is no log-in";
}

TEST_F(KeeperTest, KeysAreNotTriedWithoutEnd) {
  Hostile s = session();
  for (int i = 0; i < 64; ++i) EXPECT_EQ(s.refused(ask::Key{"pbx-1", {}, false}), Refusal::wrong);
  s.send(ask::Key{"pbx-1", key_, true});
  EXPECT_TRUE(s.ended());
}

TEST_F(KeeperTest, AnUploadIsHeldWhenItIsWhole) {
  const auto sound = testkit::wav(100'000);
  Hostile s = recorder();
  const auto upload = s.must_ask<say::Uploading>(ask::Upload{}).upload;
  for (std::size_t at = 0; at < sound.size(); at += 30'000) {
    const auto part = base::ByteView(sound).subspan(at, std::min<std::size_t>(30'000, sound.size() - at));
    s.must_ask<say::Accepted>(ask::Append{upload, {part.begin(), part.end()}});
  }
  EXPECT_EQ(count(), "3");
  s.must_ask<say::Accepted>(ask::Hold{upload, "a.wav"});
  EXPECT_EQ(count(), "4");
  EXPECT_EQ(v_.sql("SELECT customer, size FROM recording WHERE size > 90000"), "acme|100044");
  s.send(ask::Append{upload, {}});
  EXPECT_TRUE(s.ended()) << "its number means nothing any more";
}

TEST_F(KeeperTest, ARecordersSessionSaysNothingElse) {
  for (const Ask& message :
       std::vector<Ask>{ask::List{0}, ask::Open{0}, ask::Book{1, 0, 9, false, true}, ask::Close{1, true},
                        ask::Remove{0}, ask::Login{"acme"}, ask::Answer{0, {}}, ask::Key{"pbx-1", key_, true},
                        ask::Append{0, {}}, ask::Hold{0, "a.wav"}, ask::Drop{0}}) {
    Hostile s = recorder();
    s.send(message);
    EXPECT_TRUE(s.ended()) << message.index();
  }
  EXPECT_EQ(count(), "3");
}

TEST_F(KeeperTest, ACustomersSessionUploadsNothing) {
  for (const Ask& message :
       std::vector<Ask>{ask::Key{"pbx-1", key_, true}, ask::Upload{}, ask::Append{0, {}}, ask::Hold{0, "a.wav"},
                        ask::Drop{0}, ask::Move{"a.part", "a.wav"}, ask::Forget{"a.part"}, ask::Look{"a.wav"}}) {
    Hostile s = logged_in();
    s.send(message);
    EXPECT_TRUE(s.ended()) << message.index();
  }
  EXPECT_EQ(count(), "3");
}

TEST_F(KeeperTest, AnUploadBelongsToItsSession) {
  Hostile one = recorder();
  Hostile two = recorder();
  const auto upload = one.must_ask<say::Uploading>(ask::Upload{}).upload;
  two.send(ask::Hold{upload, "a.wav"});
  EXPECT_TRUE(two.ended());
  EXPECT_EQ(incoming(), 1U);
  one.must_ask<say::Accepted>(ask::Append{upload, Bytes(70, std::byte{1})});
  one.close();
  EXPECT_TRUE(nothing_incoming());
  EXPECT_EQ(count(), "3");
}

// rclone uploads on one connection and renames, or looks, on another.
TEST_F(KeeperTest, WhatWaitsBelongsToTheRecorderAndEndsWithItsLastConnection) {
  Hostile one = recorder();
  Hostile two = recorder();
  for (const char* name : {"a.wav.part", "b.wav.part"}) {
    const auto upload = one.must_ask<say::Uploading>(ask::Upload{}).upload;
    one.must_ask<say::Accepted>(ask::Append{upload, testkit::wav(3000)});
    one.must_ask<say::Accepted>(ask::Hold{upload, name});
  }
  EXPECT_EQ(count(), "3");
  EXPECT_EQ(two.must_ask<say::Known>(ask::Look{"a.wav.part"}).size, 3044U);
  EXPECT_EQ(two.refused(ask::Move{"c.part", "c.wav"}), Refusal::not_found);
  EXPECT_EQ(two.refused(ask::Move{"a.wav.part", "b.wav.part"}), Refusal::not_allowed);
  one.close();
  two.must_ask<say::Accepted>(ask::Move{"a.wav.part", "a.wav"});
  EXPECT_EQ(count(), "4");
  EXPECT_EQ(two.must_ask<say::Known>(ask::Look{"a.wav"}).size, 3044U);
  EXPECT_EQ(two.refused(ask::Look{"a.wav.part"}), Refusal::not_found);
  EXPECT_EQ(two.refused(ask::Forget{"a.wav"}), Refusal::not_found) << "it is held";
  EXPECT_EQ(incoming(), 1U);
  two.close();
  EXPECT_TRUE(nothing_incoming());
  EXPECT_EQ(recorder().refused(ask::Look{"a.wav"}), Refusal::not_found);
  EXPECT_EQ(count(), "4");
}

TEST_F(KeeperTest, UploadsAreCounted) {
  Hostile s = recorder();
  for (int i = 0; i < 64; ++i) s.must_ask<say::Uploading>(ask::Upload{});
  EXPECT_EQ(s.refused(ask::Upload{}), Refusal::full);
  s.must_ask<say::Accepted>(ask::Drop{3});
  EXPECT_EQ(s.must_ask<say::Uploading>(ask::Upload{}).upload, 64U) << "no number comes twice";
  Hostile next = recorder();
  for (int i = 0; i < 64; ++i) next.must_ask<say::Uploading>(ask::Upload{});
  Hostile third = recorder();
  EXPECT_EQ(third.refused(ask::Upload{}), Refusal::full) << "all of them";
  s.close();
  next.close();
  EXPECT_TRUE(nothing_incoming());
}

TEST_F(KeeperTest, ARecorderHasEightConnections) {
  std::vector<Hostile> all;
  for (int i = 0; i < 8; ++i) all.push_back(recorder());
  Hostile ninth = session();
  EXPECT_EQ(ninth.refused(ask::Key{"pbx-1", key_, true}), Refusal::too_many);
}

TEST_F(KeeperTest, ARecorderThatIsRemovedIsCutOff) {
  Hostile s = recorder();
  const auto upload = s.must_ask<say::Uploading>(ask::Upload{}).upload;
  s.must_ask<say::Accepted>(ask::Append{upload, Bytes(70, std::byte{1})});
  must(vault::remove_recorder(*v_, v_.actor(), "pbx-1"));
  const auto said = s.hear();
  ASSERT_TRUE(said && std::holds_alternative<say::Cut>(*said));
  EXPECT_EQ(std::get<say::Cut>(*said).why, Refusal::revoked);
  EXPECT_TRUE(s.ended());
  EXPECT_TRUE(nothing_incoming());
  EXPECT_EQ(count(), "3");
}

// What the audit log says of those who are refused, and of what does not open.
class KeeperLogTest : public KeeperTest {
 protected:
  std::string noted(const std::string& what) {
    return v_.sql("SELECT count(*) FROM audit WHERE leaf LIKE '%" + what + "%'");
  }
  bool becomes(const std::string& query, const std::string& wanted) {
    for (int i = 0; i < 6000 && v_.sql(query) != wanted; ++i) usleep(10'000);
    return v_.sql(query) == wanted;
  }
};

TEST_F(KeeperLogTest, ARightPasswordThatIsRefusedLeavesOneEntryAMinute) {
  const Hostile first = logged_in();
  for (int i = 0; i < 3; ++i) {
    Hostile other = session("198.51.100.9");
    const auto who = other.log_in("acme", acme_.password);
    ASSERT_TRUE(std::holds_alternative<Refusal>(who));
    EXPECT_EQ(std::get<Refusal>(who), Refusal::other_address);
  }
  EXPECT_EQ(noted("login.refused"), "1");
  EXPECT_EQ(noted(acme_.id + "%other-address"), "1");
  EXPECT_EQ(noted("login.failed"), "0");
  std::vector<Hostile> more;
  for (int i = 0; i < 8; ++i) {
    more.push_back(session());
    (void)more.back().log_in("acme", acme_.password);
  }
  EXPECT_EQ(noted(acme_.id + "%too-many"), "1");
  EXPECT_EQ(noted("198.51.100"), "0") << "addresses are details, which are sealed";
}

TEST_F(KeeperLogTest, AKeyThatOpensNothingIsNotedWhenItsSessionIsOver) {
  Bytes other;
  base::put_string(other, "ssh-ed25519");
  base::put_string(other, Bytes(32, std::byte{8}));
  Hostile s = session();
  EXPECT_EQ(s.refused(ask::Key{"pbx-1", other, false}), Refusal::wrong);
  EXPECT_EQ(noted("login.failed"), "0") << "its time would tell whether there is a recorder of that name";
  s.close();
  EXPECT_TRUE(becomes("SELECT count(*) FROM audit WHERE leaf LIKE '%login.failed%'", "1"));
}

TEST_F(KeeperLogTest, AKeyThatIsOfferedBeforeTheRightPasswordIsNoFailure) {
  Hostile s = session();
  EXPECT_EQ(s.refused(ask::Key{"acme", key_, false}), Refusal::wrong);
  EXPECT_TRUE(std::holds_alternative<LoggedIn>(s.log_in("acme", acme_.password)));
  s.close();
  ASSERT_TRUE(std::holds_alternative<LoggedIn>(session().log_in("acme", acme_.password)));  // the keeper has seen it
  EXPECT_EQ(noted("login.failed"), "0");
}

TEST_F(KeeperLogTest, WhatDoesNotOpenIsNotedOnceForEachRecording) {
  for (int i = 0; i < 3; ++i) {
    Hostile s = logged_in();
    const auto handle = s.must_ask<say::Opened>(ask::Open{0}).handle;
    s.must_ask<say::Done>(ask::Close{handle, false});
  }
  EXPECT_EQ(noted("recording.damaged"), "1");
  EXPECT_EQ(noted("recording.damaged%" + acme_.id), "1");
}

TEST_F(KeeperLogTest, WhatANewServiceKeySignedIsServedWithoutARestart) {
  must(vault::rotate_service_key(*v_, v_.actor()));
  const std::string id = v_.recording(9);
  const auto delivery = v_.deliver({id});
  const auto opens = [&] {
    Hostile s = session();
    if (!std::holds_alternative<LoggedIn>(s.log_in("acme", delivery.password))) return false;
    const auto said = s.ask(ask::Open{0});
    return said && std::holds_alternative<say::Opened>(*said);
  };
  bool opened = opens();
  for (int i = 0; i < 600 && !opened; ++i) {
    usleep(100'000);
    opened = opens();
  }
  EXPECT_TRUE(opened);
}

class KeeperRestartTest : public KeeperLogTest {
 protected:
  void restart() {
    stop();
    begin();
  }
  void begin() {
    auto [ours, keepers] = socket_pair();
    listener_ = std::move(ours);
    stop_ = base::Fd(eventfd(0, EFD_CLOEXEC));
    keeper_.emplace(must(v_.try_open()), std::move(keepers), base::Fd(dup(stop_.get())));
    must(keeper_->start());
    thread_ = std::thread([this] { code_ = keeper_->run(); });
  }
};

// The time without a daemon is not the customer's absence.
TEST_F(KeeperRestartTest, AClaimGoesOnAfterADayWithoutADaemon) {
  { const Hostile s = logged_in(); }
  stop();
  v_.sql("UPDATE access SET seen_at = seen_at - 80000 WHERE state = 'claimed'");
  begin();
  usleep(1'500'000);  // three ticks
  EXPECT_EQ(v_.sql("SELECT state FROM access WHERE id = '" + acme_.id + "'"), "claimed");
  const Hostile again = logged_in();
}

// One damaged cell proves nothing for its recording, and keeps nobody else's from being served.
TEST_F(KeeperRestartTest, ACoverageThatIsDamagedIsForgotten) {
  { const Hostile s = logged_in(); }
  v_.sql("UPDATE item SET coverage = 'x' WHERE access = '" + acme_.id + "'");
  settle_soon();
  restart();
  Hostile s = logged_in();
  const auto handle = s.must_ask<say::Opened>(ask::Open{0}).handle;
  s.send(ask::Book{handle, 0, 3044, true, true});
  s.must_ask<say::Done>(ask::Close{handle, true});
  EXPECT_TRUE(becomes("SELECT count(*) FROM recording WHERE state = 'erased'", "1"));
  delivered_ = 1;
}

// After a crash only the last seconds of a running download are forgotten.
TEST_F(KeeperRestartTest, WhatAnOpenHandleGotIsStoredWhileItIsOpen) {
  Hostile s = logged_in();
  const auto handle = s.must_ask<say::Opened>(ask::Open{0}).handle;
  s.send(ask::Book{handle, 0, 1000, false, true});
  EXPECT_TRUE(becomes("SELECT count(*) FROM item WHERE access = '" + acme_.id + "' AND coverage LIKE '%0-1000%'", "1"));
}

}  // namespace
}  // namespace sftp
