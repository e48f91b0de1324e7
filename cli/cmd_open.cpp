#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/output_file.h"
#include "keys/age_file.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;

namespace {

struct Options {
  std::string file, out;
  bool force = false;
};

Result<void> run(Context& context, const Options& options) {
  const auto file = base::open_to_read(options.file);
  if (!file) return file.error().at("the age file");
  auto out = OutputFile::create(options.out, options.force);
  if (!out) return out.error();
  const auto sink = [&](base::ByteView bytes) { return out->write(bytes); };

  // First without an identity: a file under a password needs none, and whoever has one is not asked for its passphrase.
  bool has_password = false;
  keys::OpenWith with;
  with.ask = [&] {
    has_password = true;
    return context.passphrase("Password of the age file");
  };
  auto opened = keys::open_age_file(*file, with, sink);
  if (!opened && opened.error().fault == Fault::denied && !has_password) {
    auto identity = context.unlock();
    if (!identity) return identity.error();
    with.identity = &*identity;
    opened = keys::open_age_file(*file, with, sink);
  }
  if (!opened) return opened.error().at("the age file");
  return out->commit();
}

}  // namespace

void add_open(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("open", "Decrypt an age file with its password or an identity; needs no vault");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->file, "The age file")->required();
  command->add_option("-o,--output", options->out, "The new file, or - for stdout")->required();
  command->add_flag("--force", options->force, "Replace the file if it exists");
  command->footer("Example:\n  callvault open call.wav.age -o call.wav");
  command->callback([&context, options] { context.run = [&context, options] { return run(context, *options); }; });
}

}  // namespace cli
