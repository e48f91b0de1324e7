// Slots: the key-slot store. It alone holds erase secrets: 32 random bytes a slot, in leaves of 4,096 slots, each leaf
// encrypted under a leaf key, the leaf keys in a root image, the root key in two sectors written in turn.
// Erasing slots writes new images without them under new keys; the write of the new root key into the other sector is
// the commit point; then the old sector is overwritten, so that no remnant of the old images can be opened. Layout and
// procedure: docs/format.md, "Key-slot store". Readers and writers may be several processes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/files.h"
#include "base/result.h"
#include "base/secret.h"

namespace keys {

using SlotId = std::uint64_t;  // leaf << 12 | index; only rises, never reused
constexpr SlotId kSlotsPerLeaf = 4096;
constexpr std::size_t kEraseSecret = 32;

class Slots {
 public:
  struct Place {
    base::Path folder;                 // slots_dir
    std::optional<base::Path> mirror;  // on a second device; written before the commit point
  };

  // A new store with one leaf, generation 1. Fails when the folder holds one already.
  static base::Result<void> create(const Place& place, base::Files& files = base::system_files());
  // Finishes what a crash left (overwrites the old sector, removes files that the root does not name).
  // Fault::damaged: no valid sector, root or leaf missing or not opening; names the mirror when that one could help.
  // Never falls back to a lower generation.
  static base::Result<Slots> open(const Place& place, base::Files& files = base::system_files());
  Slots(Slots&&) noexcept;
  Slots& operator=(Slots&&) noexcept;
  ~Slots();

  // The secret of a slot. Fault::not_found when it was erased or its leaf does not exist. Reads the store again when
  // another process has committed a new generation.
  base::Result<base::SecretBytes> read(SlotId slot);

  // Makes the leaf of `slot` exist, and raises the high-water mark to slot + 1 when a root is written anyway.
  base::Result<void> reserve(SlotId slot);

  // Commits a generation without these slots and returns it. Slots already erased are fine (replay); an empty set
  // changes nothing. When it returns an error, the store is at the old or at the new generation, never between: after
  // the commit point open() finishes the rest.
  base::Result<std::uint64_t> erase(const std::set<SlotId>& gone);

  std::uint64_t generation() const;
  SlotId high_water() const;  // no slot below it may be handed out again after a restore

  // 2: the old root key's file was overwritten in place, mirror included. 1: it could not be, with the reason
  // (file system that writes elsewhere, mirror away).
  struct Level {
    int level;
    std::string reason;
  };
  Level level() const;

 private:
  struct State;
  explicit Slots(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace keys
