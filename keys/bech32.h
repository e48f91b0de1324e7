// bech32 (BIP 173) as age uses it: one case only, up to 1 KiB of text instead of 90 characters. Decoding returns the
// lower-case prefix.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace keys {

std::string bech32_encode(std::string_view prefix, base::ByteView data);  // lower case
base::Result<base::SecretBytes> bech32_encode_secret(std::string_view prefix,
                                                     const base::SecretBytes& data);  // upper case text
struct Bech32 {
  std::string prefix;  // lower case
  base::SecretBytes data;
};
// Fault::damaged: mixed case, bad symbol, bad checksum, or padding that is not zero.
base::Result<Bech32> bech32_decode(base::ByteView text);

}  // namespace keys
