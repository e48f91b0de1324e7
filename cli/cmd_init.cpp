#include <CLI/CLI.hpp>
#include <boost/filesystem/operations.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/prompt.h"
#include "vault/init.h"

namespace cli {

using base::Result;
using Json = nlohmann::ordered_json;

namespace {

struct Options {
  std::string folder, operator_name, identity_out, recovery_out;
};

std::string full(const std::string& path) {
  boost::system::error_code failed;
  const base::Path absolute = boost::filesystem::system_complete(path, failed);
  return failed ? path : absolute.lexically_normal().string();
}

std::string report(const vault::Made& made, const Options& options) {
  const std::string identity = escaped(full(options.identity_out));
  std::string text = "Made vault " + made.vault_id + " in " + escaped(full(options.folder)) + "\n\n";
  text += "  IT Manager  " + made.it_manager + "\n";
  text += "  recovery    " + made.recovery + "\n";
  text += "  host key    ED25519 " + made.fingerprint + "\n\n";
  text += "Your identity: " + identity + "\n";
  text +=
      "  With its passphrase it opens every recording of this vault. Keep it and a copy outside of the\n"
      "  vault's machine; without it, and without the recovery identity, nothing opens any more.\n\n";
  text += "Recovery identity: " + escaped(full(options.recovery_out)) + "\n";
  text += "  It has no passphrase and opens everything too. Print it, lock the paper away, and delete the file:\n";
  text += "  it is for the day on which the IT Manager's identity is lost.\n\n";
  text +=
      "The IT Manager is also the data protection officer: nobody watches over the other. That is why\n"
      "each act is written to a log that cannot be changed unnoticed, also the IT Manager's own.\n\n";
  text += "Next:\n";
  text += "  export CALLVAULT_DIR=" + escaped(full(options.folder)) + " CALLVAULT_IDENTITY=" + identity + "\n";
  text += "  callvault customer add acme --name \"Acme Ltd\"\n";
  return text;
}

Result<void> run(Context& context, const Options& options) {
  auto passphrase = context.passphrase_file.empty() ? [&] {
    if (!terminal_there()) context.hint = "give --passphrase-file FILE";
    return ask_new_passphrase("New passphrase for the IT Manager's identity");
  }() : read_passphrase_file(context.passphrase_file);
  if (!passphrase) return passphrase.error();
  const vault::NewVault wanted{options.folder, options.operator_name, options.identity_out, options.recovery_out};
  const auto made = vault::init(wanted, *passphrase, context.clock);
  if (!made) return made.error();
  if (!made->warning.empty()) say_warning("erasures are certified at level 1 only: " + made->warning);
  if (!context.json) return print(report(*made, options));
  const Json json{{"vault", made->vault_id},
                  {"folder", full(options.folder)},
                  {"it_manager", made->it_manager},
                  {"recovery", made->recovery},
                  {"fingerprint", made->fingerprint},
                  {"identity_file", full(options.identity_out)},
                  {"recovery_file", full(options.recovery_out)},
                  {"warning", made->warning.empty() ? Json(nullptr) : Json(made->warning)}};
  return print(json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n");
}

}  // namespace

void add_init(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("init", "Make a new vault, and the identities that open what will lie in it");
  auto options = std::make_shared<Options>();
  command->add_option("DIR", options->folder, "Folder of the vault; it must not exist, or be empty")->required();
  command->add_option("--operator", options->operator_name, "Who runs this vault: the company's name")->required();
  command->add_option("--identity-out", options->identity_out, "Where the IT Manager's identity goes, outside of DIR")
      ->required();
  command->add_option("--recovery-out", options->recovery_out, "Where the recovery identity goes, to be printed")
      ->required();
  command->footer(
      "Example:\n  callvault init /srv/callvault --operator \"Acme Telecom Ltd\" --identity-out ~/it-manager.age "
      "--recovery-out ~/recovery.txt");
  command->callback([&context, options] { context.run = [&context, options] { return run(context, *options); }; });
}

}  // namespace cli
