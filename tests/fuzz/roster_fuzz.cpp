// Rosters: the input is the text, signed here by a pinned key, so that mutations get past the signature.
#include <cstdlib>

#include "keys/roster.h"

namespace {

keys::NoteSigner pinned_signer() {
  base::Bytes seed(32, std::byte{1});
  auto secret = base::SecretBytes::take(std::span(seed));
  if (!secret) std::abort();
  auto signer = keys::NoteSigner::create("anna", *secret);
  if (!signer) std::abort();
  return std::move(*signer);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const keys::NoteSigner signer = pinned_signer();
  const auto note = signer.sign(base::as_text(std::as_bytes(std::span(data, size))));
  if (!note) return 0;
  const auto roster = keys::Roster::verify(*note, {{signer.verifier()}, {}}, 0);
  if (!roster) return 0;
  const auto again = keys::Roster::make(roster->version(), roster->holders(), signer);
  if (!again || *again != *note) std::abort();
  return 0;
}
