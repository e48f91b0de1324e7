#include "vault/checkpoint.h"

#include <algorithm>
#include <array>

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

std::string Checkpoint::print() const {
  return origin + "\n" + std::to_string(tree.size) + "\n" + base::base64(tree.root) + "\n";
}

Result<Checkpoint> Checkpoint::parse(std::string_view text) {
  const Error damaged{Fault::damaged, "not a checkpoint"};
  std::array<std::string_view, 3> lines;
  for (std::string_view& line : lines) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return damaged;
    line = text.substr(0, end);
    text.remove_prefix(end + 1);
  }
  const auto size = keys::note_number(lines[1]);
  const auto root = base::unbase64(lines[2]);
  if (lines[0].empty() || !size || !root || root->size() != sizeof(TreeHash) || !text.empty()) return damaged;
  Checkpoint out{std::string(lines[0]), {*size, {}}};
  std::ranges::copy(*root, out.tree.root.begin());
  if (*size == 0 && out.tree.root != tree_root({})) return damaged;
  return out;
}

Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, const keys::NoteSigner& signer) {
  if (checkpoint.origin != signer.verifier().name())
    return Error{Fault::usage, "a checkpoint is signed by the key that has its origin as name"};
  return signer.sign(checkpoint.print());
}

Result<Checkpoint> verify_checkpoint(std::string_view note, const keys::NoteVerifier& key) {
  const auto verified = keys::verify_note(note, {key});
  if (!verified) return verified.error().at("checkpoint");
  auto checkpoint = Checkpoint::parse(verified->text);
  if (checkpoint && checkpoint->origin != key.name())
    return Error{Fault::damaged, "checkpoint: of another origin than the key that signed it"};
  return checkpoint;
}

}  // namespace vault
