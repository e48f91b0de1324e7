// Challenge: the log-in proof. The keeper sends a detached header to an access's public key, for a fresh random key;
// only who derived the secret half from the password can give back the answer, which is derived from that key: a
// session that answers whatever it is sent gives no file key away. A dummy is sealed to a key of nobody's, and
// looks and costs the same.
#pragma once

#include "keys/identity.h"

namespace keys {

constexpr std::size_t kChallengeAnswer = 32;

struct Challenge {
  base::Bytes sealed;        // goes to the session; the same size for every challenge
  base::SecretBytes answer;  // stays with the keeper; compare with SecretBytes ==
};

base::Result<Challenge> make_challenge(const Recipient& recipient);
base::Result<Challenge> make_dummy_challenge();
// Fault::denied when the identity is not the one, Fault::damaged when `sealed` is no challenge.
base::Result<base::SecretBytes> answer_challenge(const Identity& identity, base::ByteView sealed);

}  // namespace keys
