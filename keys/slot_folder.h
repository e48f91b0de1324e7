// SlotFolder: the files of one copy of the key-slot store: the store itself, or its mirror.
// Not thread-safe. Calls that change something need the store's lock (slots.cpp takes it).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/files.h"
#include "keys/slot_image.h"

namespace keys {

class SlotFolder {
 public:
  SlotFolder(base::Path folder, base::Files& files) : folder_(std::move(folder)), files_(&files) {}
  const base::Path& path() const { return folder_; }
  base::Path lock_file() const { return folder_ / "lock"; }  // a mirror has none
  bool has_root_key() const;

  // The first bytes of both sectors. Each commit changes them, so equal heads mean: nothing has happened since.
  using Heads = std::array<std::byte, 32>;
  base::Result<Heads> heads() const;

  struct RootKey {
    Sector sector;             // the valid one with the highest generation
    std::size_t position = 0;  // 0 or 1
    bool other_may_hold_key = false;
    Heads heads{};
  };
  // Fault::damaged: a file is missing, or is not what was written.
  base::Result<RootKey> root_key() const;
  base::Result<Root> root(const Sector& sector) const;
  base::Result<base::SecretBytes> leaf(std::uint32_t leaf, const LeafKey& key) const;
  base::Result<base::Bytes> image(const std::string& name) const;

  // A synced file; its name is durable after sync(). A file that a crash left under this name is replaced.
  base::Result<void> write_image(const std::string& name, base::ByteView image);
  base::Result<void> sync();
  // Writes the sector that does not rule; synced. From then on the new one rules.
  base::Result<void> commit(const Sector& sector);
  // Overwrites the sector that does not rule while it may hold a key, and removes the images that `root` does not name,
  // except `keep`.
  base::Result<void> settle(const Root& root, std::uint64_t generation, const std::string& keep = {});

  // A new root key file that appears as a whole.
  base::Result<void> create_root_key(const Sector& sector);
  // Overwrites whatever root key there was; then no sector is valid, or the one given.
  base::Result<void> wipe_root_key();
  base::Result<void> write_first_sector(const Sector& sector);

 private:
  base::Path key_file() const { return folder_ / "root.key"; }
  base::Path folder_;
  base::Files* files_;
};

// The images that a root names, itself included.
std::vector<std::string> image_names(const Root& root, std::uint64_t generation);

}  // namespace keys
