#include "keys/recipient.h"

#include <sodium.h>

#include <algorithm>

#include "keys/aead.h"
#include "keys/age_stream.h"
#include "keys/bech32.h"
#include "keys/kdf.h"

namespace keys {
namespace {

using base::ByteView;
using base::Error;
using base::Fault;
using base::SecretBytes;

constexpr std::string_view kX25519Label = "age-encryption.org/v1/X25519";
constexpr std::string_view kScryptLabel = "age-encryption.org/v1/scrypt";
constexpr std::size_t kScryptSalt = 16;

// Little-endian, below 2^255 - 19.
bool canonical(ByteView point) {
  const auto high = static_cast<unsigned>(point[31]);
  if (high != 0x7f) return high < 0x7f;
  const auto middle = point.subspan(1, 30);
  if (std::any_of(middle.begin(), middle.end(), [](std::byte b) { return b != std::byte{0xff}; })) return true;
  return static_cast<unsigned>(point[0]) < 0xed;
}

base::Result<SecretBytes> x25519(const SecretBytes& scalar, ByteView point) {
  const Error bad{Fault::damaged, "not an X25519 public key"};
  if (point.size() != 32 || !canonical(point)) return bad;
  auto shared = SecretBytes::zeros(32);
  if (!shared) return shared;
  const auto bytes = [](ByteView v) { return reinterpret_cast<const unsigned char*>(v.data()); };
  auto* out = reinterpret_cast<unsigned char*>(shared->reveal_to_write().data());
  if (crypto_scalarmult(out, bytes(scalar.reveal()), bytes(point)) != 0) return bad;  // low order
  return shared;
}

}  // namespace

base::Result<SecretBytes> x25519_stanza_key(const SecretBytes& scalar, ByteView point, ByteView share,
                                            ByteView recipient) {
  const auto shared = x25519(scalar, point);
  if (!shared) return shared.error();
  return hkdf_sha256(shared->reveal(), base::concat({share, recipient}), base::as_bytes(kX25519Label), kAeadKey);
}

base::Result<SecretBytes> scrypt_stanza_key(const SecretBytes& passphrase, ByteView salt, unsigned log_n) {
  return scrypt(passphrase, base::concat({base::as_bytes(kScryptLabel), salt}), log_n, kAeadKey);
}

base::Result<Recipient> Recipient::parse(std::string_view age1) {
  const Error bad{Fault::usage, "not an age recipient (age1...)"};
  if (!age1.starts_with("age1")) return bad;
  const auto decoded = bech32_decode(base::as_bytes(age1));
  if (!decoded || decoded->prefix != "age") return bad;
  auto recipient = from_key(decoded->data.reveal());
  if (!recipient) return bad;
  return recipient;
}

base::Result<Recipient> Recipient::from_key(ByteView key) {
  const auto any = SecretBytes::random(32);
  if (!any) return any.error();
  if (const auto r = x25519(*any, key); !r) return r.error();
  std::array<std::byte, 32> bytes;
  std::copy(key.begin(), key.end(), bytes.begin());
  return Recipient(bytes);
}

std::string Recipient::text() const { return bech32_encode("age", key_); }

base::Result<Stanza> Recipient::wrap(const SecretBytes& file_key) const {
  const auto ephemeral = SecretBytes::random(32);
  if (!ephemeral) return ephemeral.error();
  std::array<std::byte, 32> share;
  if (crypto_scalarmult_base(reinterpret_cast<unsigned char*>(share.data()),
                             reinterpret_cast<const unsigned char*>(ephemeral->reveal().data())) != 0)
    return Error{Fault::failed, "cannot make an ephemeral key"};
  const auto key = x25519_stanza_key(*ephemeral, key_, share, key_);
  if (!key) return key.error();
  auto body = chacha_seal(*key, kZeroNonce, {}, file_key.reveal());
  if (!body) return body.error();
  return Stanza{{"X25519", base::base64(share, base::Padding::none)}, std::move(*body)};
}

base::Result<base::Bytes> header_for(const Recipient& recipient, const SecretBytes& file_key) {
  auto stanza = recipient.wrap(file_key);
  if (!stanza) return stanza.error();
  return make_age_header(file_key, {std::move(*stanza)});
}

base::Result<base::Bytes> seal_to(const std::vector<Recipient>& recipients, ByteView plain) {
  if (recipients.empty()) return Error{Fault::usage, "nobody to seal to"};
  const auto file_key = SecretBytes::random(kFileKey);
  if (!file_key) return file_key.error();
  std::vector<Stanza> stanzas;
  for (const Recipient& recipient : recipients) {
    auto stanza = recipient.wrap(*file_key);
    if (!stanza) return stanza.error();
    stanzas.push_back(std::move(*stanza));
  }
  const auto header = make_age_header(*file_key, stanzas);
  if (!header) return header.error();
  const auto payload = seal_payload(*file_key, plain);
  if (!payload) return payload.error();
  return base::concat({*header, *payload});
}

base::Result<Stanza> wrap_with_passphrase(const SecretBytes& passphrase, const SecretBytes& file_key, unsigned log_n) {
  const base::Bytes salt = base::random_bytes(kScryptSalt);
  const auto key = scrypt_stanza_key(passphrase, salt, log_n);
  if (!key) return key.error();
  auto body = chacha_seal(*key, kZeroNonce, {}, file_key.reveal());
  if (!body) return body.error();
  return Stanza{{"scrypt", base::base64(salt, base::Padding::none), std::to_string(log_n)}, std::move(*body)};
}

}  // namespace keys
