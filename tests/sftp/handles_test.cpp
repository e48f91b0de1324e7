#include "sftp/handles.h"

#include <set>

#include "tests/testkit/expect.h"

namespace sftp {
namespace {

using base::as_bytes;

TEST(Handles, FindTheKeyOfAnOpenHandle) {
  Handles handles(4);
  const auto a = testkit::must(handles.open(HandleKind::file, 7));
  const auto b = testkit::must(handles.open(HandleKind::folder, 8));
  EXPECT_NE(a, b);
  EXPECT_EQ(handles.find(as_bytes(a), HandleKind::file), 7U);
  EXPECT_EQ(handles.find(as_bytes(b), HandleKind::folder), 8U);
  EXPECT_EQ(handles.count(), 2U);
}

TEST(Handles, OfTheOtherKindAreNotFound) {
  Handles handles(4);
  const auto file = testkit::must(handles.open(HandleKind::file, 7));
  const auto folder = testkit::must(handles.open(HandleKind::folder, 7));
  EXPECT_FALSE(handles.find(as_bytes(file), HandleKind::folder));
  EXPECT_FALSE(handles.find(as_bytes(folder), HandleKind::file));
}

TEST(Handles, ThatWereNeverGivenAreNotFound) {
  Handles handles(400);
  for (std::uint64_t key = 0; key < 256; ++key) testkit::must(handles.open(HandleKind::file, key));
  for (std::uint32_t guess = 0; guess <= 300; ++guess) {
    base::Bytes number;
    base::put_u32(number, guess);
    EXPECT_FALSE(handles.find(number, HandleKind::file)) << guess;
    EXPECT_FALSE(handles.find(as_bytes(std::to_string(guess)), HandleKind::file)) << guess;
  }
  EXPECT_FALSE(handles.find(base::Bytes(4, std::byte{0xff}), HandleKind::file));
  EXPECT_FALSE(handles.find(base::Bytes(16), HandleKind::file));
}

TEST(Handles, OfAWrongLengthAreNotFound) {
  Handles handles(4);
  const auto handle = testkit::must(handles.open(HandleKind::file, 7));
  for (std::size_t size = 0; size < handle.size(); ++size)
    EXPECT_FALSE(handles.find(as_bytes(handle).first(size), HandleKind::file)) << size;
  EXPECT_FALSE(handles.find(as_bytes(handle + '\0'), HandleKind::file));
  EXPECT_FALSE(handles.close(as_bytes(handle + handle)));
  EXPECT_EQ(handles.count(), 1U);
}

TEST(Handles, AreGoneWhenClosed) {
  Handles handles(4);
  const auto handle = testkit::must(handles.open(HandleKind::folder, 7));
  const auto closed = handles.close(as_bytes(handle));
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->kind, HandleKind::folder);
  EXPECT_EQ(closed->key, 7U);
  EXPECT_FALSE(handles.find(as_bytes(handle), HandleKind::folder));
  EXPECT_FALSE(handles.close(as_bytes(handle)));
  EXPECT_EQ(handles.count(), 0U);
}

TEST(Handles, OfAnotherConnectionAreNotFound) {
  Handles one(4), other(4);
  const auto handle = testkit::must(one.open(HandleKind::file, 7));
  EXPECT_FALSE(other.find(as_bytes(handle), HandleKind::file));
}

TEST(Handles, AreRefusedAtTheLimitUntilOneIsClosed) {
  Handles handles(2);
  const auto first = testkit::must(handles.open(HandleKind::file, 1));
  EXPECT_OK(handles.open(HandleKind::folder, 2));
  EXPECT_FAULT(base::Fault::busy, handles.open(HandleKind::file, 3));
  EXPECT_EQ(handles.count(), 2U);
  EXPECT_TRUE(handles.close(as_bytes(first)));
  EXPECT_OK(handles.open(HandleKind::file, 3));
}

TEST(Handles, AreNeverReused) {
  Handles handles(1);
  std::set<std::string> seen;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const auto handle = testkit::must(handles.open(HandleKind::file, i));
    EXPECT_TRUE(seen.insert(handle).second) << "open " << i;
    EXPECT_TRUE(handles.close(as_bytes(handle)));
  }
}

}  // namespace
}  // namespace sftp
