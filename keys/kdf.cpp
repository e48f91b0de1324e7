#include "keys/kdf.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <sodium.h>

#include <cstdlib>

namespace keys {
namespace {

// What cannot fail but for lack of memory, and has no way to say so: the process stops.
void insist(bool done) {
  if (!done) std::abort();
}

struct FreeKdf {
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};

// The libraries refuse a null pointer also where nothing is to be read.
const std::uint8_t* at(base::ByteView bytes) {
  static constexpr std::uint8_t nothing = 0;
  return bytes.empty() ? &nothing : reinterpret_cast<const std::uint8_t*>(bytes.data());
}

OSSL_PARAM octets(const char* name, base::ByteView bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(at(bytes)), bytes.size());
}

}  // namespace

Sha256 sha256(base::ByteView data) {
  Sha256 out;
  insist(EVP_Digest(at(data), data.size(), reinterpret_cast<unsigned char*>(out.data()), nullptr, EVP_sha256(),
                    nullptr) == 1);
  return out;
}

struct Sha256Stream::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() { insist(context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1); }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(base::ByteView data) {
  insist(EVP_DigestUpdate(state_->context, data.data(), data.size()) == 1);
}

Sha256 Sha256Stream::finish() {
  Sha256 out;
  insist(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(out.data()), nullptr) == 1);
  return out;
}

Sha256 hmac_sha256(const base::SecretBytes& key, base::ByteView data) {
  Sha256 out;
  insist(HMAC(EVP_sha256(), at(key.reveal()), static_cast<int>(key.size()), at(data), data.size(),
              reinterpret_cast<unsigned char*>(out.data()), nullptr) != nullptr);
  return out;
}

base::Result<base::SecretBytes> hkdf_sha256(base::ByteView ikm, base::ByteView salt, base::ByteView info,
                                            std::size_t size) {
  static EVP_KDF* const hkdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  const std::unique_ptr<EVP_KDF_CTX, FreeKdf> context(EVP_KDF_CTX_new(hkdf));
  auto out = base::SecretBytes::zeros(size);
  if (!out) return out;
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                               octets(OSSL_KDF_PARAM_KEY, ikm), octets(OSSL_KDF_PARAM_SALT, salt),
                               octets(OSSL_KDF_PARAM_INFO, info), OSSL_PARAM_construct_end()};
  auto* to = reinterpret_cast<unsigned char*>(out->reveal_to_write().data());
  if (context == nullptr || EVP_KDF_derive(context.get(), to, size, params) != 1)
    return base::Error{base::Fault::failed, "HKDF failed"};
  return out;
}

base::Result<base::SecretBytes> scrypt(const base::SecretBytes& passphrase, base::ByteView salt, unsigned log_n,
                                       std::size_t size) {
  if (log_n == 0 || log_n > 20) return base::Error{base::Fault::usage, "scrypt work factor outside 1 to 20"};
  auto out = base::SecretBytes::zeros(size);
  if (!out) return out;
  auto* to = reinterpret_cast<std::uint8_t*>(out->reveal_to_write().data());
  if (crypto_pwhash_scryptsalsa208sha256_ll(at(passphrase.reveal()), passphrase.size(), at(salt), salt.size(),
                                            std::uint64_t{1} << log_n, 8, 1, to, size) != 0)
    return base::Error{base::Fault::failed, "scrypt found no memory"};
  return out;
}

}  // namespace keys
