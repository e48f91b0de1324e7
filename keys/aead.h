// AEAD: seal and open one block. These and age_stream's chunks are the only AEAD calls of the project.
// ChaCha20-Poly1305 (RFC 8439) through OpenSSL EVP: success is EVP_DecryptFinal_ex() == 1 and nothing else, the tag is
// always 16 bytes, EVP_Cipher() is never used. XChaCha20-Poly1305 (24-byte nonce) through libsodium.
#pragma once

#include <array>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace keys {

constexpr std::size_t kAeadKey = 32;
constexpr std::size_t kAeadTag = 16;
constexpr std::size_t kChachaNonce = 12;
constexpr std::size_t kXchachaNonce = 24;
constexpr std::array<std::byte, kChachaNonce> kZeroNonce{};  // only for keys that seal one block in their life

// Keys of another size, or nonces of another size, are our own mistake: the process stops.
base::Result<base::Bytes> chacha_seal(const base::SecretBytes& key, base::ByteView nonce, base::ByteView ad,
                                      base::ByteView plain);
// Fault::damaged when the tag does not verify; then nothing of the plaintext exists.
base::Result<base::SecretBytes> chacha_open(const base::SecretBytes& key, base::ByteView nonce, base::ByteView ad,
                                            base::ByteView sealed);

// The same with XChaCha20-Poly1305; seal draws a random nonce and puts it in front: nonce || ciphertext || tag.
base::Result<base::Bytes> xchacha_seal(const base::SecretBytes& key, base::ByteView ad, base::ByteView plain);
base::Result<base::SecretBytes> xchacha_open(const base::SecretBytes& key, base::ByteView ad, base::ByteView sealed);

}  // namespace keys
