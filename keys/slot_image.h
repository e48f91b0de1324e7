// Slot images: the bytes of the key-slot store (docs/format.md, "Key-slot store"). Pure: no file is touched here.
// A leaf image holds 4,096 erase secrets, the root image the leaf keys, a sector the root key. Every key is random and
// seals one image only, which is what makes the zero nonce sound.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "keys/slots.h"

namespace keys {

constexpr std::uint32_t kMaxLeaves = 4096;
constexpr std::size_t kLeafSecrets = kSlotsPerLeaf * kEraseSecret;
constexpr std::size_t kLeafImage = 64 + kLeafSecrets + 16;
constexpr std::size_t kMaxRootImage = 64 + 8 + kMaxLeaves * 40 + 16;
constexpr std::size_t kSector = 4096;

// The name of an image in the store's folder: "leaf.7.12", "root.12".
std::string leaf_name(std::uint32_t leaf, std::uint64_t generation);
std::string root_name(std::uint64_t generation);

struct ImageName {
  std::optional<std::uint32_t> leaf;  // none: a root
  std::uint64_t generation = 0;
};
std::optional<ImageName> parse_image_name(std::string_view name);  // none for every other file

struct LeafKey {
  base::SecretBytes key;         // 32 bytes; empty while the leaf does not exist
  std::uint64_t generation = 0;  // of the leaf's newest image; 0 while it does not exist
};

struct Root {
  SlotId high_water = 0;
  std::vector<LeafKey> leaves;  // at most kMaxLeaves
};

struct Sector {
  std::uint64_t generation = 0;
  base::SecretBytes root_key;
};

// `secrets` are kLeafSecrets bytes; a slot of 32 zero bytes is erased.
base::Result<base::Bytes> seal_leaf(const base::SecretBytes& key, std::uint32_t leaf, std::uint64_t generation,
                                    const base::SecretBytes& secrets);
base::Result<base::Bytes> seal_root(const base::SecretBytes& key, std::uint64_t generation, const Root& root);
base::Result<base::SecretBytes> put_sector(const Sector& sector);  // kSector bytes

// Fault::damaged unless the image is whole, opens under the key, and is the one that was asked for.
base::Result<base::SecretBytes> open_leaf(const base::SecretBytes& key, std::uint32_t leaf, std::uint64_t generation,
                                          base::ByteView image);
base::Result<Root> open_root(const base::SecretBytes& key, std::uint64_t generation, base::ByteView image);
base::Result<Sector> get_sector(base::ByteView sector);

// True while a sector may still hold a key, whole or torn: it starts with the magic. False once it was overwritten.
bool may_hold_key(base::ByteView sector);

}  // namespace keys
