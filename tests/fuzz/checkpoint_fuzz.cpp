// Checkpoint texts, tree states and proofs: what is accepted prints as the same bytes.
#include <algorithm>
#include <cstdlib>

#include "vault/checkpoint.h"

namespace {

// Older and newer size, index, then hashes: the two roots, a leaf, and a proof.
void verify_proofs(base::Reader in) {
  const auto older = in.u64(), newer = in.u64(), index = in.u64();
  if (!older || !newer || !index) return;
  vault::Proof hashes(in.left() / sizeof(vault::TreeHash));
  for (auto& hash : hashes) std::ranges::copy(*in.raw(hash.size()), hash.begin());
  if (hashes.size() < 3) return;
  const vault::Proof proof(hashes.begin() + 3, hashes.end());
  (void)vault::verify_inclusion({*newer, hashes[1]}, *index, hashes[2], proof);
  (void)vault::verify_consistency({*older, hashes[0]}, {*newer, hashes[1]}, proof);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto in = std::as_bytes(std::span(data, size));
  if (const auto c = vault::Checkpoint::parse(base::as_text(in)); c && c->print() != base::as_text(in)) std::abort();
  if (auto frontier = vault::Frontier::parse(in)) {
    if (!std::ranges::equal(frontier->print(), in)) std::abort();
    frontier->append(frontier->root());
  }
  verify_proofs(base::Reader(in));
  return 0;
}
