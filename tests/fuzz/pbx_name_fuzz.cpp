// Any path, and any side file: whatever is found is valid UTF-8 and belongs to a convention.
#include <cstdlib>

#include "vault/metadata.h"
#include "vault/sidecar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view in(reinterpret_cast<const char*>(data), size);
  (void)vault::parse_voicemail_txt(in);
  (void)vault::parse_meta_json(in);
  const auto facts = vault::parse_pbx_name(in, "Europe/London");
  if (!facts) return 0;
  if (facts->convention.empty()) std::abort();
  for (const auto& text : {facts->from, facts->to, facts->agent, facts->reference, facts->group})
    if (vault::clean_utf8(text) != text) std::abort();
  return 0;
}
