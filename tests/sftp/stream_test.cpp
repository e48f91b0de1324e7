#include "sftp/stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

#include "tests/testkit/expect.h"

namespace sftp {
namespace {

TEST(Acknowledged, DataThatLibsshStillHoldsIsNot) {
  Acknowledged acknowledged;
  acknowledged.handed_over(1);
  acknowledged.arrived(1'000'000);
  EXPECT_FALSE(acknowledged.all_of(1));
}

TEST(Acknowledged, DataIsWhenTheClientsTcpSaidSo) {
  Acknowledged acknowledged;
  acknowledged.handed_over(1);
  acknowledged.passed_on(5000);
  acknowledged.arrived(4999);
  EXPECT_FALSE(acknowledged.all_of(1));
  acknowledged.arrived(5000);
  EXPECT_TRUE(acknowledged.all_of(1));
}

TEST(Acknowledged, OneHandleDoesNotWaitForAnother) {
  Acknowledged acknowledged;
  acknowledged.handed_over(1);
  acknowledged.passed_on(5000);
  acknowledged.handed_over(2);
  acknowledged.passed_on(9000);
  acknowledged.arrived(5000);
  EXPECT_TRUE(acknowledged.all_of(1));
  EXPECT_FALSE(acknowledged.all_of(2));
  EXPECT_FALSE(acknowledged.everything());
  acknowledged.forget(2);
  EXPECT_TRUE(acknowledged.everything());
}

TEST(Acknowledged, MoreDataOfAHandleMovesItsPlace) {
  Acknowledged acknowledged;
  acknowledged.handed_over(1);
  acknowledged.passed_on(5000);
  acknowledged.arrived(5000);
  acknowledged.handed_over(1);
  EXPECT_FALSE(acknowledged.all_of(1));
}

TEST(Acknowledged, AnEofIsMissedOnlyInEverything) {
  Acknowledged acknowledged;
  acknowledged.handed_over(1);
  acknowledged.passed_on(5000);
  acknowledged.handed_over_eof();
  acknowledged.arrived(5000);
  EXPECT_TRUE(acknowledged.all_of(1));
  EXPECT_FALSE(acknowledged.everything());
  acknowledged.passed_on(5040);
  EXPECT_FALSE(acknowledged.everything());
  acknowledged.arrived(5040);
  EXPECT_TRUE(acknowledged.everything());
}

TEST(Acknowledged, AHandleWithoutDataIs) { EXPECT_TRUE(Acknowledged().all_of(7)); }

class RepliesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> pair{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair.data()), 0);
    link_.emplace(base::Fd(pair[0]));
    keeper_ = base::Fd(pair[1]);
  }
  // All that was told to the keeper since the last call: "handle:offset+length", and "!" behind an EOF.
  std::vector<std::string> booked() {
    std::vector<std::string> all;
    base::Bytes packet(kMaxMessage);
    for (ssize_t n; (n = recv(keeper_.get(), packet.data(), packet.size(), 0)) > 0;) {
      const auto asked = testkit::must(decode_ask(base::ByteView(packet).first(static_cast<std::size_t>(n))));
      const auto& book = std::get<ask::Book>(asked);
      all.push_back(std::to_string(book.handle) + ":" + std::to_string(book.offset) + "+" +
                    std::to_string(book.length) + (book.eof ? "!" : ""));
    }
    return all;
  }
  void leave(std::size_t window) {
    ASSERT_OK(replies_.leave(window, *link_, acknowledged_, [this](base::ByteView bytes) -> base::Result<void> {
      base::put_raw(sent_, bytes);
      return {};
    }));
  }

  std::optional<Link> link_;
  base::Fd keeper_;
  Replies replies_;
  Acknowledged acknowledged_;
  base::Bytes sent_;
  OpenFile notice_ = OpenFile::notice(std::string(1000, 'n'));
};

TEST_F(RepliesTest, ANoticeIsSentAndNeverBooked) {
  replies_.add_data(1, notice_, 10, 20);
  leave(10'000);
  EXPECT_EQ(sent_.size(), Replies::data_size(20));
  EXPECT_TRUE(replies_.empty());
  EXPECT_TRUE(booked().empty());
}

TEST_F(RepliesTest, ASmallWindowCutsTheBatch) {
  replies_.add_data(1, notice_, 0, 100);
  put_status(replies_.out(), 2, Status::eof, "end");
  base::Bytes whole;
  for (int i = 0; !replies_.empty(); ++i) {
    ASSERT_LT(i, 100);
    sent_.clear();
    leave(7);
    EXPECT_LE(sent_.size(), 7U);
    base::put_raw(whole, sent_);
  }
  PacketCutter cutter;
  cutter.add(whole);
  EXPECT_EQ(static_cast<Packet>(testkit::must(cutter.next())->front()), Packet::data);
  EXPECT_EQ(static_cast<Packet>(testkit::must(cutter.next())->front()), Packet::status);
}

}  // namespace
}  // namespace sftp
