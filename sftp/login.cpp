#include "sftp/login.h"

#include <algorithm>
#include <utility>

#include "keys/challenge.h"
#include "keys/password.h"

namespace sftp {

namespace {

constexpr std::size_t kMaxAccount = 64;  // of ask::Login; longer names are no accounts
constexpr std::uint8_t kNoneOpened = 255;

// The identity that the password has under these terms, and the answer to its challenge.
struct Key {
  keys::Identity identity;
  base::SecretBytes answer;
};

base::Result<Key> try_terms(const keys::Password& password, std::string_view account, const say::Terms& terms) {
  const auto kind = keys::access_kind(terms.kind);
  if (!kind) return kind.error();
  auto identity = password.derive({terms.id, std::string(account), *kind, terms.not_before, terms.expires, terms.salt});
  if (!identity) return identity.error();
  auto answer = keys::answer_challenge(*identity, terms.sealed);
  if (!answer) return answer.error();
  if (answer->size() != keys::kChallengeAnswer) return base::Error{base::Fault::damaged, "challenge of another size"};
  return Key{std::move(*identity), std::move(*answer)};
}

}  // namespace

std::variant<LoggedIn, Refusal> log_in(Link& link, std::string_view account, base::ByteView typed) {
  account = account.substr(0, kMaxAccount);
  const auto asked = link.ask<say::Challenges>(ask::Login{std::string(account)});
  if (const auto* refusal = std::get_if<Refusal>(&asked)) return *refusal;

  ask::Answer answer{kNoneOpened, {}};
  std::optional<Key> key;
  if (const auto password = keys::Password::parse(typed)) {
    const auto& all = std::get<say::Challenges>(asked).terms;
    for (std::size_t i = 0; i < all.size(); ++i) {  // all of them, also when one has opened
      auto opened = try_terms(*password, account, all[i]);
      if (!opened) continue;
      answer.which = static_cast<std::uint8_t>(i);
      std::ranges::copy(opened->answer.reveal(), answer.proof.begin());
      key = std::move(*opened);
    }
  }
  auto granted = link.ask<say::Granted>(answer);
  base::wipe(std::span(answer.proof));
  if (const auto* refusal = std::get_if<Refusal>(&granted)) return *refusal;
  if (!key) return Refusal::wrong;  // the keeper cannot grant what was not answered
  return LoggedIn{std::move(std::get<say::Granted>(granted)), std::move(key->identity)};
}

}  // namespace sftp
