#include "keys/slot_folder.h"

#include <algorithm>
#include <optional>

namespace keys {
namespace {

using base::Bytes, base::ByteView, base::Error, base::Fault, base::Result, base::SecretBytes;

constexpr std::size_t kKeyFile = 2 * kSector;
constexpr std::size_t kHead = 16;

// In a store a missing file is damage, not absence.
Error missing_is_damage(const Error& error, const std::string& name) {
  return Error{error.fault == Fault::not_found ? Fault::damaged : error.fault, error.what}.at(name);
}

bool names(const Root& root, std::uint64_t generation, const ImageName& image) {
  if (!image.leaf) return image.generation == generation;
  return *image.leaf < root.leaves.size() && image.generation != 0 &&
         root.leaves[*image.leaf].generation == image.generation;
}

}  // namespace

bool SlotFolder::has_root_key() const { return base::exists(key_file()); }

Result<SlotFolder::Heads> SlotFolder::heads() const {
  auto fd = base::open_to_read(key_file());
  if (!fd) return missing_is_damage(fd.error(), "root.key");
  Heads out{};
  for (const std::size_t i : {0U, 1U}) {
    auto n = base::read_at(fd->get(), i * kSector, std::span(out).subspan(i * kHead, kHead));
    if (!n) return n.error().at("root.key");
  }
  return out;
}

Result<SlotFolder::RootKey> SlotFolder::root_key() const {
  auto fd = base::open_to_read(key_file());
  if (!fd) return missing_is_damage(fd.error(), "root.key");
  auto both = SecretBytes::zeros(kKeyFile);
  if (!both) return both.error();
  auto size = base::read_at(fd->get(), 0, both->reveal_to_write());
  if (!size) return size.error().at("root.key");

  std::optional<RootKey> best;
  Heads heads{};
  std::array<bool, 2> may_hold{};
  for (const std::size_t i : {0U, 1U}) {
    const ByteView bytes = both->reveal().subspan(i * kSector, kSector);
    std::ranges::copy(bytes.first(kHead), heads.begin() + static_cast<std::ptrdiff_t>(i * kHead));
    may_hold[i] = may_hold_key(bytes);
    auto sector = get_sector(bytes);
    if (!sector && sector.error().fault != Fault::damaged) return sector.error();
    if (sector && (!best || sector->generation > best->sector.generation))
      best = RootKey{std::move(*sector), i, false, {}};
  }
  if (!best) return Error{Fault::damaged, "root.key: neither sector holds a root key"};
  best->other_may_hold_key = may_hold[1 - best->position];
  best->heads = heads;
  return std::move(*best);
}

Result<Bytes> SlotFolder::image(const std::string& name) const {
  auto bytes = base::read_file(folder_ / name, std::max(kLeafImage, kMaxRootImage));
  if (!bytes) return missing_is_damage(bytes.error(), name);
  return bytes;
}

Result<Root> SlotFolder::root(const Sector& sector) const {
  const std::string name = root_name(sector.generation);
  auto bytes = image(name);
  if (!bytes) return bytes.error();
  auto root = open_root(sector.root_key, sector.generation, *bytes);
  if (!root) return root.error().at(name);
  return root;
}

Result<SecretBytes> SlotFolder::leaf(std::uint32_t leaf, const LeafKey& key) const {
  const std::string name = leaf_name(leaf, key.generation);
  auto bytes = image(name);
  if (!bytes) return bytes.error();
  auto secrets = open_leaf(key.key, leaf, key.generation, *bytes);
  if (!secrets) return secrets.error().at(name);
  return secrets;
}

Result<void> SlotFolder::write_image(const std::string& name, ByteView image) {
  if (auto r = files_->remove(folder_ / name); !r) return r;
  return files_->create_whole(folder_ / name, image);
}

Result<void> SlotFolder::sync() { return files_->sync_folder(folder_); }

Result<void> SlotFolder::commit(const Sector& sector) {
  auto ruling = root_key();
  if (!ruling) return ruling.error();
  auto bytes = put_sector(sector);
  if (!bytes) return bytes.error();
  return files_->write_at(key_file(), (1 - ruling->position) * kSector, bytes->reveal());
}

Result<void> SlotFolder::settle(const Root& root, std::uint64_t generation, const std::string& keep) {
  auto ruling = root_key();
  if (!ruling) return ruling.error();
  if (ruling->other_may_hold_key) {
    if (auto r = files_->write_at(key_file(), (1 - ruling->position) * kSector, base::random_bytes(kSector)); !r)
      return r;
  }
  auto found = base::list_folder(folder_);
  if (!found) return found.error();
  bool removed = false;
  for (const std::string& name : *found) {
    const auto image = parse_image_name(name);
    if (!image || names(root, generation, *image) || name == keep) continue;
    if (auto r = files_->remove(folder_ / name); !r) return r;
    removed = true;
  }
  return removed ? sync() : Result<void>();
}

Result<void> SlotFolder::create_root_key(const Sector& sector) {
  auto bytes = put_sector(sector);
  if (!bytes) return bytes.error();
  const base::Path temporary = folder_ / "root.key.new";
  if (auto r = files_->remove(temporary); !r) return r;
  auto fd = files_->create(temporary);
  if (!fd) return fd.error();
  if (auto r = files_->append(fd->get(), bytes->reveal()); !r) return r;
  if (auto r = files_->append(fd->get(), base::random_bytes(kSector)); !r) return r;
  if (auto r = files_->sync(fd->get()); !r) return r;
  if (auto r = files_->rename_new(temporary, key_file()); !r) return r;
  return sync();
}

Result<void> SlotFolder::wipe_root_key() {
  const Bytes random = base::random_bytes(kKeyFile);
  if (has_root_key()) {
    if (auto r = files_->write_at(key_file(), 0, random); !r) return r;
    if (auto r = files_->remove(key_file()); !r) return r;  // its size may be wrong
  }
  if (auto r = files_->create_whole(key_file(), random); !r) return r;
  return sync();
}

Result<void> SlotFolder::write_first_sector(const Sector& sector) {
  auto bytes = put_sector(sector);
  if (!bytes) return bytes.error();
  return files_->write_at(key_file(), 0, bytes->reveal());
}

std::vector<std::string> image_names(const Root& root, std::uint64_t generation) {
  std::vector<std::string> out{root_name(generation)};
  for (std::uint32_t leaf = 0; leaf < root.leaves.size(); ++leaf)
    if (root.leaves[leaf].generation != 0) out.push_back(leaf_name(leaf, root.leaves[leaf].generation));
  return out;
}

}  // namespace keys
