// The key-slot store's files as hostile bytes: a sector, a root image, a leaf image, an image's name.
// What opens must be what we would write: encoding it again gives the same bytes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "keys/slot_image.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView input = std::as_bytes(std::span(data, size));

  if (const auto sector = keys::get_sector(input)) {
    const auto again = keys::put_sector(*sector);
    if (!again || !std::ranges::equal(again->reveal().first(80), input.first(80))) std::abort();
    if (!keys::may_hold_key(input)) std::abort();
  }

  // The first byte is the generation asked for, the key is 32 bytes of 0x11: seeds are sealed under it.
  auto key = base::SecretBytes::zeros(32);
  if (!key || input.empty()) return 0;
  std::ranges::fill(key->reveal_to_write(), std::byte{0x11});
  const auto generation = std::to_integer<std::uint64_t>(input[0]);
  const base::ByteView image = input.subspan(1);
  if (const auto root = keys::open_root(*key, generation, image)) {
    const auto again = keys::seal_root(*key, generation, *root);
    if (!again || again->size() != image.size()) std::abort();
  }
  if (const auto secrets = keys::open_leaf(*key, 3, generation, image)) {
    const auto again = keys::seal_leaf(*key, 3, generation, *secrets);
    if (!again || !std::ranges::equal(*again, image)) std::abort();
  }

  if (const auto name = keys::parse_image_name(base::as_text(input))) {
    const auto again = name->leaf ? keys::leaf_name(*name->leaf, name->generation) : keys::root_name(name->generation);
    if (again != base::as_text(input)) std::abort();
  }
  return 0;
}
