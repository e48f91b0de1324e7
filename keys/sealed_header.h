// Sealed header: a header row of the catalogue. XChaCha20-Poly1305(key, random nonce,
// ad = "callvault/v1/header" || length-prefixed recording id, recipient id; the age header).
// The key is the recording's erase secret for role recipients, and HKDF(recording's || access's erase secret) for an
// access, so that the end of either destroys it.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace keys {

struct HeaderPlace {
  std::string_view recording;
  std::string_view recipient;  // a role recipient's id, or an access's id
};

// `access_secret` is nullptr for role recipients. Erase secrets of another size than 32 are our own mistake.
base::Result<base::Bytes> seal_header(const HeaderPlace& place, const base::SecretBytes& recording_secret,
                                      const base::SecretBytes* access_secret, base::ByteView header);
base::Result<base::SecretBytes> open_header(const HeaderPlace& place, const base::SecretBytes& recording_secret,
                                            const base::SecretBytes* access_secret, base::ByteView sealed);

// The same header under another secret of its recording. Faults of open_header().
base::Result<base::Bytes> reseal_header(const HeaderPlace& place, const base::SecretBytes& old_recording_secret,
                                        const base::SecretBytes& recording_secret,
                                        const base::SecretBytes* access_secret, base::ByteView sealed);

// The commitment that the ingest record carries: HKDF-SHA256(file key, salt = recording id, "callvault/v1/commit"), 32
// bytes.
base::Result<base::Bytes> commitment(const base::SecretBytes& file_key, std::string_view recording);

}  // namespace keys
