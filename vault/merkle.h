// Merkle: the hash tree of the audit log, RFC 6962 section 2.1 with SHA-256. Leaves are hashed with 0x00 in front,
// inner nodes with 0x01; a tree of n > 1 leaves has the largest power of two below n on its left. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "keys/kdf.h"

namespace vault {

using TreeHash = keys::Sha256;
using Proof = std::vector<TreeHash>;  // in the order of RFC 6962: from the leaves up

TreeHash leaf_hash(base::ByteView entry);
TreeHash node_hash(const TreeHash& left, const TreeHash& right);
TreeHash tree_root(std::span<const TreeHash> leaves);  // leaf hashes; of no leaves: SHA-256 of nothing

// What is needed to append and to know the root: the roots of the full subtrees, one for each 1 bit of the size.
class Frontier {
 public:
  void append(const TreeHash& leaf);
  std::uint64_t size() const { return size_; }
  TreeHash root() const;

  base::Bytes print() const;                               // u64 size, then the hashes from left to right
  static base::Result<Frontier> parse(base::ByteView in);  // Fault::damaged

 private:
  std::uint64_t size_ = 0;
  std::vector<TreeHash> subtrees_;  // from left (largest) to right
};

// That leaf `index` is in the tree of these leaves. REQUIRES index < leaves.size().
Proof inclusion_proof(std::span<const TreeHash> leaves, std::size_t index);
// That the tree of the first `old_size` leaves is the beginning of this one. REQUIRES old_size <= leaves.size().
Proof consistency_proof(std::span<const TreeHash> leaves, std::size_t old_size);

struct TreeHead {
  std::uint64_t size;
  TreeHash root;
  friend bool operator==(const TreeHead&, const TreeHead&) = default;
};

// Fault::damaged unless the proof has exactly the hashes it needs and leads to the root. The empty tree is the
// beginning of every tree, with an empty proof.
base::Result<void> verify_inclusion(const TreeHead& tree, std::uint64_t index, const TreeHash& leaf,
                                    const Proof& proof);
base::Result<void> verify_consistency(const TreeHead& older, const TreeHead& newer, const Proof& proof);

}  // namespace vault
