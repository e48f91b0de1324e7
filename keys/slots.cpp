#include "keys/slots.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#include "keys/aead.h"
#include "keys/slot_folder.h"

namespace keys {
namespace {

using base::Error, base::Fault, base::Result, base::SecretBytes;

constexpr std::int64_t kLockWait = 30'000;  // milliseconds

std::uint32_t leaf_of(SlotId slot) { return static_cast<std::uint32_t>(slot / kSlotsPerLeaf); }
std::size_t offset_of(SlotId slot) { return static_cast<std::size_t>(slot % kSlotsPerLeaf) * kEraseSecret; }

bool is_erased(base::ByteView secret) {
  std::byte any{};
  for (const std::byte b : secret) any |= b;
  return any == std::byte{};
}

}  // namespace

struct Slots::State {
  State(const Place& place, base::Files& files) : store(place.folder, files) {
    if (place.mirror) mirror.emplace(*place.mirror, files);
  }

  using Touched = std::map<std::uint32_t, std::vector<SlotId>>;  // by leaf, the slots to erase in it

  bool has_leaf(std::uint32_t leaf) const { return leaf < root.leaves.size() && root.leaves[leaf].generation != 0; }
  bool mirrored() const { return mirror && mirror_fault.empty(); }

  Result<void> load();
  Result<void> refresh();
  Result<SecretBytes*> leaf(std::uint32_t leaf);
  Result<SecretBytes> secret(SlotId slot);
  Error name_mirror(const Error& error) const;

  // REQUIRES the file lock.
  Result<void> begin();
  Result<void> settle();
  Result<void> check_mirror();
  Result<void> refuse_foreign_mirror() const;
  bool mirror_is_ahead(const Sector& sector) const;
  bool mirror_is_same(const SlotFolder::RootKey& key) const;
  Result<void> refill_mirror();
  Result<void> write_image(const std::string& name, base::ByteView image);
  Result<std::uint64_t> write_generation(const Touched& touched);
  Result<std::uint64_t> commit(const Touched& touched);

  void on_mirror(const Result<void>& r) {
    if (!r && mirror_fault.empty()) mirror_fault = r.error().what;
  }

  SlotFolder store;
  std::optional<SlotFolder> mirror;
  std::mutex mutex;

  // What was read; `heads` empty: read again.
  std::optional<SlotFolder::Heads> heads;
  std::optional<SlotFolder::Heads> mirror_heads;
  Sector sector;
  Root root;
  bool settled = false;      // no old key, no old image
  std::string mirror_fault;  // why the mirror is not level with the store
  SlotId reserved = 0;

  struct Cached {
    std::uint32_t leaf;
    SecretBytes secrets;
  };
  std::optional<Cached> cached;  // the last leaf used
};

Result<void> Slots::State::load() {
  heads.reset();
  cached.reset();
  settled = false;
  auto key = store.root_key();
  if (!key) return key.error();
  if (key->sector.generation < sector.generation)
    return Error{Fault::damaged, "the key-slot store went back to an older generation: it was put back from a copy"};
  auto read = store.root(key->sector);
  if (!read) return read.error();
  sector = std::move(key->sector);
  root = std::move(*read);
  heads = key->heads;
  return {};
}

// Follows other processes: what was read counts as long as root.key has not changed.
Result<void> Slots::State::refresh() {
  if (!heads) return load();
  auto now = store.heads();
  if (!now) return now.error();
  return *now == *heads ? Result<void>() : load();
}

Result<SecretBytes*> Slots::State::leaf(std::uint32_t leaf) {
  if (!cached || cached->leaf != leaf) {
    cached.reset();
    auto secrets = store.leaf(leaf, root.leaves[leaf]);
    if (!secrets) return secrets.error();
    cached = Cached{leaf, std::move(*secrets)};
  }
  return &cached->secrets;
}

Result<SecretBytes> Slots::State::secret(SlotId slot) {
  if (auto r = refresh(); !r) return r.error();
  if (slot / kSlotsPerLeaf >= kMaxLeaves || !has_leaf(leaf_of(slot))) return Error{Fault::not_found, "no such slot"};
  auto secrets = leaf(leaf_of(slot));
  if (!secrets) return secrets.error();
  const auto bytes = (*secrets)->reveal().subspan(offset_of(slot), kEraseSecret);
  if (is_erased(bytes)) return Error{Fault::not_found, "the slot is erased"};
  return SecretBytes::copy_of(bytes);
}

// Reads what is there, brings the mirror level with it, and finishes what a crash left. The mirror comes first: what is
// left of an interrupted commit tells why it is ahead.
Result<void> Slots::State::begin() {
  if (auto r = refresh(); !r) return r;
  if (mirror) {
    auto now = mirror->heads();
    if (!mirrored() || !mirror_heads || !now || *now != *mirror_heads)
      if (auto r = check_mirror(); !r) return r;
  }
  return settled ? Result<void>() : settle();
}

Result<void> Slots::State::settle() {
  const bool mirror_away = mirror && !mirror_fault.empty();
  if (auto r = store.settle(root, sector.generation, mirror_away ? root_name(sector.generation + 1) : ""); !r) return r;
  auto now = store.heads();
  if (!now) return now.error();
  heads = *now;
  settled = true;
  return {};
}

// A mirror is one generation ahead when a commit was cut between mirror and store; then the store has the same next
// root. Every other mirror that is ahead means that an old store was put back: going on would bring erased secrets
// back.
bool Slots::State::mirror_is_ahead(const Sector& other) const {
  if (other.generation <= sector.generation) return false;
  const std::string next = root_name(sector.generation + 1);
  const auto ours = store.image(next);
  const auto theirs = mirror->image(next);
  return other.generation != sector.generation + 1 || !ours || !theirs || *ours != *theirs;
}

bool Slots::State::mirror_is_same(const SlotFolder::RootKey& key) const {
  if (key.other_may_hold_key || key.sector.generation != sector.generation || key.sector.root_key != sector.root_key)
    return false;
  return std::ranges::all_of(image_names(root, sector.generation), [this](const std::string& name) {
    const auto ours = store.image(name);
    const auto theirs = mirror->image(name);
    return ours && theirs && *ours == *theirs;
  });
}

// Filling a folder destroys the keys in it, so it must not be a store's own: those have a lock file.
Result<void> Slots::State::refuse_foreign_mirror() const {
  if (!base::exists(mirror->lock_file())) return {};
  return Error{Fault::usage, "the mirror's folder holds a store of its own: " + mirror->path().string()};
}

// An error stops the store; a mirror that is away or cannot be written only lowers the level.
Result<void> Slots::State::check_mirror() {
  mirror_fault.clear();
  mirror_heads.reset();
  if (auto r = refuse_foreign_mirror(); !r) return r;
  const auto key = mirror->root_key();
  if (key && mirror_is_ahead(key->sector))
    return Error{Fault::damaged,
                 "the mirror is newer than the key-slot store: an old store was put back; restore it from " +
                     mirror->path().string()};
  if (!key || !mirror_is_same(*key)) on_mirror(refill_mirror());
  if (mirrored()) on_mirror(mirror->settle(root, sector.generation));
  if (auto now = mirror->heads(); now && mirrored()) mirror_heads = *now;
  return {};
}

// What to do about a damaged store: its mirror, when that one opens.
Error Slots::State::name_mirror(const Error& error) const {
  Error out = error.at("key-slot store");
  if (!mirror || error.fault != Fault::damaged) return out;
  const auto key = mirror->root_key();
  if (key && mirror->root(key->sector))
    out.what +=
        "; its mirror opens at generation " + std::to_string(key->sector.generation) + ": " + mirror->path().string();
  return out;
}

Result<void> Slots::State::refill_mirror() {
  if (auto r = mirror->wipe_root_key(); !r) return r;
  for (const std::string& name : image_names(root, sector.generation)) {
    auto ours = store.image(name);
    if (!ours) return ours.error();
    const auto theirs = mirror->image(name);
    if (theirs && *ours == *theirs) continue;
    if (auto r = mirror->write_image(name, *ours); !r) return r;
  }
  if (auto r = mirror->sync(); !r) return r;
  return mirror->write_first_sector(sector);
}

Result<void> Slots::State::write_image(const std::string& name, base::ByteView image) {
  if (auto r = store.write_image(name, image); !r) return r;
  if (mirrored()) on_mirror(mirror->write_image(name, image));
  return {};
}

// The procedure of docs/format.md. A failure leaves what was read out of step with the files: commit() forgets it.
Result<std::uint64_t> Slots::State::write_generation(const Touched& touched) {
  const std::uint64_t next = sector.generation + 1;
  bool changed = false;
  for (const auto& [number, slots] : touched) {
    bool rewrite = !has_leaf(number);
    if (rewrite) {
      auto secrets = SecretBytes::random(kLeafSecrets);
      if (!secrets) return secrets.error();
      cached = Cached{number, std::move(*secrets)};
      if (root.leaves.size() <= number) root.leaves.resize(number + 1);
    }
    auto secrets = leaf(number);
    if (!secrets) return secrets.error();
    for (const SlotId slot : slots) {
      const auto bytes = (*secrets)->reveal_to_write().subspan(offset_of(slot), kEraseSecret);
      rewrite = rewrite || !is_erased(bytes);
      base::wipe(bytes);
      reserved = std::max(reserved, slot + 1);
    }
    if (!rewrite) continue;
    auto key = SecretBytes::random(kAeadKey);
    if (!key) return key.error();
    auto image = seal_leaf(*key, number, next, **secrets);
    if (!image) return image.error();
    if (auto r = write_image(leaf_name(number, next), *image); !r) return r.error();
    root.leaves[number] = {std::move(*key), next};
    changed = true;
  }
  if (!changed) return sector.generation;

  root.high_water = std::max(root.high_water, reserved);
  auto key = SecretBytes::random(kAeadKey);
  if (!key) return key.error();
  const Sector new_sector{next, std::move(*key)};
  auto image = seal_root(new_sector.root_key, next, root);
  if (!image) return image.error();
  if (auto r = write_image(root_name(next), *image); !r) return r.error();
  if (auto r = store.sync(); !r) return r.error();
  if (mirrored()) on_mirror(mirror->sync());
  if (mirrored()) on_mirror(mirror->commit(new_sector));
  if (auto r = store.commit(new_sector); !r) return r.error();  // the commit point

  auto ruling = new_sector.root_key.clone();
  if (!ruling) return ruling.error();
  sector = {next, std::move(*ruling)};
  if (auto r = settle(); !r) return r.error();
  if (mirrored()) on_mirror(mirror->settle(root, next));
  if (mirrored()) {
    auto now = mirror->heads();
    if (now) mirror_heads = *now;
  }
  return next;
}

Result<std::uint64_t> Slots::State::commit(const Touched& touched) {
  auto generation = write_generation(touched);
  if (!generation) {
    heads.reset();
    cached.reset();
    settled = false;
  }
  return generation;
}

Result<void> Slots::create(const Place& place, base::Files& files) {
  State state(place, files);
  if (state.store.has_root_key() || (state.mirror && state.mirror->has_root_key()))
    return Error{Fault::usage, "there is a key-slot store already"};
  for (const SlotFolder* folder : {&state.store, state.mirror ? &*state.mirror : nullptr}) {
    if (folder == nullptr) continue;
    if (auto r = files.make_folder(folder->path()); !r) return r;
    if (auto r = files.sync_folder(folder->path().parent_path()); !r) return r;
  }
  auto lock = base::FileLock::take(state.store.lock_file(), kLockWait);
  if (!lock) return lock.error();
  if (state.mirror)
    if (auto r = state.refuse_foreign_mirror(); !r) return r;

  auto root_key = SecretBytes::random(kAeadKey);
  auto leaf_key = SecretBytes::random(kAeadKey);
  auto secrets = SecretBytes::random(kLeafSecrets);
  for (const auto* r : {&root_key, &leaf_key, &secrets})
    if (!*r) return r->error();
  auto leaf = seal_leaf(*leaf_key, 0, 1, *secrets);
  if (!leaf) return leaf.error();
  if (auto r = state.store.write_image(leaf_name(0, 1), *leaf); !r) return r;

  state.root.high_water = 1;
  state.root.leaves.push_back({std::move(*leaf_key), 1});
  state.sector = {1, std::move(*root_key)};
  auto root = seal_root(state.sector.root_key, 1, state.root);
  if (!root) return root.error();
  if (auto r = state.store.write_image(root_name(1), *root); !r) return r;
  if (auto r = state.store.sync(); !r) return r;
  if (auto r = state.store.create_root_key(state.sector); !r) return r;
  return state.mirror ? state.refill_mirror() : Result<void>();
}

Result<Slots> Slots::open(const Place& place, base::Files& files) {
  auto state = std::make_unique<State>(place, files);
  if (!state->store.has_root_key()) return state->name_mirror({Fault::damaged, "root.key: not there"});
  auto lock = base::FileLock::take(state->store.lock_file(), kLockWait);
  if (!lock) return lock.error();
  if (auto r = state->load(); !r) return state->name_mirror(r.error());
  for (std::uint32_t leaf = 0; leaf < state->root.leaves.size(); ++leaf) {
    if (!state->has_leaf(leaf)) continue;
    if (auto r = state->leaf(leaf); !r) return state->name_mirror(r.error());
  }
  if (auto r = state->begin(); !r) return r.error();
  return Slots(std::move(state));
}

Result<SecretBytes> Slots::read(SlotId slot) {
  const std::lock_guard guard(state_->mutex);
  auto secret = state_->secret(slot);
  if (secret || secret.error().fault == Fault::not_found) return secret;
  // A writer may have been at work between two of our calls: under the lock the answer is final.
  auto lock = base::FileLock::take(state_->store.lock_file(), kLockWait);
  if (!lock) return lock.error();
  state_->heads.reset();
  return state_->secret(slot);
}

Result<void> Slots::reserve(SlotId slot) {
  if (slot / kSlotsPerLeaf >= kMaxLeaves) return Error{Fault::usage, "the key-slot store has no more slots"};
  const std::lock_guard guard(state_->mutex);
  if (!state_->refresh() || !state_->has_leaf(leaf_of(slot))) {
    auto lock = base::FileLock::take(state_->store.lock_file(), kLockWait);
    if (!lock) return lock.error();
    if (auto r = state_->begin(); !r) return r;
    state_->reserved = std::max(state_->reserved, slot + 1);
    if (!state_->has_leaf(leaf_of(slot)))
      if (auto r = state_->commit({{leaf_of(slot), {}}}); !r) return r.error();
  }
  state_->reserved = std::max(state_->reserved, slot + 1);
  return {};
}

Result<std::uint64_t> Slots::erase(const std::set<SlotId>& gone) {
  const std::lock_guard guard(state_->mutex);
  if (gone.empty()) return state_->sector.generation;
  auto lock = base::FileLock::take(state_->store.lock_file(), kLockWait);
  if (!lock) return lock.error();
  if (auto r = state_->begin(); !r) return r.error();
  State::Touched touched;
  for (const SlotId slot : gone) {
    if (slot / kSlotsPerLeaf >= kMaxLeaves || !state_->has_leaf(leaf_of(slot)))
      return Error{Fault::not_found, "no such slot: the key-slot store may be older than the catalogue"};
    touched[leaf_of(slot)].push_back(slot);
  }
  return state_->commit(touched);
}

std::uint64_t Slots::generation() const {
  const std::lock_guard guard(state_->mutex);
  return state_->sector.generation;
}

SlotId Slots::high_water() const {
  const std::lock_guard guard(state_->mutex);
  return std::max(state_->root.high_water, state_->reserved);
}

Slots::Level Slots::level() const {
  const std::lock_guard guard(state_->mutex);
  if (!state_->settled) return {1, "the old root key is not overwritten yet"};
  if (state_->mirror && !state_->mirror_fault.empty()) return {1, "the mirror is away: " + state_->mirror_fault};
  for (const SlotFolder* folder : {&state_->store, state_->mirror ? &*state_->mirror : nullptr}) {
    std::string kind;
    if (folder != nullptr && !base::overwrites_in_place(folder->path(), kind))
      return {1, "the file system (" + kind + ") of " + folder->path().string() + " writes changed blocks elsewhere"};
  }
  return {2, ""};
}

Slots::Slots(std::unique_ptr<State> state) : state_(std::move(state)) {}
Slots::Slots(Slots&&) noexcept = default;
Slots& Slots::operator=(Slots&&) noexcept = default;
Slots::~Slots() = default;

}  // namespace keys
