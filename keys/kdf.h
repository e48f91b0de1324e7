// KDF: SHA-256, HMAC-SHA256, HKDF-SHA256 (RFC 5869) through OpenSSL, scrypt (RFC 7914) through libsodium.
// One label per use, all listed here or in age's specification; no label is a prefix of another.
#pragma once

#include <array>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace keys {

using Sha256 = std::array<std::byte, 32>;

Sha256 sha256(base::ByteView data);

class Sha256Stream {  // not thread-safe
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;
  void update(base::ByteView data);
  Sha256 finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Sha256 hmac_sha256(const base::SecretBytes& key, base::ByteView data);

// `info` is the label, with length-prefixed fields behind it where the use has some.
base::Result<base::SecretBytes> hkdf_sha256(base::ByteView ikm, base::ByteView salt, base::ByteView info,
                                            std::size_t size);

// N = 2^log_n, r = 8, p = 1. Fault::usage when log_n is 0 or over 20: refused before memory is taken (1 GiB at 20).
base::Result<base::SecretBytes> scrypt(const base::SecretBytes& passphrase, base::ByteView salt, unsigned log_n,
                                       std::size_t size);

namespace label {
constexpr std::string_view kAccess = "callvault/v1/access";  // password -> X25519 secret of an access
constexpr std::string_view kHeader = "callvault/v1/header";  // erase secrets -> key of a sealed header row; its ad
constexpr std::string_view kCommit = "callvault/v1/commit";  // file key -> commitment in the ingest record
constexpr std::string_view kChallenge = "callvault/v1/challenge";  // log-in challenge
constexpr std::string_view kEntry = "callvault/v1/entry";          // sealed folder entries of an access
constexpr std::string_view kDetails = "callvault/v1/details";      // sealed audit details of a month
constexpr std::string_view kDuplicate = "callvault/v1/duplicate";  // service seed -> key that recognises a source file
}  // namespace label

}  // namespace keys
