#include "sftp/messages.h"

#include <limits>
#include <set>

#include "tests/testkit/expect.h"

namespace sftp {
namespace {

using base::Bytes;
using base::Fault;
using base::to_bytes;

constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
constexpr auto kMax64 = std::numeric_limits<std::uint64_t>::max();
constexpr auto kMax32 = std::numeric_limits<std::uint32_t>::max();

say::Terms some_terms() {
  return {"access-1", "delivery", kMin, 1795339815, Bytes(32, std::byte{1}), Bytes(112, std::byte{2})};
}

say::Challenges some_challenges(std::size_t count = kChallenges) {
  return {std::vector<say::Terms>(count, some_terms())};
}

std::vector<Ask> every_ask() {
  ask::Answer answer{7, {}};
  answer.proof.fill(std::byte{0xaa});
  return {ask::Login{"acme"},
          answer,
          ask::List{3},
          ask::Open{kMax32},
          ask::Book{1, kMax64, kMax32, true, true},
          ask::Close{5, true},
          ask::Remove{6},
          ask::End{true},
          ask::Key{"pbx-1", Bytes(51, std::byte{4}), true},
          ask::Upload{},
          ask::Append{1, to_bytes("RIFF")},
          ask::Hold{2, "2026/a.wav"},
          ask::Drop{kMax32},
          ask::Move{"a.part", "a.wav"},
          ask::Forget{"a.part"},
          ask::Look{"a.wav"}};
}

std::vector<Say> every_say() {
  return {some_challenges(),
          say::Granted{"access-1", "delivery", 2, 1795339815, true, "callvault\n12\nroot\n", 1795339816},
          say::Refused{Refusal::wrong},
          say::Entries{9, {{0, false, to_bytes("sealed")}, {1, true, {}}}},
          say::Opened{4, "rec-1", to_bytes("age-encryption.org/v1\n"), Bytes(32, std::byte{3}), kMax64},
          say::Done{true},
          say::Cut{Refusal::failed},
          say::Accepted{},
          say::Uploading{kMax32},
          say::Known{kMax64}};
}

template <class Variant>
struct Side;
template <>
struct Side<Ask> {
  static std::vector<Ask> every() { return every_ask(); }
  static base::Result<Ask> decode(base::ByteView packet) { return decode_ask(packet); }
};
template <>
struct Side<Say> {
  static std::vector<Say> every() { return every_say(); }
  static base::Result<Say> decode(base::ByteView packet) { return decode_say(packet); }
};

template <class Variant>
class Messages : public testing::Test {};
using BothSides = testing::Types<Ask, Say>;
TYPED_TEST_SUITE(Messages, BothSides);

TYPED_TEST(Messages, AreAllTestedHere) {
  std::set<std::size_t> places;
  for (const auto& message : Side<TypeParam>::every()) places.insert(message.index());
  EXPECT_EQ(places.size(), std::variant_size_v<TypeParam>);
}

TYPED_TEST(Messages, ComeBackAsTheyWere) {
  for (const auto& message : Side<TypeParam>::every()) {
    const Bytes packet = encode(message);
    const auto again = testkit::must(Side<TypeParam>::decode(packet));
    EXPECT_EQ(again.index(), message.index());
    EXPECT_EQ(encode(again), packet) << "message " << message.index();
  }
}

TYPED_TEST(Messages, CutAtAnyByteAreDamaged) {
  for (const auto& message : Side<TypeParam>::every()) {
    const Bytes packet = encode(message);
    for (std::size_t size = 0; size < packet.size(); ++size)
      EXPECT_FAULT(Fault::damaged, Side<TypeParam>::decode(base::ByteView(packet).first(size)))
          << "message " << message.index() << " cut to " << size;
  }
}

TYPED_TEST(Messages, ExtendedByAByteAreDamaged) {
  for (const auto& message : Side<TypeParam>::every())
    for (const char* more : {"x", "\x01"})
      EXPECT_FAULT(Fault::damaged, Side<TypeParam>::decode(base::concat({encode(message), base::as_bytes(more)})))
          << "message " << message.index();
}

TYPED_TEST(Messages, OfUnknownTypesAreDamaged) {
  std::set<int> known;
  for (const auto& message : Side<TypeParam>::every()) known.insert(static_cast<int>(encode(message).front()));
  for (int type = 0; type < 256; ++type) {
    if (known.contains(type)) continue;
    for (const auto& message : Side<TypeParam>::every()) {
      Bytes packet = encode(message);
      packet.front() = static_cast<std::byte>(type);
      EXPECT_FAULT(Fault::damaged, Side<TypeParam>::decode(packet)) << "type " << type;
    }
  }
}

TYPED_TEST(Messages, LongerThanAPacketAreDamaged) {
  for (const auto& message : Side<TypeParam>::every()) {
    Bytes packet = encode(message);
    packet.resize(kMaxMessage + 1);
    EXPECT_FAULT(Fault::damaged, Side<TypeParam>::decode(packet));
  }
}

TYPED_TEST(Messages, WithAFlippedByteAreDamagedOrAnotherMessage) {
  for (const auto& message : Side<TypeParam>::every()) {
    const Bytes whole = encode(message);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      Bytes packet = whole;
      packet[at] ^= std::byte{0x80};
      const auto decoded = Side<TypeParam>::decode(packet);
      EXPECT_TRUE(decoded ? encode(*decoded) == packet : decoded.error().fault == Fault::damaged) << at;
    }
  }
}

TEST(Ask, IsNotASay) {
  for (const Ask& message : every_ask()) EXPECT_FAULT(Fault::damaged, decode_say(encode(message)));
  for (const Say& message : every_say()) EXPECT_FAULT(Fault::damaged, decode_ask(encode(message)));
}

TEST(Ask, FieldsAreKept) {
  EXPECT_EQ(std::get<ask::Login>(testkit::must(decode_ask(encode(ask::Login{std::string("a\0\xff", 3)})))).account,
            std::string("a\0\xff", 3));
  const auto book = std::get<ask::Book>(testkit::must(decode_ask(encode(ask::Book{1, 2, 3, false, true}))));
  EXPECT_EQ(book.handle, 1U);
  EXPECT_EQ(book.offset, 2U);
  EXPECT_EQ(book.length, 3U);
  const auto answer = std::get<ask::Answer>(testkit::must(decode_ask(encode(every_ask()[1]))));
  EXPECT_EQ(answer.which, 7);
  EXPECT_EQ(answer.proof[31], std::byte{0xaa});
  EXPECT_FALSE(std::get<ask::End>(testkit::must(decode_ask(encode(ask::End{false})))).orderly);
}

TEST(Ask, LoginOfAnOversizedAccountIsDamaged) {
  EXPECT_OK(decode_ask(encode(ask::Login{std::string(64, 'a')})));
  EXPECT_FAULT(Fault::damaged, decode_ask(encode(ask::Login{std::string(65, 'a')})));
}

TEST(Ask, LoginWhoseStringIsLongerThanThePacketIsDamaged) {
  for (const std::uint32_t length : {5U, 64U, 1U << 28, kMax32}) {
    Bytes packet{encode(ask::Login{}).front()};
    base::put_u32(packet, length);
    base::put_raw(packet, base::as_bytes("acme"));
    EXPECT_FAULT(Fault::damaged, decode_ask(packet)) << length;
  }
}

TEST(Ask, AnUploadsMessagesHaveTheirLimits) {
  EXPECT_OK(decode_ask(encode(ask::Key{std::string(64, 'a'), Bytes(2112), false})));
  EXPECT_FAULT(Fault::damaged, decode_ask(encode(ask::Key{std::string(65, 'a'), {}, false})));
  EXPECT_FAULT(Fault::damaged, decode_ask(encode(ask::Key{"a", Bytes(2113), false})));
  EXPECT_OK(decode_ask(encode(ask::Append{1, Bytes(kMaxAppend)})));
  EXPECT_FAULT(Fault::damaged, decode_ask(encode(ask::Append{1, Bytes(kMaxAppend + 1)})));
  EXPECT_OK(decode_ask(encode(ask::Hold{1, std::string(4096, 'a')})));
  EXPECT_FAULT(Fault::damaged, decode_ask(encode(ask::Hold{1, std::string(4097, 'a')})));
}

TEST(Ask, AnswerNamesAChallengeOrNone) {
  for (int which = 0; which < 256; ++which) {
    const auto decoded = decode_ask(encode(ask::Answer{static_cast<std::uint8_t>(which), {}}));
    EXPECT_EQ(static_cast<bool>(decoded), which < 8 || which == 255) << which;
  }
}

TEST(Ask, FlagIsZeroOrOne) {
  Bytes packet = encode(ask::End{true});
  packet.back() = std::byte{2};
  EXPECT_FAULT(Fault::damaged, decode_ask(packet));
}

TEST(Say, FieldsAreKept) {
  const auto challenges = std::get<say::Challenges>(testkit::must(decode_say(encode(some_challenges()))));
  ASSERT_EQ(challenges.terms.size(), kChallenges);
  EXPECT_EQ(challenges.terms[7].id, "access-1");
  EXPECT_EQ(challenges.terms[7].kind, "delivery");
  EXPECT_EQ(challenges.terms[7].not_before, kMin);
  EXPECT_EQ(challenges.terms[7].expires, 1795339815);
  EXPECT_EQ(challenges.terms[7].sealed.size(), 112U);
  const auto opened = std::get<say::Opened>(testkit::must(decode_say(encode(every_say()[4]))));
  EXPECT_EQ(opened.recording, "rec-1");
  EXPECT_EQ(base::to_text(opened.header), "age-encryption.org/v1\n");
  EXPECT_EQ(opened.size, kMax64);
  const auto entries = std::get<say::Entries>(testkit::must(decode_say(encode(every_say()[3]))));
  EXPECT_EQ(entries.total, 9U);
  ASSERT_EQ(entries.entries.size(), 2U);
  EXPECT_EQ(base::to_text(entries.entries[0].sealed), "sealed");
  EXPECT_TRUE(entries.entries[1].gone);
}

TEST(Say, ChallengesAreAlwaysEight) {
  for (const std::size_t count : {0U, 1U, 7U, 9U})
    EXPECT_FAULT(Fault::damaged, decode_say(encode(some_challenges(count)))) << count;
}

TEST(Say, ListOfMoreThanThereIsIsDamaged) {
  Bytes packet{encode(say::Entries{}).front()};
  base::put_u32(packet, 1);
  base::put_u32(packet, kMax32);
  EXPECT_FAULT(Fault::damaged, decode_say(packet));
  packet.resize(kMaxMessage);
  EXPECT_FAULT(Fault::damaged, decode_say(packet));
}

TEST(Say, RefusalIsOneOfThoseThatExist) {
  for (int why = 0; why < 256; ++why) {
    const auto decoded = decode_say(encode(say::Refused{static_cast<Refusal>(why)}));
    EXPECT_EQ(static_cast<bool>(decoded), why >= 1 && why <= 16) << why;
  }
}

TEST(Say, OversizedStringsAreDamaged) {
  say::Challenges challenges = some_challenges();
  challenges.terms[0].id = std::string(65, 'x');
  EXPECT_FAULT(Fault::damaged, decode_say(encode(challenges)));
  challenges = some_challenges();
  challenges.terms[3].kind = std::string(17, 'x');
  EXPECT_FAULT(Fault::damaged, decode_say(encode(challenges)));
  challenges = some_challenges();
  challenges.terms[7].salt = Bytes(257);
  EXPECT_FAULT(Fault::damaged, decode_say(encode(challenges)));
  challenges = some_challenges();
  challenges.terms[7].sealed = Bytes(257);
  EXPECT_FAULT(Fault::damaged, decode_say(encode(challenges)));
  EXPECT_FAULT(Fault::damaged, decode_say(encode(say::Granted{std::string(65, 'x'), "delivery", 1, 1, false, "", 1})));
  EXPECT_FAULT(Fault::damaged,
               decode_say(encode(say::Granted{"a", "delivery", 1, 1, false, std::string(8193, 'x'), 1})));
  EXPECT_FAULT(Fault::damaged, decode_say(encode(say::Entries{1, {{0, false, Bytes(4097)}}})));
  EXPECT_FAULT(Fault::damaged, decode_say(encode(say::Opened{1, std::string(65, 'x'), {}, {}, 1})));
  EXPECT_FAULT(Fault::damaged, decode_say(encode(say::Opened{1, "r", Bytes(4097), {}, 1})));
  EXPECT_FAULT(Fault::damaged, decode_say(encode(say::Opened{1, "r", {}, Bytes(257), 1})));
}

TEST(RefusalWords, AreThereForEachAndDiffer) {
  std::set<std::string_view> seen;
  for (int why = 1; why <= 16; ++why) EXPECT_TRUE(seen.insert(words(static_cast<Refusal>(why))).second) << why;
  EXPECT_FALSE(seen.contains(words(static_cast<Refusal>(17))));
  EXPECT_TRUE(words(Refusal::gone).starts_with("already downloaded"));
}

}  // namespace
}  // namespace sftp
