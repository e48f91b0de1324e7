// Listener and session, driven by the real OpenSSH client and by a raw client, with a fake keeper behind them.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/filesystem/operations.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/secret.h"
#include "keys/kdf.h"
#include "sftp/notices.h"
#include "tests/sftp/fake_keeper.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/raw_sftp.h"

namespace sftp {
namespace {

using base::Fault;
using testkit::must;
using testkit::RawSftp;
using testkit::string_field;

void write_text(const base::Path& path, std::string_view text, mode_t mode = 0600) {
  std::ofstream(path.c_str()) << text;
  ASSERT_EQ(chmod(path.c_str(), mode), 0);
}

std::string read_text(const base::Path& path) {
  std::ifstream in(path.c_str(), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// OpenSSH's client with a password, without the user's configuration.
class OpenSsh {
 public:
  OpenSsh(const FakeKeeper& keeper, const std::string& password) : keeper_(keeper) {
    write_text(home_ / "password", password + "\n");
    write_text(home_ / "askpass", "#!/bin/sh\ncat '" + (home_ / "password").string() + "'\n", 0700);
  }
  static bool installed() { return std::system("command -v sftp >/dev/null 2>&1") == 0; }

  struct Outcome {
    int code;
    std::string text;  // stdout and stderr
  };
  Outcome sftp(const std::string& batch, const std::string& options = "") {
    write_text(home_ / "batch", batch);
    return run("sftp " + common("-P") + " " + options + " -o BatchMode=no -b '" + (home_ / "batch").string() +
               "' acme@127.0.0.1");
  }
  Outcome ssh(const std::string& command) { return run("ssh -n " + common("-p") + " acme@127.0.0.1 " + command); }
  Outcome scp(const std::string& options, const std::string& from, const std::string& to) {
    return run("scp " + common("-P") + " " + options + " 'acme@127.0.0.1:" + from + "' '" + to + "'");
  }
  base::Path folder() const { return home_.path(); }

 private:
  std::string common(const std::string& port) const {
    return "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentityFile=none " + port + " " +
           std::to_string(keeper_.port());
  }
  Outcome run(const std::string& command) {
    const std::string whole = "cd '" + home_.path().string() + "' && SSH_ASKPASS='" + (home_ / "askpass").string() +
                              "' SSH_ASKPASS_REQUIRE=force DISPLAY= timeout 60 " + command + " > '" +
                              (home_ / "output").string() + "' 2>&1";
    const int code = std::system(whole.c_str());
    return {WEXITSTATUS(code), read_text(home_ / "output")};
  }

  const FakeKeeper& keeper_;
  testkit::TempFolder home_;
};

#define NEED_OPENSSH() \
  if (!OpenSsh::installed()) GTEST_SKIP() << "SKIPPED: OpenSSH's sftp is not installed"

std::string hash(base::ByteView bytes) { return base::hex(keys::sha256(bytes)); }

base::Bytes bytes_of(const base::Path& path) { return base::to_bytes(read_text(path)); }

// --- OpenSSH ---------------------------------------------------------------------------------------------------------

class DownloadTest : public testing::TestWithParam<std::size_t> {};

TEST_P(DownloadTest, ArrivesWholeAndIsBookedWhole) {
  NEED_OPENSSH();
  FakeKeeper keeper;
  const auto plain = GetParam() == 0 ? base::Bytes() : base::random_bytes(GetParam());
  keeper.add("call.wav", plain);
  keeper.start();
  OpenSsh client(keeper, keeper.password());
  const auto got = client.sftp("get call.wav\n");
  EXPECT_EQ(got.code, 0) << got.text;
  EXPECT_EQ(hash(bytes_of(client.folder() / "call.wav")), hash(plain));
  EXPECT_EQ(keeper.wait_for_ends(1), 1U);
  const auto handles = keeper.handles("call.wav");
  ASSERT_EQ(handles.size(), 1U);
  EXPECT_TRUE(handles[0].covers(plain.size()));
  EXPECT_EQ(handles[0].bytes, plain.size());  // nothing twice
  EXPECT_EQ(handles[0].sent, plain.size());
  EXPECT_TRUE(handles[0].closed);
  EXPECT_TRUE(handles[0].served);
  EXPECT_EQ(keeper.ends(), std::vector<bool>{true});
  EXPECT_EQ(keeper.addresses(), std::vector<std::string>{"127.0.0.1"});
}

INSTANTIATE_TEST_SUITE_P(Sizes, DownloadTest, testing::Values(0, 1, 65535, 65536, 65537, 261120, 5'000'000));

TEST(SessionOpenSsh, TwentySmallFiles) {
  NEED_OPENSSH();
  FakeKeeper keeper;
  for (std::size_t i = 0; i < 20; ++i)
    keeper.add("call-" + std::to_string(i) + ".wav", base::random_bytes(240'000 + i));
  keeper.start();
  OpenSsh client(keeper, keeper.password());
  const auto got = client.sftp("get -r . copy\n");
  EXPECT_EQ(got.code, 0) << got.text;
  for (std::size_t i = 0; i < 20; ++i) {
    const std::string name = "call-" + std::to_string(i) + ".wav";
    EXPECT_EQ(hash(bytes_of(client.folder() / "copy" / name)), hash(keeper.recording(name).plain));
    const auto handles = keeper.handles(name);
    ASSERT_EQ(handles.size(), 1U);
    EXPECT_TRUE(handles[0].covers(240'000 + i) && handles[0].served) << name;
  }
  const std::string check = "cd '" + (client.folder() / "copy").string() + "' && sha256sum --quiet -c SHA256SUMS";
  EXPECT_EQ(std::system(check.c_str()), 0);
  EXPECT_NE(read_text(client.folder() / "copy" / kReadMeName.data()).find("checkpoint of the test"), std::string::npos);
}

TEST(SessionOpenSsh, EveryCipherCarriesAFile) {
  NEED_OPENSSH();
  FakeKeeper keeper;
  keeper.add("call.wav", base::random_bytes(1'000'000));
  keeper.start();
  OpenSsh client(keeper, keeper.password());
  for (const std::string cipher : {"chacha20-poly1305@openssh.com", "aes256-ctr", "aes128-ctr"}) {
    const auto got = client.sftp("get call.wav " + cipher + "\n", "-c " + cipher);
    EXPECT_EQ(got.code, 0) << got.text;
    EXPECT_EQ(hash(bytes_of(client.folder() / cipher.c_str())), hash(keeper.recording("call.wav").plain)) << cipher;
  }
  for (const std::string refused : {"aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes128-cbc"})
    EXPECT_NE(client.sftp("ls\n", "-c " + refused).code, 0) << refused;
  for (const std::string refused : {"KexAlgorithms=diffie-hellman-group14-sha256", "KexAlgorithms=ecdh-sha2-nistp256"})
    EXPECT_NE(client.sftp("ls\n", "-o " + refused).code, 0) << refused;
  EXPECT_NE(client.sftp("ls\n", "-c aes256-ctr -o MACs=hmac-sha1").code, 0);
}

TEST(SessionOpenSsh, RekeyingInTheMiddleLosesNothing) {
  NEED_OPENSSH();
  FakeKeeper keeper;
  keeper.add("call.wav", base::random_bytes(20'000'000));
  keeper.start();
  OpenSsh client(keeper, keeper.password());
  const auto got = client.sftp("get call.wav\n", "-o RekeyLimit=1M");
  EXPECT_EQ(got.code, 0) << got.text;
  EXPECT_EQ(hash(bytes_of(client.folder() / "call.wav")), hash(keeper.recording("call.wav").plain));
  keeper.wait_for_ends(1);
  const auto handles = keeper.handles("call.wav");
  ASSERT_EQ(handles.size(), 1U);
  EXPECT_TRUE(handles[0].covers(20'000'000) && handles[0].served);
}

TEST(SessionOpenSsh, ListsNamesSizesAndTimes) {
  NEED_OPENSSH();
  FakeKeeper keeper;
  keeper.add("call.wav", base::random_bytes(12345));
  keeper.start();
  OpenSsh client(keeper, keeper.password());
  const auto got = client.sftp("ls -ln\n");
  EXPECT_EQ(got.code, 0) << got.text;
  EXPECT_NE(got.text.find("12345"), std::string::npos) << got.text;
  EXPECT_NE(got.text.find("call.wav"), std::string::npos);
  EXPECT_NE(got.text.find("READ-ME-FIRST.txt"), std::string::npos);
  EXPECT_NE(got.text.find("SHA256SUMS"), std::string::npos);
  EXPECT_NE(got.text.find("-r--------"), std::string::npos);
}

TEST(SessionOpenSsh, APlainFolderHoldsRecordingsOnly) {
  NEED_OPENSSH();
  FakeKeeper keeper;
  keeper.add("call.wav", base::random_bytes(1));
  keeper.plain_folder = true;
  keeper.start();
  const auto got = OpenSsh(keeper, keeper.password()).sftp("ls -1\n");
  EXPECT_TRUE(got.text.ends_with("sftp> ls -1\ncall.wav\n")) << got.text;
}

TEST(SessionOpenSsh, BannerComesBeforeTheLogIn) {
  NEED_OPENSSH();
  FakeKeeper keeper;
  keeper.start();
  OpenSsh client(keeper, "wrong");
  EXPECT_NE(client.ssh("true").text.find(banner().substr(0, 20)), std::string::npos);
}

TEST(SessionOpenSsh, ChangesAreRefusedWithTheReason) {
  NEED_OPENSSH();
  FakeKeeper keeper;
  keeper.add("call.wav", base::random_bytes(100));
  keeper.start();
  OpenSsh client(keeper, keeper.password());
  for (const std::string change : {"put password", "rm call.wav", "rm READ-ME-FIRST.txt", "mkdir new", "rmdir new",
                                   "rename call.wav x", "symlink call.wav x", "chmod 777 call.wav"}) {
    const auto got = client.sftp(change + "\n");
    EXPECT_EQ(got.code, 1) << change;
    EXPECT_NE(got.text.find("ermission denied"), std::string::npos) << change << ": " << got.text;
  }
  EXPECT_NE(client.sftp("get other.wav\n").text.find("not found"), std::string::npos);
  EXPECT_NE(client.sftp("df\n").code, 0);
}

TEST(SessionOpenSsh, WrongPasswordIsRefused) {
  NEED_OPENSSH();
  FakeKeeper keeper;
  keeper.start();
  OpenSsh client(keeper, "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA");
  const auto got = client.sftp("ls\n");
  EXPECT_EQ(got.code, 255);
  EXPECT_NE(got.text.find("Permission denied"), std::string::npos) << got.text;
  EXPECT_EQ(keeper.logins(true), 0U);
  EXPECT_GT(keeper.logins(false), 0U);
}

// Also when the client has one prompt only, and would say "Permission denied" to an answer that comes before the words.
TEST(SessionOpenSsh, AUsedPasswordIsToldSoEveryTime) {
  NEED_OPENSSH();
  FakeKeeper keeper;
  keeper.refuse_login = Refusal::used;
  keeper.settings.session.failure_ms = 0;
  keeper.settings.burst = 100;
  keeper.start();
  OpenSsh client(keeper, keeper.password());
  for (const std::string method : {"password", "keyboard-interactive"})
    for (int i = 0; i < 30; ++i) {
      const auto got = client.sftp("ls\n", "-o NumberOfPasswordPrompts=1 -o PreferredAuthentications=" + method);
      EXPECT_EQ(got.code, 255);
      EXPECT_NE(got.text.find(words(Refusal::used)), std::string::npos) << method << ": " << got.text;
      EXPECT_EQ(got.text.find("Permission denied"), std::string::npos) << method << ": " << got.text;
    }
}

TEST(SessionOpenSsh, NoCommandsNoShellNoOldScp) {
  NEED_OPENSSH();
  FakeKeeper keeper;
  keeper.add("call.wav", base::random_bytes(100));
  keeper.start();
  OpenSsh client(keeper, keeper.password());
  EXPECT_NE(client.ssh("id").code, 0);
  EXPECT_NE(client.ssh("").code, 0);
  EXPECT_NE(client.scp("-O", "call.wav", "old.wav").code, 0);
  EXPECT_EQ(client.scp("", "call.wav", "new.wav").code, 0);
  EXPECT_EQ(hash(bytes_of(client.folder() / "new.wav")), hash(keeper.recording("call.wav").plain));
}

// --- log-in ----------------------------------------------------------------------------------------------------------

TEST(SessionLogin, ForgivesWhatPeopleType) {
  FakeKeeper keeper;
  keeper.start();
  std::string typed;
  for (const char c : keeper.password())
    if (c != '-') typed += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  EXPECT_OK(RawSftp::connect(keeper.port(), "acme", typed));
}

TEST(SessionLogin, RefusesOtherAccountsAndOtherTexts) {
  FakeKeeper keeper;
  keeper.start();
  EXPECT_FAULT(Fault::denied, RawSftp::log_in(keeper.port(), "other", keeper.password()));
  EXPECT_FAULT(Fault::denied, RawSftp::log_in(keeper.port(), "acme", ""));
  EXPECT_FAULT(Fault::denied, RawSftp::log_in(keeper.port(), "acme", std::string(65, 'A')));
  EXPECT_FAULT(Fault::denied, RawSftp::log_in(keeper.port(), std::string(200, 'a'), keeper.password()));
  EXPECT_EQ(keeper.logins(false), 4U);  // the keeper heard of each
  EXPECT_EQ(keeper.logins(true), 0U);
}

TEST(SessionLogin, EveryFailureTakesItsTime) {
  FakeKeeper keeper;
  keeper.settings.session.failure_ms = 700;
  keeper.start();
  for (const std::string& text : {std::string("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"), std::string(65, 'A'), std::string()}) {
    const auto began = base::monotonic_ms();
    EXPECT_FAULT(Fault::denied, RawSftp::log_in(keeper.port(), "acme", text));
    EXPECT_GE(base::monotonic_ms() - began, 700);
  }
}

TEST(SessionLogin, EndsWhenTheGraceTimeIsOver) {
  FakeKeeper keeper;
  keeper.settings.session.grace_ms = 3000;  // a key exchange on a busy machine is done by then
  keeper.settings.session.failure_ms = 6000;
  keeper.start();
  EXPECT_FAULT(Fault::denied, RawSftp::log_in(keeper.port(), "acme", "x"));
  EXPECT_EQ(keeper.wait_for_ends(1), 1U);
}

// The random cookie that the server's key exchange begins with.
std::string cookie(int port) {
  const base::Fd line(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<std::uint16_t>(port));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(line.get(), reinterpret_cast<const sockaddr*>(&server), sizeof server), 0);
  constexpr std::string_view kBanner = "SSH-2.0-test\r\n";
  EXPECT_EQ(send(line.get(), kBanner.data(), kBanner.size(), 0), static_cast<ssize_t>(kBanner.size()));
  constexpr std::size_t kHead = 6;  // length, padding, type
  std::string got;
  for (std::array<char, 4096> part;;) {
    const auto end = got.find("\r\n");
    if (end != std::string::npos && got.size() >= end + 2 + kHead + 16) return got.substr(end + 2 + kHead, 16);
    const ssize_t n = recv(line.get(), part.data(), part.size(), 0);
    if (n <= 0) return {};
    got.append(part.data(), static_cast<std::size_t>(n));
  }
}

// Sessions are forks of a process whose libraries have drawn random numbers before.
TEST(SessionLogin, NoTwoSessionsDrawTheSameRandomNumbers) {
  FakeKeeper keeper;
  keeper.start();
  std::set<std::string> cookies;
  for (int i = 0; i < 8; ++i) cookies.insert(cookie(keeper.port()));
  EXPECT_EQ(cookies.size(), 8U);
  EXPECT_FALSE(cookies.contains(""));
}

// --- requests --------------------------------------------------------------------------------------------------------

class RawSession : public testing::Test {
 protected:
  void SetUp() override {
    keeper_.add("call.wav", base::random_bytes(1'000'000));
    keeper_.add("quarter.wav", base::random_bytes(250'000));
    keeper_.add("empty.wav", {});
    keeper_.add("small.wav", base::random_bytes(1000));
    keeper_.start();
  }
  RawSftp connect() { return must(RawSftp::connect(keeper_.port(), "acme", keeper_.password())); }
  Status status(RawSftp& client, Packet type, base::ByteView body) { return must(client.ask(type, body)).status(); }

  FakeKeeper keeper_;
};

TEST_F(RawSession, ReadsOfEverySizeGiveTheFile) {
  for (const std::uint32_t size : {1000U, 8192U, 30000U, 32768U, 65536U, 261120U, 4'000'000U}) {
    auto client = connect();
    EXPECT_EQ(hash(must(client.download("call.wav", size))), hash(keeper_.recording("call.wav").plain)) << size;
  }
  for (const auto& handle : keeper_.handles("call.wav"))
    EXPECT_TRUE(handle.covers(1'000'000) && handle.closed && handle.served);
}

TEST_F(RawSession, InitSixIsAnsweredWithThree) {
  auto client = must(RawSftp::log_in(keeper_.port(), "acme", keeper_.password()));
  ASSERT_OK(client.start_subsystem("sftp"));
  ASSERT_OK(client.send(testkit::sftp_packet(Packet::init, 6)));
  EXPECT_EQ(must(client.receive()).id, 3U);
}

TEST_F(RawSession, ASecondInitOrNoneEndsTheConnection) {
  auto twice = connect();
  ASSERT_OK(twice.send(testkit::sftp_packet(Packet::init, 3)));
  EXPECT_FAULT(Fault::failed, twice.receive());
  auto none = must(RawSftp::log_in(keeper_.port(), "acme", keeper_.password()));
  ASSERT_OK(none.start_subsystem("sftp"));
  ASSERT_OK(none.send(testkit::sftp_packet(Packet::stat, 1, string_field("/"))));
  EXPECT_FAULT(Fault::failed, none.receive());
}

TEST_F(RawSession, PacketLengthsOutOfBoundsEndTheConnection) {
  for (const std::uint32_t length : {0U, 1U << 28, ~0U}) {
    auto client = connect();
    base::Bytes raw;
    base::put_u32(raw, length);
    base::put_u32(raw, 0);
    ASSERT_OK(client.send_raw(raw));
    EXPECT_FAULT(Fault::failed, client.receive()) << length;
  }
  EXPECT_OK(connect().download("small.wav"));  // the next one is served
}

TEST_F(RawSession, AReadBehindCloseFails) {
  auto client = connect();
  const auto handle = must(client.open("call.wav"));
  client.send_close(handle);
  client.send_read(handle, 0, 100);
  EXPECT_EQ(must(client.receive()).status(), Status::ok);
  EXPECT_EQ(must(client.receive()).status(), Status::failure);
  client.send_close(handle);
  EXPECT_EQ(must(client.receive()).status(), Status::failure);
}

TEST_F(RawSession, ReadsThatCloseOvertakesNeverCount) {
  auto client = connect();
  const auto handle = must(client.open("call.wav"));
  base::Bytes burst;  // READs of everything and CLOSE, in one piece
  std::uint32_t id = 100;
  for (std::uint64_t at = 0; at < 1'000'000; at += 10'000) {
    base::Bytes body = string_field(handle);
    base::put_u64(body, at);
    base::put_u32(body, 10'000);
    base::put_string(burst, testkit::sftp_packet(Packet::read, id++, body));
  }
  base::put_string(burst, testkit::sftp_packet(Packet::close, id, string_field(handle)));
  ASSERT_OK(client.send_raw(burst));
  std::uint64_t answered = 0;
  for (std::uint32_t i = 100; i < id; ++i) {
    const auto reply = must(client.receive());
    if (reply.type == Packet::data)
      answered += reply.data().size();
    else
      EXPECT_EQ(reply.status(), Status::failure);
  }
  EXPECT_EQ(must(client.receive()).status(), Status::ok);
  const auto handles = keeper_.handles("call.wav");
  ASSERT_EQ(handles.size(), 1U);
  EXPECT_TRUE(handles[0].closed);
  EXPECT_EQ(handles[0].sent, answered);
  EXPECT_LE(handles[0].bytes, answered);
  EXPECT_FALSE(handles[0].covers(1'000'000));
}

// CLOSE may arrive while DATA is being sent: libssh then reads in the middle of the write.
TEST_F(RawSession, ACloseInTheMiddleOfSendingIsNoProof) {
  constexpr int kTimes = 40;
  for (int i = 0; i < kTimes; ++i) {
    auto client = connect();
    const auto handle = must(client.open("quarter.wav"));
    client.read_slowly();
    client.send_read(handle, 0, 250'000);
    std::this_thread::sleep_for(std::chrono::microseconds(50 * i));
    client.send_close(handle);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    client.reset();
  }
  ASSERT_EQ(keeper_.wait_for_ends(kTimes), std::size_t{kTimes});
  const auto handles = keeper_.handles("quarter.wav");
  ASSERT_EQ(handles.size(), std::size_t{kTimes});
  for (const auto& handle : handles) EXPECT_FALSE(handle.closed && handle.covers(250'000));
}

// More is asked for than a window holds, so the server stands in the middle of a reply when the channels are opened.
TEST_F(RawSession, ASecondChannelInTheMiddleOfSending) {
  auto client = connect();
  const auto handle = must(client.open("call.wav"));
  const base::ByteView plain = keeper_.recording("call.wav").plain;
  constexpr std::uint32_t kPart = 250'000;
  ASSERT_GE(plain.size(), 4 * kPart);
  constexpr int kReads = 24;
  std::uint32_t first = 0;
  for (std::uint64_t i = 0; i < kReads; ++i) {
    const auto id = client.send_read(handle, i % 4 * kPart, kPart);
    if (i == 0) first = id;
  }
  for (std::uint32_t i = 0; i < kReads; ++i) {
    if (i % 8 == 1) {
      ASSERT_OK(client.open_channel());
    }
    const auto reply = must(client.receive());
    EXPECT_EQ(reply.id, first + i);
    EXPECT_EQ(hash(reply.data()), hash(plain.subspan(i % 4 * kPart, kPart)));
  }
  client.reset();
  keeper_.wait_for_ends(1);
  EXPECT_EQ(keeper_.handles("call.wav").at(0).sent, std::uint64_t{kReads} * kPart);
}

TEST_F(RawSession, AResetWithReadsOutstandingClosesNothing) {
  auto client = connect();
  const auto handle = must(client.open("call.wav"));
  for (std::uint64_t at = 0; at < 1'000'000; at += 250'000) client.send_read(handle, at, 250'000);
  client.reset();
  EXPECT_EQ(keeper_.wait_for_ends(1), 1U);
  EXPECT_EQ(keeper_.ends(), std::vector<bool>{false});
  EXPECT_FALSE(keeper_.handles("call.wav").at(0).closed);
}

TEST_F(RawSession, ReadsAtAndBehindTheEndAreEofEveryTime) {
  auto client = connect();
  const auto handle = must(client.open("small.wav"));
  for (const std::uint64_t at : {std::uint64_t{1000}, std::uint64_t{1001}, ~std::uint64_t{0}}) {
    client.send_read(handle, at, ~0U);
    EXPECT_EQ(must(client.receive()).status(), Status::eof);
  }
  client.send_read(handle, 990, ~0U);
  EXPECT_EQ(must(client.receive()).data().size(), 10U);
}

TEST_F(RawSession, EofIsBookedOnceBehindData) {
  auto client = connect();
  const auto handle = must(client.open("small.wav"));
  const auto read = [&](std::uint64_t at) {
    client.send_read(handle, at, 1000);
    return must(client.receive()).type;
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(read(0), Packet::data);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(read(1000), Packet::status);
  }
  client.disconnect();  // without CLOSE
  keeper_.wait_for_ends(1);
  const auto handles = keeper_.handles("small.wav");
  ASSERT_EQ(handles.size(), 1U);
  EXPECT_EQ(handles[0].eofs, 2U);
  EXPECT_TRUE(handles[0].covers(1000) && !handles[0].closed);
  EXPECT_EQ(keeper_.ends(), std::vector<bool>{true});
}

TEST_F(RawSession, AnEmptyFileOpensReadsAndCloses) {
  auto client = connect();
  EXPECT_EQ(must(client.download("/empty.wav")).size(), 0U);
  const auto handles = keeper_.handles("empty.wav");
  ASSERT_EQ(handles.size(), 1U);
  EXPECT_TRUE(handles[0].closed && handles[0].served && handles[0].booked.empty());
}

TEST_F(RawSession, ADeliveredFileStillShowsAndDoesNotOpen) {
  auto client = connect();
  keeper_.set_gone("call.wav");
  EXPECT_EQ(must(client.ask(Packet::stat, string_field("/call.wav"))).type, Packet::attrs);
  base::Bytes body = string_field("call.wav");
  base::put_u32(body, open_flag::kRead);
  base::put_u32(body, 0);
  const auto reply = must(client.ask(Packet::open, body));
  EXPECT_EQ(reply.status(), Status::no_such_file);
  EXPECT_EQ(reply.status_text(), words(Refusal::gone));
  EXPECT_EQ(status(client, Packet::remove, string_field("call.wav")), Status::ok);
  EXPECT_EQ(status(client, Packet::remove, string_field("small.wav")), Status::permission_denied);
}

TEST_F(RawSession, NamesOutsideTheFolderDoNotExist) {
  auto client = connect();
  for (const std::string& path :
       {std::string("../call.wav"), std::string("/etc/passwd"), std::string("CALL.WAV"), std::string("call.wav/"),
        std::string("call.wav/x"), std::string(".\\call.wav"), std::string("call.wav\0", 9), std::string(4000, 'x')})
    EXPECT_EQ(status(client, Packet::stat, string_field(path)), Status::no_such_file) << path;
  EXPECT_EQ(status(client, Packet::stat, string_field(std::string(5000, 'x'))), Status::bad_message);
}

TEST_F(RawSession, OpenWithAnyOtherFlagIsRefused) {
  auto client = connect();
  for (const std::uint32_t flag : {2U, 4U, 8U, 16U, 32U}) {
    base::Bytes body = string_field("call.wav");
    base::put_u32(body, open_flag::kRead | flag);
    base::put_u32(body, 0);
    EXPECT_EQ(status(client, Packet::open, body), Status::permission_denied) << flag;
  }
}

TEST_F(RawSession, UnknownRequestsAreUnsupportedAndChangesRefused) {
  auto client = connect();
  EXPECT_EQ(status(client, static_cast<Packet>(99), {}), Status::op_unsupported);
  EXPECT_EQ(status(client, Packet::readlink, string_field("call.wav")), Status::op_unsupported);
  for (const Packet change : {Packet::write, Packet::setstat, Packet::fsetstat, Packet::mkdir, Packet::rmdir,
                              Packet::rename, Packet::symlink})
    EXPECT_EQ(status(client, change, string_field("call.wav")), Status::permission_denied);
  for (const std::string name : {"posix-rename@openssh.com", "hardlink@openssh.com", "copy-data"})
    EXPECT_EQ(status(client, Packet::extended, string_field(name)), Status::permission_denied) << name;
  for (const std::string name : {"statvfs@openssh.com", "expand-path@openssh.com", "x"})
    EXPECT_EQ(status(client, Packet::extended, string_field(name)), Status::op_unsupported) << name;
  EXPECT_EQ(must(client.ask(Packet::extended, string_field("limits@openssh.com"))).type, Packet::extended_reply);
}

TEST_F(RawSession, HandlesThatWereNotGivenFail) {
  auto client = connect();
  const auto good = must(client.open("call.wav"));
  auto other = connect();
  const std::string folder = must(client.ask(Packet::opendir, string_field("/"))).handle();
  const auto read = [&](RawSftp& from, std::string_view handle) {
    from.send_read(handle, 0, 100);
    return must(from.receive()).status();
  };
  EXPECT_EQ(read(client, ""), Status::failure);
  EXPECT_EQ(read(client, "0"), Status::failure);
  EXPECT_EQ(read(client, good.substr(1)), Status::failure);
  EXPECT_EQ(read(client, folder), Status::failure);
  EXPECT_EQ(read(other, good), Status::failure);
  EXPECT_EQ(status(client, Packet::readdir, string_field(good)), Status::failure);
}

TEST_F(RawSession, MalformedBodiesAreBadMessages) {
  auto client = connect();
  for (const Packet type : {Packet::open, Packet::read, Packet::close, Packet::stat, Packet::readdir, Packet::remove,
                            Packet::realpath, Packet::extended})
    EXPECT_EQ(status(client, type, base::as_bytes("xx")), Status::bad_message) << static_cast<int>(type);
  EXPECT_OK(client.download("small.wav"));
}

TEST_F(RawSession, ListingEndsWithEofAsOftenAsAsked) {
  auto client = connect();
  const std::string handle = must(client.ask(Packet::opendir, string_field("/"))).handle();
  EXPECT_EQ(must(client.ask(Packet::readdir, string_field(handle))).type, Packet::name);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(status(client, Packet::readdir, string_field(handle)), Status::eof);
  client.send_close(handle);
  EXPECT_EQ(must(client.receive()).status(), Status::ok);
}

TEST_F(RawSession, AThousandHandlesAreNotGiven) {
  auto client = connect();
  for (std::uint32_t i = 0; i < kMaxHandles; ++i) ASSERT_OK(client.open("small.wav"));
  EXPECT_FAULT(Fault::denied, client.open("small.wav"));
}

TEST_F(RawSession, TenThousandReadsOutstanding) {
  auto client = connect();
  const auto handle = must(client.open("call.wav"));
  base::Bytes burst;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    base::Bytes body = string_field(handle);
    base::put_u64(body, (i * 100) % 1'000'000);
    base::put_u32(body, 100);
    base::put_string(burst, testkit::sftp_packet(Packet::read, i, body));
  }
  std::thread sender([&] { EXPECT_OK(client.send_raw(burst)); });
  sender.join();
  const base::Bytes& plain = keeper_.recording("call.wav").plain;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    const auto reply = must(client.receive());
    ASSERT_EQ(reply.id, i);
    const base::Bytes data = reply.data();
    ASSERT_TRUE(std::equal(data.begin(), data.end(), plain.begin() + (i * 100) % 1'000'000));
  }
}

TEST_F(RawSession, OnlyTheSubsystemSftp) {
  auto client = must(RawSftp::log_in(keeper_.port(), "acme", keeper_.password()));
  EXPECT_FAULT(Fault::failed, client.exec("id"));
  EXPECT_FAULT(Fault::failed, client.shell());
  EXPECT_FAULT(Fault::failed, client.pty());
  EXPECT_FAULT(Fault::failed, client.forward());
  EXPECT_FAULT(Fault::failed, client.listen_forward());
  EXPECT_FAULT(Fault::failed, client.start_subsystem("netconf"));  // the fourth channel
  EXPECT_FAULT(Fault::failed, client.start());                     // there is no fifth
}

TEST_F(RawSession, TwoChannelsOfOneConnection) {
  auto client = connect();
  EXPECT_EQ(hash(must(client.download("small.wav"))), hash(keeper_.recording("small.wav").plain));
  ASSERT_OK(client.start());
  EXPECT_EQ(hash(must(client.download("call.wav"))), hash(keeper_.recording("call.wav").plain));
  EXPECT_EQ(keeper_.logins(true), 1U);
}

// --- how a connection ends -------------------------------------------------------------------------------------------

TEST_F(RawSession, DisconnectIsOrderly) {
  auto client = connect();
  must(client.download("small.wav"));
  client.disconnect();
  keeper_.wait_for_ends(1);
  EXPECT_EQ(keeper_.ends(), std::vector<bool>{true});
}

TEST_F(RawSession, ACloseRightBeforeTheDisconnectHolds) {
  for (int i = 0; i < 10; ++i) {
    auto client = connect();
    const auto handle = must(client.open("small.wav"));
    client.send_read(handle, 0, 1000);
    EXPECT_EQ(must(client.receive()).type, Packet::data);
    client.send_close(handle);
    client.disconnect();
  }
  keeper_.wait_for_ends(10);
  const auto handles = keeper_.handles("small.wav");
  ASSERT_EQ(handles.size(), 10U);
  for (const auto& handle : handles) EXPECT_TRUE(handle.closed && handle.served && handle.covers(1000));
  EXPECT_EQ(keeper_.ends(), std::vector<bool>(10, true));
}

TEST_F(RawSession, AResetIsNot) {
  auto client = connect();
  must(client.download("small.wav"));
  client.reset();
  keeper_.wait_for_ends(1);
  EXPECT_EQ(keeper_.ends(), std::vector<bool>{false});
}

TEST_F(RawSession, TheKeeperCanCutASession) {
  auto client = connect();
  keeper_.cut(Refusal::revoked);
  const auto reply = client.receive();
  ASSERT_FAULT(Fault::failed, reply);
  EXPECT_NE(reply.error().what.find(words(Refusal::revoked)), std::string::npos) << reply.error().what;
  EXPECT_EQ(keeper_.wait_for_ends(1), 1U);
  EXPECT_EQ(keeper_.ends(), std::vector<bool>{});  // it knows
}

TEST(SessionEnd, AnIdleClientIsSentAway) {
  FakeKeeper keeper;
  keeper.settings.session.idle_ms = 300;
  keeper.start();
  auto client = must(RawSftp::connect(keeper.port(), "acme", keeper.password()));
  EXPECT_FAULT(Fault::failed, client.receive());
  EXPECT_EQ(keeper.wait_for_ends(1), 1U);
}

// --- damage ----------------------------------------------------------------------------------------------------------

void flip(const base::Path& path, std::uint64_t at) {
  std::fstream file(path.c_str(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(static_cast<std::streamoff>(at));
  file.put(byte);
}

TEST(SessionDamage, AChunkThatDoesNotVerifyFailsAndIsNotBooked) {
  FakeKeeper keeper;
  keeper.add("call.wav", base::random_bytes(300'000));
  flip(keeper.object_path("call.wav"), 16 + 2 * 65552 + 5);  // in the third chunk
  keeper.start();
  auto client = must(RawSftp::connect(keeper.port(), "acme", keeper.password()));
  const auto handle = must(client.open("call.wav"));
  client.send_read(handle, 0, 65536);
  EXPECT_EQ(must(client.receive()).type, Packet::data);
  client.send_read(handle, 131072, 65536);
  EXPECT_EQ(must(client.receive()).status(), Status::failure);
  client.send_read(handle, 65536, 65536);  // whole, but nothing more counts on this handle
  EXPECT_EQ(must(client.receive()).status(), Status::failure);
  client.send_close(handle);
  EXPECT_EQ(must(client.receive()).status(), Status::ok);
  EXPECT_EQ(keeper.handles("call.wav").at(0).bytes, 65536U);
}

TEST(SessionDamage, ACutObjectDoesNotOpen) {
  FakeKeeper keeper;
  keeper.add("call.wav", base::random_bytes(300'000));
  ASSERT_EQ(truncate(keeper.object_path("call.wav").c_str(), 200'000), 0);
  keeper.start();
  auto client = must(RawSftp::connect(keeper.port(), "acme", keeper.password()));
  EXPECT_FAULT(Fault::denied, client.open("call.wav"));
  EXPECT_TRUE(keeper.handles("call.wav").at(0).closed);
  EXPECT_FALSE(keeper.handles("call.wav").at(0).served);
}

TEST(SessionDamage, AHeaderOfAnotherKeyIsCaughtByTheCommitment) {
  FakeKeeper keeper;
  keeper.add("a.wav", base::random_bytes(1000));
  keeper.add("b.wav", base::random_bytes(1000));
  keeper.recording("a.wav").header = keeper.recording("b.wav").header;
  keeper.recording("a.wav").object = keeper.recording("b.wav").object;
  keeper.start();
  auto client = must(RawSftp::connect(keeper.port(), "acme", keeper.password()));
  EXPECT_FAULT(Fault::denied, client.open("a.wav"));
  EXPECT_OK(client.open("b.wav"));
}

TEST(SessionDamage, AFolderEntryThatDoesNotOpenEndsTheConnection) {
  FakeKeeper keeper;
  keeper.add("a.wav", base::random_bytes(1000));
  keeper.recording("a.wav").sealed_entry.back() ^= std::byte{1};
  keeper.start();
  EXPECT_FAULT(Fault::failed, RawSftp::connect(keeper.port(), "acme", keeper.password()));
}

}  // namespace
}  // namespace sftp
