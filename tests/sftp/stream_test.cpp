#include "sftp/stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

#include "tests/testkit/expect.h"

namespace sftp {
namespace {

// What a keeper is told.
class StreamTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> pair{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair.data()), 0);
    link_.emplace(base::Fd(pair[0]));
    keeper_ = base::Fd(pair[1]);
  }
  // All since the last call: "handle:offset+length", "!" behind an EOF, "?" behind what has not arrived.
  std::string booked() {
    std::string all;
    base::Bytes packet(kMaxMessage);
    for (ssize_t n; (n = recv(keeper_.get(), packet.data(), packet.size(), 0)) > 0;) {
      const auto asked = testkit::must(decode_ask(base::ByteView(packet).first(static_cast<std::size_t>(n))));
      if (!all.empty()) all += " ";
      if (std::holds_alternative<ask::Close>(asked)) {
        all += "close";
        continue;
      }
      const auto& book = std::get<ask::Book>(asked);
      all += std::to_string(book.handle) + ":" + std::to_string(book.offset) + "+" + std::to_string(book.length) +
             (book.eof ? "!" : "") + (book.arrived ? "" : "?");
    }
    return all;
  }

  std::optional<Link> link_;
  base::Fd keeper_;
  InFlight in_flight_;
};

class BookingTest : public StreamTest {
 protected:
  void sent(std::uint32_t handle, std::uint64_t offset, std::uint32_t length) {
    link_->book({handle, offset, length, false, false});
  }
  void arrived(std::uint32_t handle, std::uint64_t offset, std::uint32_t length, bool eof = false) {
    link_->book({handle, offset, length, eof, true});
  }
};

TEST_F(BookingTest, WhereAHandleBeginsIsToldAtOnceAndTheRestLater) {
  sent(0, 0, 1000);
  EXPECT_EQ(booked(), "0:0+1000?");
  EXPECT_FALSE(link_->booking_due());
  sent(0, 1000, 1000);
  sent(0, 2000, 500);
  EXPECT_EQ(booked(), "");
  EXPECT_TRUE(link_->booking_due());
  sent(1, 0, 10);
  EXPECT_EQ(booked(), "0:1000+1500? 1:0+10?") << "another handle begins";
  sent(0, 2500, 10);
  EXPECT_EQ(booked(), "0:2500+10?");
}

TEST_F(BookingTest, ALongRunIsToldInParts) {
  std::string told;
  for (std::uint64_t i = 0; i < 100; ++i) {
    sent(1, i * 100'000, 100'000);
    arrived(1, i * 100'000, 100'000);
    if (const auto some = booked(); !some.empty()) told += some + " ";
  }
  link_->book_what_waits();
  EXPECT_FALSE(link_->booking_due());
  told += booked();
  EXPECT_EQ(told.substr(0, 60), "1:0+100000? 1:0+1100000 1:100000+1100000? 1:1100000+1100000 ");
  EXPECT_TRUE(told.ends_with(" 1:9900000+100000")) << told;
}

TEST_F(BookingTest, WhatWaitsIsToldBeforeTheNextMessage) {
  sent(1, 0, 1000);
  sent(1, 1000, 1000);
  arrived(1, 0, 2000);
  arrived(1, 2000, 0, true);
  EXPECT_EQ(booked(), "1:0+1000?");
  link_->tell(ask::Close{1, true});
  EXPECT_EQ(booked(), "1:1000+1000? 1:0+2000! close");
}

class InFlightTest : public StreamTest {
 protected:
  std::string arrived(std::uint64_t bytes) {
    in_flight_.arrived(bytes, *link_);
    link_->book_what_waits();
    return booked();
  }
};

TEST_F(InFlightTest, DataThatLibsshStillHoldsHasNotArrived) {
  in_flight_.handed_over({1, 0, 1000, false, false}, 0);
  EXPECT_EQ(arrived(1'000'000), "");
  EXPECT_FALSE(in_flight_.empty());
}

TEST_F(InFlightTest, DataIsBookedWhenTheClientsTcpHasAcknowledgedIt) {
  in_flight_.handed_over({1, 0, 1000, false, false}, 0);
  in_flight_.passed_on(5000);
  EXPECT_EQ(arrived(4999), "");
  EXPECT_EQ(arrived(5000), "1:0+1000");
  EXPECT_EQ(arrived(6000), "");
  EXPECT_TRUE(in_flight_.empty());
}

TEST_F(InFlightTest, EachPieceOfAWriteHasItsPlace) {
  in_flight_.handed_over({1, 0, 1000, false, false}, 1040);
  in_flight_.handed_over({1, 1000, 500, false, false}, 527);
  in_flight_.handed_over({1, 1500, 500, true, false}, 0);
  in_flight_.passed_on(5000);
  EXPECT_EQ(arrived(3959), "");
  EXPECT_EQ(arrived(3960), "1:0+1000");
  EXPECT_EQ(arrived(5000), "1:1000+1000!") << "what follows is booked with it";
}

TEST_F(InFlightTest, OneHandleDoesNotWaitForAnother) {
  in_flight_.handed_over({1, 0, 1000, false, false}, 0);
  in_flight_.passed_on(5000);
  in_flight_.handed_over({2, 0, 1000, false, false}, 0);
  in_flight_.passed_on(9000);
  EXPECT_EQ(arrived(5000), "1:0+1000");
  in_flight_.closed(1);
  EXPECT_EQ(arrived(9000), "2:0+1000");
}

TEST_F(InFlightTest, WhatACloseOvertakesIsNeverBooked) {
  in_flight_.handed_over({1, 0, 1000, false, false}, 1000);
  in_flight_.handed_over({1, 1000, 1000, false, false}, 0);
  in_flight_.passed_on(5000);
  EXPECT_EQ(arrived(4000), "1:0+1000");
  in_flight_.closed(1);
  EXPECT_EQ(arrived(5000), "");
  EXPECT_TRUE(in_flight_.empty());
}

class RepliesTest : public StreamTest {
 protected:
  void leave(std::size_t window) {
    ASSERT_OK(replies_.leave(window, *link_, in_flight_, [this](base::ByteView bytes) -> base::Result<void> {
      base::put_raw(sent_, bytes);
      return {};
    }));
  }

  Replies replies_;
  base::Bytes sent_;
  OpenFile notice_ = OpenFile::notice(std::string(1000, 'n'));
};

TEST_F(RepliesTest, ANoticeIsSentAndNeverBooked) {
  replies_.add_data(1, notice_, 10, 20);
  leave(10'000);
  EXPECT_EQ(sent_.size(), Replies::data_size(20));
  EXPECT_TRUE(replies_.empty());
  EXPECT_TRUE(in_flight_.empty());
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
