#include "keys/challenge.h"

#include <set>

#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"

namespace {

using base::Fault;
using testkit::must;

TEST(Challenge, TheRightIdentityAnswers) {
  const auto identity = must(keys::Identity::generate());
  const auto challenge = must(keys::make_challenge(identity.recipient()));
  const auto answer = must(keys::answer_challenge(identity, challenge.sealed));
  EXPECT_EQ(answer.size(), keys::kChallengeAnswer);
  EXPECT_TRUE(answer == challenge.answer);
}

TEST(Challenge, AnotherIdentityIsDenied) {
  const auto challenge = must(keys::make_challenge(must(keys::Identity::generate()).recipient()));
  EXPECT_FAULT(Fault::denied, keys::answer_challenge(must(keys::Identity::generate()), challenge.sealed));
}

TEST(Challenge, EachHasANewAnswer) {
  const auto identity = must(keys::Identity::generate());
  std::set<std::string> answers;
  for (int i = 0; i < 50; ++i)
    EXPECT_TRUE(answers.insert(testkit::shown(must(keys::make_challenge(identity.recipient())).answer)).second);
}

TEST(Challenge, ADummyLooksTheSameAndNobodyAnswersIt) {
  const auto identity = must(keys::Identity::generate());
  const auto real = must(keys::make_challenge(identity.recipient()));
  for (int i = 0; i < 50; ++i) {
    const auto dummy = must(keys::make_dummy_challenge());
    EXPECT_EQ(dummy.sealed.size(), real.sealed.size());
    EXPECT_EQ(dummy.answer.size(), real.answer.size());
    EXPECT_FAULT(Fault::denied, keys::answer_challenge(identity, dummy.sealed));
  }
}

TEST(Challenge, AnsweringTheHeaderOfARecordingDoesNotGiveItsFileKey) {
  const auto identity = must(keys::Identity::generate());
  const auto file_key = testkit::secret_of(16, 5);
  const auto header = must(keys::header_for(identity.recipient(), file_key));
  const auto answer = must(keys::answer_challenge(identity, header));
  EXPECT_EQ(testkit::shown(answer).find(testkit::shown(file_key)), std::string::npos);
  EXPECT_EQ(base::hex(answer.reveal()),
            "f87b82db67f61b960a3e1a04bf84732d025cf795a15227e85362d6b490ed610e");  // docs/format.md
}

TEST(Challenge, DamagedOnesAreRefused) {
  const auto identity = must(keys::Identity::generate());
  const auto challenge = must(keys::make_challenge(identity.recipient()));
  EXPECT_FAULT(Fault::damaged, keys::answer_challenge(identity, {}));
  EXPECT_FAULT(Fault::damaged, keys::answer_challenge(identity, base::ByteView(challenge.sealed).first(167)));
  EXPECT_FAULT(Fault::damaged, keys::answer_challenge(identity, base::concat({challenge.sealed, base::Bytes(1)})));
  for (std::size_t bit = 0; bit < challenge.sealed.size() * 8; bit += 3) {
    base::Bytes bad = challenge.sealed;
    bad[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    EXPECT_FALSE(keys::answer_challenge(identity, bad)) << bit;
  }
}

}  // namespace
