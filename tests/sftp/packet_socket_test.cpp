#include "sftp/packet_socket.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/filesystem/operations.hpp>
#include <cstring>
#include <iterator>

#include "base/secret.h"
#include "tests/testkit/expect.h"

namespace sftp {
namespace {

using base::Fault;
using testkit::must;

class PacketSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> pair{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), 0);
    ours_ = base::Fd(pair[0]);
    theirs_ = base::Fd(pair[1]);
  }
  static auto open_descriptors() {
    const boost::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  }
  // What no honest process sends: several descriptors with one packet.
  template <std::size_t kCount>
  void send_descriptors() {
    std::byte byte{1};
    iovec part{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kCount * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(kCount * sizeof(int));
    std::array<int, kCount> fds{};
    fds.fill(STDERR_FILENO);
    std::memcpy(CMSG_DATA(c), fds.data(), sizeof fds);
    ASSERT_EQ(sendmsg(theirs_.get(), &message, 0), 1);
  }

  base::Fd ours_, theirs_;
};

TEST_F(PacketSocketTest, APacketArrivesWithItsDescriptor) {
  const base::Fd object(dup(STDERR_FILENO));
  ASSERT_OK(send_packet(theirs_.get(), base::as_bytes("hello"), Wait::no, &object));
  const auto got = must(receive_packet(ours_.get(), 100, Wait::no));
  ASSERT_TRUE(got);
  EXPECT_EQ(base::to_text(got->bytes), "hello");
  EXPECT_TRUE(got->object);
  EXPECT_FALSE(must(receive_packet(ours_.get(), 100, Wait::no)));
}

TEST_F(PacketSocketTest, SeveralDescriptorsAreRefusedAndNoneStaysOpen) {
  const auto before = open_descriptors();
  send_descriptors<2>();
  EXPECT_FAULT(Fault::failed, receive_packet(ours_.get(), 100, Wait::no));
  EXPECT_EQ(open_descriptors(), before);
  send_descriptors<30>();
  EXPECT_FAULT(Fault::failed, receive_packet(ours_.get(), 100, Wait::no));
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(PacketSocketTest, ADescriptorThatThereIsNoRoomForIsMissingAndThePacketIsNot) {
  const base::Fd object(dup(STDERR_FILENO));
  ASSERT_OK(send_packet(theirs_.get(), base::as_bytes("hello"), Wait::no, &object));
  rlimit usual{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &usual), 0);
  const base::Fd next(dup(STDERR_FILENO));
  const rlimit full{static_cast<rlim_t>(next.get()) + 1, usual.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &full), 0);
  auto received = receive_packet(ours_.get(), 100, Wait::no);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &usual), 0);
  const auto got = must(std::move(received));
  ASSERT_TRUE(got);
  EXPECT_EQ(base::to_text(got->bytes), "hello");
  EXPECT_FALSE(got->object);
}

TEST_F(PacketSocketTest, ALongPacketIsRefused) {
  ASSERT_OK(send_packet(theirs_.get(), base::random_bytes(101), Wait::no));
  EXPECT_FAULT(Fault::failed, receive_packet(ours_.get(), 100, Wait::no));
}

TEST_F(PacketSocketTest, AFullQueueIsNotWaitedFor) {
  const auto packet = base::random_bytes(60'000);
  base::Result<void> sent;
  for (int i = 0; i < 1000 && sent; ++i) sent = send_packet(theirs_.get(), packet, Wait::no);
  EXPECT_FAULT(Fault::failed, sent);
}

}  // namespace
}  // namespace sftp
