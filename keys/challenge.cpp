#include "keys/challenge.h"

#include "keys/kdf.h"

namespace keys {
namespace {

// The answer is derived, not the file key itself: a session that answers whatever it is sent never gives a file key
// away.
base::Result<base::SecretBytes> answer_of(const base::SecretBytes& file_key) {
  return hkdf_sha256(file_key.reveal(), {}, base::as_bytes(label::kChallenge), kChallengeAnswer);
}

}  // namespace

base::Result<Challenge> make_challenge(const Recipient& recipient) {
  const auto file_key = base::SecretBytes::random(kFileKey);
  if (!file_key) return file_key.error();
  auto sealed = header_for(recipient, *file_key);
  if (!sealed) return sealed.error();
  auto answer = answer_of(*file_key);
  if (!answer) return answer.error();
  return Challenge{std::move(*sealed), std::move(*answer)};
}

// Made once. A stored recipient was checked when it was read, which costs as much as a challenge and is no part of it.
base::Result<Challenge> make_dummy_challenge() {
  static const auto nobody = [] {
    base::Bytes key = base::random_bytes(32);
    key[31] &= std::byte{0x7f};
    return Recipient::from_key(key);
  }();
  if (!nobody) return nobody.error();
  return make_challenge(*nobody);
}

base::Result<base::SecretBytes> answer_challenge(const Identity& identity, base::ByteView sealed) {
  const auto file_key = identity.unwrap_one(sealed);
  if (!file_key) return file_key.error();
  return answer_of(*file_key);
}

}  // namespace keys
