#include "vault/merkle.h"

#include <bit>

#include "tests/testkit/expect.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must;

constexpr std::size_t kMost = 70;

std::string entry(std::size_t i) { return "entry " + std::to_string(i); }

std::vector<TreeHash> leaves(std::size_t size) {
  std::vector<TreeHash> out;
  for (std::size_t i = 0; i < size; ++i) out.push_back(leaf_hash(base::as_bytes(entry(i))));
  return out;
}

// MTH of RFC 6962 section 2.1, word for word, over the entries [from, to).
TreeHash defined_root(std::size_t from, std::size_t to) {
  const auto hashed = [](const std::string& bytes) { return keys::sha256(base::as_bytes(bytes)); };
  const std::size_t n = to - from;
  if (n == 0) return hashed("");
  if (n == 1) return hashed(std::string(1, '\0') + entry(from));
  std::size_t k = 1;
  while (2 * k < n) k *= 2;
  const TreeHash left = defined_root(from, from + k), right = defined_root(from + k, to);
  return hashed(std::string(1, 1).append(base::as_text(left)).append(base::as_text(right)));
}

TreeHead head(std::size_t size) { return {size, defined_root(0, size)}; }

TreeHash flipped(TreeHash hash, std::size_t byte = 0) {
  hash[byte] ^= std::byte{1};
  return hash;
}

// Every way to spoil a proof by one step: a bit of each hash, a hash less, more, doubled, or in another place.
std::vector<Proof> spoiled(const Proof& proof) {
  std::vector<Proof> out;
  for (std::size_t i = 0; i < proof.size(); ++i) {
    for (const std::size_t byte : {0u, 31u}) {
      out.push_back(proof);
      out.back()[i] = flipped(proof[i], byte);
    }
    out.push_back(proof);
    out.back().erase(out.back().begin() + static_cast<std::ptrdiff_t>(i));
    if (i > 0) {
      out.push_back(proof);
      std::swap(out.back()[i - 1], out.back()[i]);
    }
  }
  for (std::size_t i = 0; i <= proof.size(); ++i) {
    out.push_back(proof);
    out.back().insert(out.back().begin() + static_cast<std::ptrdiff_t>(i),
                      proof.empty() ? TreeHash{} : proof[i % proof.size()]);
  }
  return out;
}

TEST(Merkle, EmptyTreeAndHandMadeTrees) {
  EXPECT_EQ(base::hex(tree_root({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(base::hex(leaf_hash({})), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
  const auto l = leaves(3);
  EXPECT_EQ(tree_root(l), node_hash(node_hash(l[0], l[1]), l[2]));
}

TEST(Merkle, RootsAreTheDefinedOnes) {
  for (std::size_t n = 0; n <= kMost; ++n) EXPECT_EQ(tree_root(leaves(n)), defined_root(0, n)) << n;
}

TEST(Merkle, LeavesAndNodesNeverHaveTheSameHash) {
  const auto l = leaves(2);
  EXPECT_NE(node_hash(l[0], l[1]), leaf_hash(base::concat({l[0], l[1]})));
}

TEST(MerkleFrontier, GivesTheRootAtEachSize) {
  Frontier frontier;
  for (std::size_t n = 0; n <= kMost; ++n) {
    EXPECT_EQ(frontier.size(), n);
    EXPECT_EQ(frontier.root(), defined_root(0, n)) << n;
    frontier.append(leaf_hash(base::as_bytes(entry(n))));
  }
}

TEST(MerkleFrontier, GoesOnFromItsPrintedStateAndStaysSmall) {
  Frontier frontier;
  for (std::size_t n = 0; n <= kMost; ++n) {
    const base::Bytes printed = frontier.print();
    EXPECT_EQ(printed.size(), 8 + 32 * static_cast<std::size_t>(std::popcount(n)));
    frontier = must(Frontier::parse(printed));
    EXPECT_EQ(frontier.print(), printed);
    EXPECT_EQ(frontier.root(), defined_root(0, n)) << n;
    frontier.append(leaf_hash(base::as_bytes(entry(n))));
  }
}

TEST(MerkleFrontier, CutLongOrOfAnotherSizeIsDamaged) {
  Frontier frontier;
  for (const auto& leaf : leaves(5)) frontier.append(leaf);
  const base::Bytes printed = frontier.print();
  for (std::size_t size = 0; size < printed.size(); ++size)
    EXPECT_FAULT(Fault::damaged, Frontier::parse(base::ByteView(printed).first(size))) << size;
  base::Bytes longer = printed;
  longer.push_back(std::byte{0});
  EXPECT_FAULT(Fault::damaged, Frontier::parse(longer));
  base::Bytes larger = printed;
  larger[7] = std::byte{7};  // three subtrees, two hashes
  EXPECT_FAULT(Fault::damaged, Frontier::parse(larger));
}

TEST(MerkleInclusion, EveryProofOfEverySizeVerifies) {
  for (std::size_t n = 1; n <= kMost; ++n) {
    const auto l = leaves(n);
    for (std::size_t i = 0; i < n; ++i) {
      const Proof proof = inclusion_proof(l, i);
      EXPECT_LE(proof.size(), static_cast<std::size_t>(std::bit_width(n - 1)));
      EXPECT_OK(verify_inclusion(head(n), i, l[i], proof)) << i << " of " << n;
    }
  }
}

TEST(MerkleInclusion, EverySpoiledProofFails) {
  for (std::size_t n = 1; n <= kMost; ++n) {
    const auto l = leaves(n);
    const TreeHead tree = head(n);
    for (std::size_t i = 0; i < n; ++i)
      for (const Proof& bad : spoiled(inclusion_proof(l, i)))
        EXPECT_FAULT(Fault::damaged, verify_inclusion(tree, i, l[i], bad)) << i << " of " << n;
  }
}

TEST(MerkleInclusion, ProofOfAnotherLeafPlaceSizeOrRootFails) {
  for (std::size_t n = 1; n <= kMost; ++n) {
    const auto l = leaves(n);
    const TreeHead tree = head(n);
    for (std::size_t i = 0; i < n; ++i) {
      const Proof proof = inclusion_proof(l, i);
      for (std::size_t other = 0; other <= n; ++other) {
        if (other == i) continue;
        EXPECT_FAULT(Fault::damaged, verify_inclusion(tree, other, l[i], proof)) << i << " as " << other;
      }
      EXPECT_FAULT(Fault::damaged, verify_inclusion(tree, i, flipped(l[i]), proof));
      EXPECT_FAULT(Fault::damaged, verify_inclusion({n, flipped(tree.root)}, i, l[i], proof));
      EXPECT_FAULT(Fault::damaged, verify_inclusion(head(n - 1), i, l[i], proof));
      EXPECT_FAULT(Fault::damaged, verify_inclusion(head(n + 1), i, l[i], proof));
    }
  }
}

TEST(MerkleInclusion, NothingIsInAnEmptyTreeOrBehindTheEnd) {
  const auto l = leaves(1);
  EXPECT_FAULT(Fault::damaged, verify_inclusion(head(0), 0, l[0], {}));
  EXPECT_FAULT(Fault::damaged, verify_inclusion({0, l[0]}, 0, l[0], {}));
  EXPECT_FAULT(Fault::damaged, verify_inclusion({1, l[0]}, 1, l[0], {}));
  EXPECT_FAULT(Fault::damaged, verify_inclusion({UINT64_MAX, l[0]}, UINT64_MAX, l[0], Proof(70)));
  EXPECT_FAULT(Fault::damaged, verify_inclusion({UINT64_MAX, l[0]}, UINT64_MAX - 1, l[0], Proof(64)));
}

TEST(MerkleConsistency, EveryProofUpTo40Verifies) {
  for (std::size_t n = 0; n <= 40; ++n)
    for (std::size_t m = 0; m <= n; ++m)
      EXPECT_OK(verify_consistency(head(m), head(n), consistency_proof(leaves(n), m))) << m << " in " << n;
}

TEST(MerkleConsistency, EverySpoiledProofFails) {
  for (std::size_t n = 0; n <= 40; ++n)
    for (std::size_t m = 0; m <= n; ++m)
      for (const Proof& bad : spoiled(consistency_proof(leaves(n), m)))
        EXPECT_FAULT(Fault::damaged, verify_consistency(head(m), head(n), bad)) << m << " in " << n;
}

TEST(MerkleConsistency, OtherRootsOrSizesFail) {
  for (std::size_t n = 1; n <= 40; ++n)
    for (std::size_t m = 0; m <= n; ++m) {
      const Proof proof = consistency_proof(leaves(n), m);
      const TreeHead older = head(m), newer = head(n);
      EXPECT_FAULT(Fault::damaged, verify_consistency({m, flipped(older.root)}, newer, proof)) << m << " in " << n;
      if (m == 0) continue;  // the newer root says nothing about an empty tree
      EXPECT_FAULT(Fault::damaged, verify_consistency(older, {n, flipped(newer.root)}, proof)) << m << " in " << n;
      EXPECT_FAULT(Fault::damaged, verify_consistency(older, head(n + 1), proof)) << m << " in " << n;
      if (m == n) continue;
      EXPECT_FAULT(Fault::damaged, verify_consistency(newer, older, proof)) << m << " in " << n;
    }
}

TEST(MerkleConsistency, TwoTreesOfOneSizeAreTheSameTree) {
  EXPECT_OK(verify_consistency(head(5), head(5), {}));
  EXPECT_FAULT(Fault::damaged, verify_consistency(head(5), {5, flipped(head(5).root)}, {}));
  EXPECT_FAULT(Fault::damaged, verify_consistency(head(0), {0, flipped(head(0).root)}, {}));
}

TEST(MerkleConsistency, RewrittenEntryIsFound) {  // the log was cut at 5 and went on with other entries
  auto other = leaves(9);
  other[4] = leaf_hash(base::as_bytes("another entry"));
  EXPECT_FAULT(Fault::damaged, verify_consistency(head(5), {9, tree_root(other)}, consistency_proof(other, 5)));
  EXPECT_OK(verify_consistency(head(4), {9, tree_root(other)}, consistency_proof(other, 4)));
}

TEST(MerkleDeathTest, ProofsOfWhatIsNotThereAreOurOwnMistake) {
  EXPECT_DEATH((void)inclusion_proof(leaves(3), 3), "");
  EXPECT_DEATH((void)consistency_proof(leaves(3), 4), "");
}

}  // namespace
}  // namespace vault
