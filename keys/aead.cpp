#include "keys/aead.h"

#include <openssl/evp.h>
#include <sodium.h>

#include <cstdlib>
#include <memory>

namespace keys {
namespace {

using base::ByteView;
using base::Error;
using base::Fault;
using base::SecretBytes;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

constexpr std::size_t kLongest = std::size_t{1} << 30;  // EVP counts in int

void require_sizes(const SecretBytes& key, ByteView nonce, std::size_t nonce_size) {
  if (key.size() != kAeadKey || nonce.size() != nonce_size) std::abort();
}

const unsigned char* in(ByteView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* to(std::span<std::byte> bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }
int length(ByteView bytes) { return static_cast<int>(bytes.size()); }

const Error kTooLong{Fault::usage, "too long to seal in one block"};
const Error kBadTag{Fault::damaged, "tag does not verify"};

}  // namespace

base::Result<base::Bytes> chacha_seal(const SecretBytes& key, ByteView nonce, ByteView ad, ByteView plain) {
  require_sizes(key, nonce, kChachaNonce);
  if (plain.size() > kLongest || ad.size() > kLongest) return kTooLong;
  base::Bytes out(plain.size() + kAeadTag);
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int n = 0;
  const bool sealed =
      cipher != nullptr &&
      EVP_EncryptInit_ex(cipher.get(), EVP_chacha20_poly1305(), nullptr, in(key.reveal()), in(nonce)) == 1 &&
      (ad.empty() || EVP_EncryptUpdate(cipher.get(), nullptr, &n, in(ad), length(ad)) == 1) &&
      (plain.empty() || EVP_EncryptUpdate(cipher.get(), to(out), &n, in(plain), length(plain)) == 1) &&
      EVP_EncryptFinal_ex(cipher.get(), to(out) + plain.size(), &n) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTag, to(out) + plain.size()) == 1;
  if (!sealed) return Error{Fault::failed, "encryption failed"};
  return out;
}

base::Result<SecretBytes> chacha_open(const SecretBytes& key, ByteView nonce, ByteView ad, ByteView sealed) {
  require_sizes(key, nonce, kChachaNonce);
  if (sealed.size() < kAeadTag || sealed.size() > kLongest || ad.size() > kLongest) return kBadTag;
  const ByteView body = sealed.first(sealed.size() - kAeadTag);
  const ByteView tag = sealed.last(kAeadTag);
  auto out = SecretBytes::zeros(body.size());
  if (!out) return out;
  const Cipher cipher(EVP_CIPHER_CTX_new());
  unsigned char none[kAeadTag];  // Final writes nothing for this cipher
  int n = 0;
  const bool verified =
      cipher != nullptr &&
      EVP_DecryptInit_ex(cipher.get(), EVP_chacha20_poly1305(), nullptr, in(key.reveal()), in(nonce)) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTag, const_cast<std::byte*>(tag.data())) == 1 &&
      (ad.empty() || EVP_DecryptUpdate(cipher.get(), nullptr, &n, in(ad), length(ad)) == 1) &&
      (body.empty() || EVP_DecryptUpdate(cipher.get(), to(out->reveal_to_write()), &n, in(body), length(body)) == 1) &&
      EVP_DecryptFinal_ex(cipher.get(), none, &n) == 1;
  if (!verified) return kBadTag;
  return out;
}

base::Result<base::Bytes> xchacha_seal(const SecretBytes& key, ByteView ad, ByteView plain) {
  base::Bytes out = base::random_bytes(kXchachaNonce);
  require_sizes(key, out, kXchachaNonce);
  out.resize(kXchachaNonce + plain.size() + kAeadTag);
  if (crypto_aead_xchacha20poly1305_ietf_encrypt(to(out) + kXchachaNonce, nullptr, in(plain), plain.size(), in(ad),
                                                 ad.size(), nullptr, in(out), in(key.reveal())) != 0)
    return Error{Fault::failed, "encryption failed"};
  return out;
}

base::Result<SecretBytes> xchacha_open(const SecretBytes& key, ByteView ad, ByteView sealed) {
  if (key.size() != kAeadKey) std::abort();
  if (sealed.size() < kXchachaNonce + kAeadTag) return kBadTag;
  const ByteView body = sealed.subspan(kXchachaNonce);
  auto out = SecretBytes::zeros(body.size() - kAeadTag);
  if (!out) return out;
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(to(out->reveal_to_write()), nullptr, nullptr, in(body), body.size(),
                                                 in(ad), ad.size(), in(sealed), in(key.reveal())) != 0)
    return kBadTag;
  return out;
}

}  // namespace keys
