// Login: account and password -> claim. The keeper sends as many challenges for an unknown account as for a known one,
// and the session derives and tries all of them, so that no name is told from another by its cost. The password itself
// never leaves this process.
#pragma once

#include <string_view>
#include <variant>

#include "keys/identity.h"
#include "sftp/link.h"

namespace sftp {

struct LoggedIn {
  say::Granted granted;
  keys::Identity identity;  // of the access; opens its headers and folder entries
};

// `typed` is whatever came over the network; the caller wipes it. Refusal::wrong tells nothing more on purpose; the
// other refusals are given for the right password only. A text that is no password is refused without a derivation.
std::variant<LoggedIn, Refusal> log_in(Link& link, std::string_view account, base::ByteView typed);

}  // namespace sftp
