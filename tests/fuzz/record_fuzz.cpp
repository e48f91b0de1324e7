// The input as a note, and as a text that the service key signed: what is accepted is signed to the same text again.
#include <cstdlib>

#include "vault/record.h"

namespace {

keys::NoteSigner service() {
  std::string seed(32, 's');
  return *keys::NoteSigner::create("service", *base::SecretBytes::take(seed));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const keys::NoteSigner signer = service();
  const std::string_view in(reinterpret_cast<const char*>(data), size);
  (void)vault::verify_record(in, {signer.verifier()});
  const auto note = signer.sign(in);
  if (!note) return 0;
  const auto record = vault::verify_record(*note, {signer.verifier()});
  if (!record) return 0;
  const auto again = vault::sign_record(*record, signer);
  if (!again || *again != *note) std::abort();
  return 0;
}
