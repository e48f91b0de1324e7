// Password of an access: made by us, never chosen. 15 random bytes as 24 Crockford base32 symbols and 1 check symbol,
// shown as XXXXX-XXXXX-XXXXX-XXXXX-XXXXX. What people type is forgiven: case, dashes and spaces, O for 0, I and L
// for 1. The password *is* a key: there is nothing to look up and no hash to steal.
#pragma once

#include <string>

#include "base/clock.h"
#include "keys/identity.h"

namespace keys {

enum class AccessKind { delivery, grant, standing };
std::string_view name_of(AccessKind kind);
base::Result<AccessKind> access_kind(std::string_view name);

// What a password is bound to. Change one field and the password opens nothing.
struct AccessTerms {
  std::string id;
  std::string account;
  AccessKind kind = AccessKind::delivery;
  base::Seconds not_before = 0;
  base::Seconds expires = 0;
  base::Bytes salt;  // 32 random bytes
};

class Password {
 public:
  static base::Result<Password> generate();
  // Fault::denied for anything that is not a password, without any derivation: wrong length, symbol or check symbol,
  // more than 64 bytes.
  static base::Result<Password> parse(base::ByteView typed);

  base::Result<base::SecretBytes> text() const;  // 29 characters, to be shown once
  // HKDF-SHA256(15 bytes, salt, "callvault/v1/access" || length-prefixed id, account, kind, not-before, expires).
  base::Result<Identity> derive(const AccessTerms& terms) const;

 private:
  explicit Password(base::SecretBytes bytes) : bytes_(std::move(bytes)) {}
  base::SecretBytes bytes_;  // 15
};

}  // namespace keys
