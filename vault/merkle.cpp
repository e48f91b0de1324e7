#include "vault/merkle.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <optional>

namespace vault {

using base::Error;
using base::Fault;
using base::Result;
using Leaves = std::span<const TreeHash>;

namespace {

constexpr std::byte kLeaf{0};
constexpr std::byte kNode{1};

// The size of the left subtree. REQUIRES size > 1.
template <class Number>
Number left_size(Number size) {
  return std::bit_floor(size - 1);
}

// PATH(index, leaves) of RFC 6962 section 2.1.1.
void append_path(Leaves leaves, std::size_t index, Proof& out) {
  if (leaves.size() == 1) return;
  const std::size_t k = left_size(leaves.size());
  if (index < k) {
    append_path(leaves.first(k), index, out);
    out.push_back(tree_root(leaves.subspan(k)));
  } else {
    append_path(leaves.subspan(k), index - k, out);
    out.push_back(tree_root(leaves.first(k)));
  }
}

// SUBPROOF(old_size, leaves, known) of RFC 6962 section 2.1.2. `known`: the verifier has the root of the old subtree.
void append_subproof(Leaves leaves, std::size_t old_size, bool known, Proof& out) {
  if (old_size == leaves.size()) {
    if (!known) out.push_back(tree_root(leaves));
    return;
  }
  const std::size_t k = left_size(leaves.size());
  if (old_size <= k) {
    append_subproof(leaves.first(k), old_size, known, out);
    out.push_back(tree_root(leaves.subspan(k)));
  } else {
    append_subproof(leaves.subspan(k), old_size - k, false, out);
    out.push_back(tree_root(leaves.first(k)));
  }
}

// The verifiers walk down the same way, take the proof's hashes from its end, and are done when none is left over.
std::optional<TreeHash> root_by_path(const TreeHash& leaf, std::uint64_t index, std::uint64_t size, Leaves proof) {
  if (size == 1) return proof.empty() ? std::optional(leaf) : std::nullopt;
  if (proof.empty()) return std::nullopt;
  const TreeHash& sibling = proof.back();
  const Leaves below = proof.first(proof.size() - 1);
  const std::uint64_t k = left_size(size);
  const auto root = index < k ? root_by_path(leaf, index, k, below) : root_by_path(leaf, index - k, size - k, below);
  if (!root) return std::nullopt;
  return index < k ? node_hash(*root, sibling) : node_hash(sibling, *root);
}

struct Roots {
  TreeHash older;
  TreeHash newer;
};

// `known` is the older tree's root as long as its subtree lies at the left edge, nullptr after.
std::optional<Roots> roots_by_subproof(const TreeHash* known, std::uint64_t old_size, std::uint64_t size,
                                       Leaves proof) {
  if (old_size == size && known) return proof.empty() ? std::optional(Roots{*known, *known}) : std::nullopt;
  if (proof.empty()) return std::nullopt;
  const TreeHash& sibling = proof.back();
  if (old_size == size) return proof.size() == 1 ? std::optional(Roots{sibling, sibling}) : std::nullopt;
  const Leaves below = proof.first(proof.size() - 1);
  const std::uint64_t k = left_size(size);
  if (old_size <= k) {
    const auto left = roots_by_subproof(known, old_size, k, below);
    if (!left) return std::nullopt;
    return Roots{left->older, node_hash(left->newer, sibling)};
  }
  const auto right = roots_by_subproof(nullptr, old_size - k, size - k, below);
  if (!right) return std::nullopt;
  return Roots{node_hash(sibling, right->older), node_hash(sibling, right->newer)};
}

}  // namespace

TreeHash leaf_hash(base::ByteView entry) { return keys::sha256(base::concat({{&kLeaf, 1}, entry})); }

TreeHash node_hash(const TreeHash& left, const TreeHash& right) {
  return keys::sha256(base::concat({{&kNode, 1}, left, right}));
}

TreeHash tree_root(Leaves leaves) {
  if (leaves.empty()) return keys::sha256({});
  if (leaves.size() == 1) return leaves.front();
  const std::size_t k = left_size(leaves.size());
  return node_hash(tree_root(leaves.first(k)), tree_root(leaves.subspan(k)));
}

void Frontier::append(const TreeHash& leaf) {
  subtrees_.push_back(leaf);
  for (std::uint64_t bits = size_; bits & 1; bits >>= 1) {  // each trailing 1 bit: two subtrees of one size become one
    const TreeHash right = subtrees_.back();
    subtrees_.pop_back();
    subtrees_.back() = node_hash(subtrees_.back(), right);
  }
  ++size_;
}

TreeHash Frontier::root() const {
  if (subtrees_.empty()) return tree_root({});
  TreeHash root = subtrees_.back();
  for (auto left = subtrees_.rbegin() + 1; left != subtrees_.rend(); ++left) root = node_hash(*left, root);
  return root;
}

base::Bytes Frontier::print() const {
  base::Bytes out;
  base::put_u64(out, size_);
  for (const TreeHash& hash : subtrees_) base::put_raw(out, hash);
  return out;
}

Result<Frontier> Frontier::parse(base::ByteView in) {
  const Error damaged{Fault::damaged, "not the state of a hash tree"};
  base::Reader reader(in);
  const auto size = reader.u64();
  if (!size || reader.left() != static_cast<std::size_t>(std::popcount(*size)) * sizeof(TreeHash)) return damaged;
  Frontier out;
  out.size_ = *size;
  out.subtrees_.resize(static_cast<std::size_t>(std::popcount(*size)));
  for (TreeHash& hash : out.subtrees_) std::ranges::copy(*reader.raw(hash.size()), hash.begin());
  return out;
}

Proof inclusion_proof(Leaves leaves, std::size_t index) {
  if (index >= leaves.size()) std::abort();
  Proof out;
  append_path(leaves, index, out);
  return out;
}

Proof consistency_proof(Leaves leaves, std::size_t old_size) {
  if (old_size > leaves.size()) std::abort();
  Proof out;
  if (old_size > 0) append_subproof(leaves, old_size, true, out);
  return out;
}

Result<void> verify_inclusion(const TreeHead& tree, std::uint64_t index, const TreeHash& leaf, const Proof& proof) {
  if (index < tree.size && root_by_path(leaf, index, tree.size, proof) == tree.root) return {};
  return Error{Fault::damaged, "the inclusion proof does not lead to the tree's root"};
}

Result<void> verify_consistency(const TreeHead& older, const TreeHead& newer, const Proof& proof) {
  const Error damaged{Fault::damaged, "the newer tree does not begin with the older one"};
  if (older.size > newer.size) return damaged;
  if (older.size == 0) {
    if (!proof.empty() || older.root != tree_root({}) || (newer.size == 0 && newer.root != older.root)) return damaged;
    return {};
  }
  const auto roots = roots_by_subproof(&older.root, older.size, newer.size, proof);
  if (!roots || roots->older != older.root || roots->newer != newer.root) return damaged;
  return {};
}

}  // namespace vault
