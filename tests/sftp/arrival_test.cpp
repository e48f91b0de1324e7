#include "sftp/arrival.h"

#include <algorithm>
#include <random>

#include "tests/testkit/expect.h"

namespace sftp {
namespace {

using base::Bytes;
using Verdict = Arrival::Verdict;

class ArrivalTest : public testing::Test {
 protected:
  Verdict add(std::uint64_t offset, std::string_view text) { return add(offset, base::as_bytes(text)); }
  Verdict add(std::uint64_t offset, base::ByteView bytes) {
    return arrival.add(offset, bytes, [this](base::ByteView part) {
      base::put_raw(taken, part);
      return takes;
    });
  }
  std::string text() const { return base::to_text(taken); }

  Arrival arrival;
  Bytes taken;
  bool takes = true;
};

TEST_F(ArrivalTest, InOrderGoesThrough) {
  EXPECT_EQ(add(0, "one "), Verdict::fine);
  EXPECT_EQ(add(4, "two"), Verdict::fine);
  EXPECT_EQ(text(), "one two");
  EXPECT_EQ(arrival.size(), 7u);
  EXPECT_FALSE(arrival.has_gap());
}

TEST_F(ArrivalTest, WhatComesEarlyWaitsForItsTurn) {
  EXPECT_EQ(add(8, "three"), Verdict::fine);
  EXPECT_EQ(add(4, "two "), Verdict::fine);
  EXPECT_EQ(text(), "");
  EXPECT_TRUE(arrival.has_gap());
  EXPECT_EQ(add(0, "one "), Verdict::fine);
  EXPECT_EQ(text(), "one two three");
  EXPECT_FALSE(arrival.has_gap());
}

TEST_F(ArrivalTest, NothingIsWrittenTwice) {
  EXPECT_EQ(add(0, "abcd"), Verdict::fine);
  EXPECT_EQ(add(0, "abcd"), Verdict::again);
  EXPECT_EQ(add(3, "dx"), Verdict::again);
  EXPECT_EQ(add(10, "klmn"), Verdict::fine);
  EXPECT_EQ(add(10, "klmn"), Verdict::again);
  EXPECT_EQ(add(13, "no"), Verdict::again);
  EXPECT_EQ(add(8, "ijk"), Verdict::again);
  EXPECT_EQ(add(4, "efghijklmnop"), Verdict::again) << "over all of what waits";
  EXPECT_EQ(text(), "abcd");
}

TEST_F(ArrivalTest, TheWindowEndsFourMebibytesAhead) {
  EXPECT_EQ(add(0, "x"), Verdict::fine);
  EXPECT_EQ(add(Arrival::kWindow, "y"), Verdict::fine) << "its last byte";
  EXPECT_EQ(add(Arrival::kWindow + 1, "z"), Verdict::too_far);
  EXPECT_EQ(add(Arrival::kWindow - 1, base::Bytes(2)), Verdict::again);
  EXPECT_EQ(add(Arrival::kWindow - 1, base::Bytes(3)), Verdict::too_far);
  EXPECT_EQ(add(~std::uint64_t{0}, "z"), Verdict::too_far);
  EXPECT_EQ(add(~std::uint64_t{0} - 1, base::Bytes(100)), Verdict::too_far) << "no sum overflows";
}

TEST_F(ArrivalTest, AnEmptyPieceIsNothing) {
  EXPECT_EQ(add(77, ""), Verdict::fine);
  EXPECT_FALSE(arrival.has_gap());
  EXPECT_EQ(arrival.size(), 0u);
}

TEST_F(ArrivalTest, ANoOfTheTakerIsTold) {
  EXPECT_EQ(add(4, "late"), Verdict::fine);
  takes = false;
  EXPECT_EQ(add(0, "earl"), Verdict::failed);
}

TEST_F(ArrivalTest, AnyOrderGivesTheSameBytes) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    arrival = Arrival();
    taken.clear();
    Bytes whole(1 + random() % 200'000);
    for (std::byte& b : whole) b = static_cast<std::byte>(random());
    std::vector<std::pair<std::size_t, std::size_t>> pieces;
    for (std::size_t at = 0; at < whole.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 40'000, whole.size() - at);
      pieces.emplace_back(at, size);
      at += size;
    }
    std::ranges::shuffle(pieces, random);
    for (const auto& [at, size] : pieces)
      ASSERT_EQ(add(at, base::ByteView(whole).subspan(at, size)), Verdict::fine) << "round " << round;
    ASSERT_EQ(taken, whole) << "round " << round;
    ASSERT_FALSE(arrival.has_gap());
  }
}

}  // namespace
}  // namespace sftp
