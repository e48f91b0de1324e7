#include "keys/sealed_header.h"

#include <algorithm>
#include <cstdlib>

#include "keys/aead.h"
#include "keys/kdf.h"

namespace keys {
namespace {

using base::Error;
using base::Fault;
using base::SecretBytes;

constexpr std::size_t kEraseSecret = 32;

// What an erased slot holds is 32 zero bytes: never a key.
base::Result<void> check_secret(const SecretBytes& secret) {
  if (secret.size() != kEraseSecret) std::abort();
  const auto bytes = secret.reveal();
  if (std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; }))
    return Error{Fault::damaged, "the erase secret is erased"};
  return {};
}

base::Result<SecretBytes> row_key(const SecretBytes& recording, const SecretBytes* access) {
  if (auto r = check_secret(recording); !r) return r.error();
  if (access == nullptr) return recording.clone();
  if (auto r = check_secret(*access); !r) return r.error();
  auto both = SecretBytes::zeros(2 * kEraseSecret);
  if (!both) return both;
  auto to = both->reveal_to_write();
  std::copy_n(recording.reveal().begin(), kEraseSecret, to.begin());
  std::copy_n(access->reveal().begin(), kEraseSecret, to.subspan(kEraseSecret).begin());
  return hkdf_sha256(both->reveal(), {}, base::as_bytes(label::kHeader), kAeadKey);
}

base::Bytes row_ad(const HeaderPlace& place) {
  base::Bytes ad = base::to_bytes(label::kHeader);
  base::put_string(ad, place.recording);
  base::put_string(ad, place.recipient);
  return ad;
}

}  // namespace

base::Result<base::Bytes> seal_header(const HeaderPlace& place, const SecretBytes& recording_secret,
                                      const SecretBytes* access_secret, base::ByteView header) {
  const auto key = row_key(recording_secret, access_secret);
  if (!key) return key.error();
  return xchacha_seal(*key, row_ad(place), header);
}

base::Result<SecretBytes> open_header(const HeaderPlace& place, const SecretBytes& recording_secret,
                                      const SecretBytes* access_secret, base::ByteView sealed) {
  const auto key = row_key(recording_secret, access_secret);
  if (!key) return key.error();
  auto header = xchacha_open(*key, row_ad(place), sealed);
  if (!header) return header.error().at("sealed header");
  return header;
}

base::Result<base::Bytes> reseal_header(const HeaderPlace& place, const SecretBytes& old_recording_secret,
                                        const SecretBytes& recording_secret, const SecretBytes* access_secret,
                                        base::ByteView sealed) {
  const auto header = open_header(place, old_recording_secret, access_secret, sealed);
  if (!header) return header.error();
  return seal_header(place, recording_secret, access_secret, header->reveal());
}

base::Result<base::Bytes> commitment(const SecretBytes& file_key, std::string_view recording) {
  const auto out = hkdf_sha256(file_key.reveal(), base::as_bytes(recording), base::as_bytes(label::kCommit), 32);
  if (!out) return out.error();
  return base::concat({out->reveal()});
}

}  // namespace keys
