#include "keys/slot_image.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "keys/aead.h"
#include "keys/kdf.h"

namespace keys {
namespace {

using base::Bytes, base::ByteView, base::Error, base::Fault, base::Result, base::SecretBytes;

constexpr std::string_view kMagic{"CVSLOT\0\1", 8};
constexpr std::size_t kHeader = 64;
constexpr std::size_t kSectorFields = 48;  // magic, generation, root key
constexpr std::size_t kLeafEntry = kAeadKey + 8;
constexpr std::uint32_t kRootLeaf = std::numeric_limits<std::uint32_t>::max();
constexpr std::array<std::byte, kChachaNonce> kNonce{};

Bytes header(std::uint32_t leaf, std::uint64_t generation, std::uint32_t count) {
  Bytes out;
  base::put_raw(out, base::as_bytes(kMagic));
  base::put_u32(out, leaf);
  base::put_u64(out, generation);
  base::put_u32(out, count);
  out.resize(kHeader);
  return out;
}

Result<Bytes> seal(const SecretBytes& key, const Bytes& head, const SecretBytes& plain) {
  auto sealed = chacha_seal(key, kNonce, head, plain.reveal());
  if (!sealed) return sealed.error();
  return base::concat({head, *sealed});
}

// The header of an image is not trusted: it must be the one that we would write.
Result<SecretBytes> open(const SecretBytes& key, const Bytes& head, ByteView image) {
  if (image.size() < kHeader || !std::ranges::equal(image.first(kHeader), head))
    return Error{Fault::damaged, "not the image that its name says"};
  return chacha_open(key, kNonce, head, image.subspan(kHeader));
}

void put(std::span<std::byte>& at, ByteView bytes) {
  std::ranges::copy(bytes, at.begin());
  at = at.subspan(bytes.size());
}

void put(std::span<std::byte>& at, std::uint64_t number) {
  Bytes bytes;
  base::put_u64(bytes, number);
  put(at, bytes);
}

template <class Number>
bool take_number(std::string_view& text, Number& out) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
  const auto size = static_cast<std::size_t>(end - text.data());
  const bool canonical = code == std::errc{} && (size == 1 || text.front() != '0');
  text.remove_prefix(size);
  return canonical;
}

bool take_text(std::string_view& text, std::string_view wanted) {
  const bool found = text.starts_with(wanted);
  if (found) text.remove_prefix(wanted.size());
  return found;
}

}  // namespace

std::string leaf_name(std::uint32_t leaf, std::uint64_t generation) {
  return "leaf." + std::to_string(leaf) + "." + std::to_string(generation);
}

std::string root_name(std::uint64_t generation) { return "root." + std::to_string(generation); }

std::optional<ImageName> parse_image_name(std::string_view name) {
  ImageName out;
  if (take_text(name, "leaf.")) {
    if (!take_number(name, out.leaf.emplace()) || !take_text(name, ".")) return std::nullopt;
  } else if (!take_text(name, "root.")) {
    return std::nullopt;
  }
  if (!take_number(name, out.generation) || !name.empty()) return std::nullopt;
  return out;
}

Result<Bytes> seal_leaf(const SecretBytes& key, std::uint32_t leaf, std::uint64_t generation,
                        const SecretBytes& secrets) {
  return seal(key, header(leaf, generation, kSlotsPerLeaf), secrets);
}

Result<SecretBytes> open_leaf(const SecretBytes& key, std::uint32_t leaf, std::uint64_t generation, ByteView image) {
  if (image.size() != kLeafImage) return Error{Fault::damaged, "a leaf of another size"};
  return open(key, header(leaf, generation, kSlotsPerLeaf), image);
}

Result<Bytes> seal_root(const SecretBytes& key, std::uint64_t generation, const Root& root) {
  auto plain = SecretBytes::zeros(8 + root.leaves.size() * kLeafEntry);
  if (!plain) return plain.error();
  auto at = plain->reveal_to_write();
  put(at, root.high_water);
  for (const LeafKey& leaf : root.leaves) {
    if (leaf.generation == 0) {
      at = at.subspan(kLeafEntry);
      continue;
    }
    put(at, leaf.key.reveal());
    put(at, leaf.generation);
  }
  return seal(key, header(kRootLeaf, generation, static_cast<std::uint32_t>(root.leaves.size())), *plain);
}

Result<Root> open_root(const SecretBytes& key, std::uint64_t generation, ByteView image) {
  constexpr std::size_t fixed = kHeader + 8 + kAeadTag;
  if (image.size() < fixed || image.size() > kMaxRootImage || (image.size() - fixed) % kLeafEntry != 0)
    return Error{Fault::damaged, "a root of another size"};
  const auto count = static_cast<std::uint32_t>((image.size() - fixed) / kLeafEntry);
  auto plain = open(key, header(kRootLeaf, generation, count), image);
  if (!plain) return plain.error();
  base::Reader in(plain->reveal());
  Root root;
  root.high_water = *in.u64();
  for (std::uint32_t i = 0; i < count; ++i) {
    auto leaf_key = SecretBytes::copy_of(*in.raw(kAeadKey));
    if (!leaf_key) return leaf_key.error();
    const std::uint64_t leaf_generation = *in.u64();
    if (leaf_generation > generation) return Error{Fault::damaged, "a leaf newer than its root"};
    if (leaf_generation == 0) leaf_key = SecretBytes();
    root.leaves.push_back({std::move(*leaf_key), leaf_generation});
  }
  return root;
}

Result<SecretBytes> put_sector(const Sector& sector) {
  auto out = SecretBytes::zeros(kSector);
  if (!out) return out;
  auto at = out->reveal_to_write();
  put(at, base::as_bytes(kMagic));
  put(at, sector.generation);
  put(at, sector.root_key.reveal());
  put(at, sha256(out->reveal().first(kSectorFields)));
  return out;
}

Result<Sector> get_sector(ByteView sector) {
  if (sector.size() != kSector || !may_hold_key(sector)) return Error{Fault::damaged, "no root key in this sector"};
  const Sha256 sum = sha256(sector.first(kSectorFields));
  if (!std::ranges::equal(sum, sector.subspan(kSectorFields, sum.size())))
    return Error{Fault::damaged, "a torn or damaged sector"};
  base::Reader in(sector.subspan(kMagic.size()));
  Sector out;
  out.generation = *in.u64();
  auto key = SecretBytes::copy_of(*in.raw(kAeadKey));
  if (!key) return key.error();
  out.root_key = std::move(*key);
  if (out.generation == 0) return Error{Fault::damaged, "generation 0 does not exist"};
  return out;
}

bool may_hold_key(ByteView sector) { return base::as_text(sector).starts_with(kMagic); }

}  // namespace keys
