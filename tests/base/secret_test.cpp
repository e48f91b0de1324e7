#include "base/secret.h"

#include <algorithm>
#include <set>
#include <type_traits>
#include <vector>

#include "tests/testkit/expect.h"

namespace base {
namespace {

using testkit::must;

static_assert(!std::is_copy_constructible_v<SecretBytes> && !std::is_copy_assignable_v<SecretBytes>);
static_assert(!std::is_convertible_v<SecretBytes, std::string> && !std::is_constructible_v<std::string, SecretBytes>);

bool all_zero(ByteView bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{}; });
}

// What lies at an address that a secret has given back. Small secrets share pages that stay mapped until the process
// ends.
std::vector<std::byte> peek(const std::byte* at, std::size_t size) {
  const volatile std::byte* p = at;
  std::vector<std::byte> out;
  for (std::size_t i = 0; i < size; ++i) out.push_back(std::byte{p[i]});
  return out;
}

SecretBytes of(std::string_view text) { return must(SecretBytes::copy_of(as_bytes(text))); }

TEST(Secret, ZerosAreZeroAndRandomIsNot) {
  for (const std::size_t size : {1U, 32U, 64U, 65U, 4096U, 131072U}) {
    const auto zeros = must(SecretBytes::zeros(size));
    EXPECT_EQ(zeros.size(), size);
    EXPECT_TRUE(all_zero(zeros.reveal()));
  }
  for (const std::size_t size : {16U, 64U, 65U, 4096U}) {
    const auto a = must(SecretBytes::random(size));
    const auto b = must(SecretBytes::random(size));
    EXPECT_FALSE(all_zero(a.reveal()));
    EXPECT_FALSE(a == b);
  }
}

TEST(Secret, OfNothingIsEmpty) {
  EXPECT_TRUE(SecretBytes().empty());
  EXPECT_TRUE(must(SecretBytes::zeros(0)).empty());
  EXPECT_TRUE(SecretBytes() == must(SecretBytes::copy_of({})));
}

TEST(Secret, TakeWipesItsSource) {
  std::string source = "a passphrase";
  const auto secret = must(SecretBytes::take(std::span<char>(source)));
  EXPECT_EQ(source, std::string(12, '\0'));
  EXPECT_EQ(as_text(secret.reveal()), "a passphrase");
  Bytes bytes = to_bytes("bytes");
  EXPECT_EQ(as_text(must(SecretBytes::take(std::span<std::byte>(bytes))).reveal()), "bytes");
  EXPECT_TRUE(all_zero(bytes));
}

TEST(Secret, CopyOfLeavesItsSource) {
  const Bytes source = to_bytes("source");
  EXPECT_EQ(as_text(must(SecretBytes::copy_of(source)).reveal()), "source");
  EXPECT_EQ(as_text(source), "source");
}

TEST(Secret, IsWipedWhenItDies) {
  for (const std::size_t size : {1U, 16U, 33U, 64U}) {
    const std::byte* at = nullptr;
    {
      auto secret = must(SecretBytes::zeros(size));
      std::ranges::fill(secret.reveal_to_write(), std::byte{0xa5});
      at = secret.reveal().data();
      ASSERT_EQ(peek(at, size), std::vector<std::byte>(size, std::byte{0xa5})) << "peek sees it while it lives";
    }
    EXPECT_TRUE(all_zero(peek(at, size))) << size;
  }
}

TEST(Secret, IsWipedWhenAnotherIsMovedOverIt) {
  auto secret = of("the first secret");
  const std::byte* at = secret.reveal().data();
  secret = of("the second secret");
  EXPECT_TRUE(all_zero(peek(at, 16)));
  EXPECT_EQ(as_text(secret.reveal()), "the second secret");
}

TEST(Secret, AReusedCellShowsNothingOfTheLastSecret) {
  const std::byte* at = nullptr;
  {
    auto secret = must(SecretBytes::zeros(64));
    std::ranges::fill(secret.reveal_to_write(), std::byte{0x5a});
    at = secret.reveal().data();
  }
  const auto next = must(SecretBytes::zeros(8));
  ASSERT_EQ(next.reveal().data(), at) << "the pool hands out the cell that came back last";
  EXPECT_TRUE(all_zero(peek(at, 64)));
}

TEST(Secret, LivingSecretsNeverShareBytes) {
  std::vector<SecretBytes> living;
  std::set<const std::byte*> starts;
  for (int i = 0; i < 3000; ++i) {  // more than one page of the pool
    living.push_back(must(SecretBytes::zeros(64)));
    std::ranges::fill(living.back().reveal_to_write(), static_cast<std::byte>(i));
    starts.insert(living.back().reveal().data());
  }
  EXPECT_EQ(starts.size(), 3000U);
  for (auto a = starts.begin(), b = std::next(a); b != starts.end(); ++a, ++b) ASSERT_GE(*b - *a, 64);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(std::ranges::all_of(living[static_cast<std::size_t>(i)].reveal(),
                                    [i](std::byte b) { return b == static_cast<std::byte>(i); }));
  }
}

TEST(Secret, ShrinkWipesTheRest) {
  auto secret = of("0123456789abcdef");
  const std::byte* at = secret.reveal().data();
  secret.shrink(10);
  EXPECT_EQ(as_text(secret.reveal()), "0123456789");
  EXPECT_TRUE(all_zero(peek(at + 10, 6)));
  secret = SecretBytes();
  EXPECT_TRUE(all_zero(peek(at, 16))) << "all of it is wiped, not only what was left";
}

TEST(Secret, GrowingByShrinkEndsTheProcess) {
  auto secret = of("short");
  EXPECT_DEATH(secret.shrink(6), "");
}

TEST(Secret, MovingLeavesNothingBehind) {
  auto a = of("moved");
  const std::byte* at = a.reveal().data();
  SecretBytes b = std::move(a);
  EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): that is the claim
  EXPECT_EQ(b.reveal().data(), at) << "moved, not copied";
  auto& self = b;
  b = std::move(self);
  EXPECT_EQ(as_text(b.reveal()), "moved");
}

TEST(Secret, CloneIsASecondCopy) {
  auto a = of("twice");
  const auto b = must(a.clone());
  EXPECT_TRUE(a == b);
  a.reveal_to_write()[0] = std::byte{'T'};
  EXPECT_FALSE(a == b);
}

TEST(Secret, ComparesEveryByteAndTheSize) {
  for (const std::size_t size : {1U, 32U, 64U, 100U}) {
    const auto a = must(SecretBytes::random(size));
    EXPECT_TRUE(a == must(a.clone()));
    for (std::size_t i = 0; i < size; ++i) {
      auto b = must(a.clone());
      b.reveal_to_write()[i] ^= std::byte{0x80};
      EXPECT_FALSE(a == b) << i;
    }
    auto shorter = must(a.clone());
    shorter.shrink(size - 1);
    EXPECT_FALSE(a == shorter) << "a prefix is not equal";
    EXPECT_FALSE(a == SecretBytes());
  }
}

TEST(Secret, WipeClearsPlainMemory) {
  std::string text = "plain";
  wipe(std::span<char>(text));
  EXPECT_EQ(text, std::string(5, '\0'));
}

TEST(Secret, NothingCanBeWipedTakenAndFilled) {  // libsodium must not be handed a null pointer
  wipe(std::span<char>());
  wipe(std::span<std::byte>());
  EXPECT_TRUE(must(SecretBytes::take(std::span<char>())).empty());
  EXPECT_TRUE(random_bytes(0).empty());
}

TEST(Secret, RandomBytesDiffer) {
  EXPECT_EQ(random_bytes(20).size(), 20U);
  EXPECT_NE(random_bytes(20), random_bytes(20));
}

}  // namespace
}  // namespace base
