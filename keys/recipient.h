// Recipient: the public side of a key that opens headers. X25519 as in age v1 (https://c2sp.org/age).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "keys/age_header.h"

namespace keys {

class Recipient {
 public:
  static base::Result<Recipient> parse(std::string_view age1);  // "age1..."; Fault::usage
  static base::Result<Recipient> from_key(base::ByteView key);  // 32 bytes; refuses low-order and non-canonical points
  std::string text() const;                                     // "age1..."
  base::ByteView key() const { return key_; }

  base::Result<Stanza> wrap(const base::SecretBytes& file_key) const;  // an "X25519" stanza with a fresh ephemeral key
  friend bool operator==(const Recipient&, const Recipient&) = default;

 private:
  explicit Recipient(const std::array<std::byte, 32>& key) : key_(key) {}
  std::array<std::byte, 32> key_;
};

// A complete header with exactly one stanza, for this recipient: kOneX25519Header bytes.
base::Result<base::Bytes> header_for(const Recipient& recipient, const base::SecretBytes& file_key);

// A whole small age file (header with a stanza for each recipient, then the payload).
base::Result<base::Bytes> seal_to(const std::vector<Recipient>& recipients, base::ByteView plain);

// The stanza of a passphrase: scrypt with 16 random bytes of salt and the given work factor (18 in production).
base::Result<Stanza> wrap_with_passphrase(const base::SecretBytes& passphrase, const base::SecretBytes& file_key,
                                          unsigned log_n);

// The keys that stanza bodies are sealed under, for both sides.
// X25519: `scalar` times `point` is the shared secret (ephemeral key and recipient, or identity and share).
// Fault::damaged when the point is not canonical or of low order.
base::Result<base::SecretBytes> x25519_stanza_key(const base::SecretBytes& scalar, base::ByteView point,
                                                  base::ByteView share, base::ByteView recipient);
// scrypt: faults of keys::scrypt.
base::Result<base::SecretBytes> scrypt_stanza_key(const base::SecretBytes& passphrase, base::ByteView salt,
                                                  unsigned log_n);

}  // namespace keys
