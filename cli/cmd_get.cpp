#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/output_file.h"
#include "keys/kdf.h"
#include "vault/open_recording.h"
#include "vault/restriction.h"
#include "vault/role.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::size_t kPiece = 4 * keys::kChunk;

struct Options {
  std::string id, out;
  bool age = false, force = false;
};

// Before anything leaves: no audit, no act.
Result<void> note(vault::Vault& vault, const vault::Actor& actor, const std::string& event, const std::string& id) {
  return vault.audit().act([&] { return vault.audit().note({event, actor.holder.name, {id}, ""}); });
}

// header || object is an age file for the identity that asked.
Result<void> write_age(vault::Vault& vault, const vault::OpenRecording& recording, OutputFile& out) {
  const std::string& id = recording.row.columns.recording;
  const auto object = vault.store().open(id);
  if (!object) return object.error();
  if (auto r = out.write(recording.header); !r) return r;
  keys::Sha256Stream hash;
  base::Bytes piece(kPiece);
  for (std::uint64_t at = 0;;) {
    const auto n = base::read_at(object->get(), at, piece);
    if (!n) return n.error().at("object " + id);
    const auto bytes = std::span(piece).first(*n);
    hash.update(bytes);
    if (auto r = out.write(bytes); !r) return r;
    at += *n;
    if (*n < piece.size()) break;
  }
  if (base::hex(hash.finish()) != recording.record.object_sha256)
    return Error{Fault::damaged, id + ": the object is not the one in the ingest record"};
  return out.commit();
}

Result<void> run(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  if (auto r = vault::may(actor->holder.role, vault::Action::read_recording); !r) return r;
  // A restricted one is read for legal claims and for the person whose call it is: the IT Manager decides.
  if (!vault::may(actor->holder.role, vault::Action::read_restricted)) {
    if (auto r = vault::unrestricted(*vault, options.id); !r) return r;
  }
  auto recording = vault::open_recording(*vault, options.id, actor->identity);
  if (!recording) return recording.error();
  auto reader = vault::open_audio(*vault, *recording);  // the end is verified: it is not cut
  if (!reader) return reader.error();
  auto out = OutputFile::create(options.out, options.force);
  if (!out) return out.error();
  if (!options.age) {
    if (auto r = note(*vault, *actor, "recording.read", options.id); !r) return r;
    const auto copied = vault::copy_audio(*recording, *reader, [&](base::ByteView bytes) { return out->write(bytes); });
    return copied ? out->commit() : copied;
  }
  if (auto r = note(*vault, *actor, "recording.exported", options.id); !r) return r;
  if (auto r = write_age(*vault, *recording, *out); !r) return r;
  say_warning("this copy cannot be recalled: it opens with your identity also after the recording is erased here");
  return {};
}

}  // namespace

void add_get(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("get", "Take a recording out, decrypted or as an age file; needs an identity");
  auto options = std::make_shared<Options>();
  command->add_option("ID", options->id, "The recording")->required();
  command->add_option("-o,--output", options->out, "The new file, or - for stdout")->required();
  command->add_flag("--age", options->age, "Leave it encrypted: an age file that your identity opens");
  command->add_flag("--force", options->force, "Replace the file if it exists");
  command->footer("Example:\n  callvault get r-7h2k9m4p1q8s5t3v -o call.wav --identity ~/it-manager.age");
  command->callback([&context, options] { context.run = [&context, options] { return run(context, *options); }; });
}

}  // namespace cli
