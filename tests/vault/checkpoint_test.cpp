#include "vault/checkpoint.h"

#include "tests/testkit/expect.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must;

const std::string kOrigin = "vault.example/audit";

keys::NoteSigner signer_of(std::string_view name, unsigned char fill) {
  base::Bytes bytes(32, std::byte{fill});
  return must(keys::NoteSigner::create(name, must(base::SecretBytes::take(std::span(bytes)))));
}

const keys::NoteSigner kService = signer_of(kOrigin, 1);

Checkpoint checkpoint(std::uint64_t size) {
  Checkpoint out{kOrigin, {size, tree_root({})}};
  if (size > 0) out.tree.root = leaf_hash(base::as_bytes(std::to_string(size)));
  return out;
}

const std::string kRoot = base::base64(checkpoint(7).tree.root);

// A text with a right signature.
base::Result<Checkpoint> verify_text(const std::string& text) {
  return verify_checkpoint(must(kService.sign(text)), kService.verifier());
}

TEST(Checkpoint, TextIsTheOneOfTheSpecification) {
  EXPECT_EQ(checkpoint(7).print(), "vault.example/audit\n7\neXQnz4NoBR/nuOPp1a3pxbydDPlvTz+tKh4deEg2gYg=\n");
  EXPECT_EQ(checkpoint(0).print(), kOrigin + "\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
}

TEST(Checkpoint, IsReadAndPrintedTheSame) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000000}, UINT64_MAX}) {
    const std::string text = checkpoint(size).print();
    const auto parsed = Checkpoint::parse(text);
    ASSERT_OK(parsed);
    EXPECT_EQ(*parsed, checkpoint(size));
    EXPECT_EQ(parsed->print(), text);
  }
}

TEST(Checkpoint, IsSignedAndVerified) {
  const auto verified = verify_checkpoint(must(sign_checkpoint(checkpoint(7), kService)), kService.verifier());
  ASSERT_OK(verified);
  EXPECT_EQ(*verified, checkpoint(7));
}

TEST(CheckpointDamage, AnyBitFlipped) {
  const std::string note = must(sign_checkpoint(checkpoint(7), kService));
  for (std::size_t i = 0; i < note.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = note;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      EXPECT_FALSE(verify_checkpoint(bad, kService.verifier())) << "byte " << i << " bit " << bit;
    }
}

TEST(CheckpointDamage, Unsigned) {
  EXPECT_FAULT(Fault::damaged, verify_checkpoint(checkpoint(7).print(), kService.verifier()));
}

TEST(CheckpointDamage, UnknownKey) {
  const auto other = signer_of(kOrigin, 2);
  EXPECT_FAULT(Fault::denied, verify_checkpoint(must(sign_checkpoint(checkpoint(7), other)), kService.verifier()));
}

TEST(CheckpointDamage, OfAnotherOriginThanItsKey) {
  Checkpoint foreign = checkpoint(7);
  foreign.origin = "other.example/audit";
  EXPECT_FAULT(Fault::usage, sign_checkpoint(foreign, kService));
  EXPECT_FAULT(Fault::damaged, verify_text(foreign.print()));
}

// The service key signs other texts too: none of them passes as a checkpoint, and no checkpoint as one of them.
TEST(CheckpointDamage, TextOfAnotherKind) {
  EXPECT_FAULT(Fault::damaged, verify_text("callvault/v1/certificate\nsize: 7\nroot: " + kRoot + "\n"));
  EXPECT_FAULT(Fault::damaged, verify_text(kOrigin + "\n"));
  EXPECT_FAULT(Fault::damaged, keys::NoteFields::parse(checkpoint(7).print(), kOrigin));
  EXPECT_FAULT(Fault::damaged, keys::NoteFields::parse(checkpoint(7).print(), "callvault/v1/certificate"));
}

TEST(CheckpointDamage, ExtensionLine) {
  EXPECT_FAULT(Fault::damaged, verify_text(checkpoint(7).print() + "extension\n"));
  EXPECT_FAULT(Fault::damaged, verify_text(checkpoint(7).print() + "\n"));
}

TEST(CheckpointDamage, LineMissing) {
  EXPECT_FAULT(Fault::damaged, verify_text(kOrigin + "\n7\n"));
  EXPECT_FAULT(Fault::damaged, verify_text("7\n" + kRoot + "\n"));
  EXPECT_FAULT(Fault::damaged, verify_text("\n7\n" + kRoot + "\n"));
}

TEST(CheckpointDamage, CarriageReturnOrControlCharacter) {
  const std::string note = must(sign_checkpoint(checkpoint(7), kService));
  for (const char c : {'\r', '\t', '\0', '\x1b', '\x7f'})
    for (const std::size_t at : {kOrigin.size(), kOrigin.size() + 2, note.size() - 1}) {
      std::string bad = note;
      bad.insert(at, 1, c);
      EXPECT_FAULT(Fault::damaged, verify_checkpoint(bad, kService.verifier())) << int{c} << " at " << at;
    }
}

TEST(CheckpointDamage, SizeInAnotherForm) {
  for (const std::string size : {"", "07", "+7", "-7", " 7", "7 ", "7.0", "18446744073709551616"})
    EXPECT_FAULT(Fault::damaged, verify_text(kOrigin + "\n" + size + "\n" + kRoot + "\n")) << size;
}

TEST(CheckpointDamage, RootInAnotherFormOrLength) {
  const TreeHash root = checkpoint(7).tree.root;
  const std::byte more{0};
  const base::Bytes longer = base::concat({root, {&more, 1}});
  for (const std::string& text : {std::string(), base::hex(root), kRoot.substr(0, 43), kRoot + "=", " " + kRoot,
                                  kRoot + " ", base::base64(base::ByteView(root).first(31)), base::base64(longer)})
    EXPECT_FAULT(Fault::damaged, verify_text(kOrigin + "\n7\n" + text + "\n")) << text;
}

TEST(CheckpointDamage, EmptyTreeWithARoot) {
  EXPECT_FAULT(Fault::damaged, verify_text(kOrigin + "\n0\n" + kRoot + "\n"));
}

}  // namespace
}  // namespace vault
