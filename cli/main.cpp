// callvault: the command line of the vault's managers. Reads the command line, runs one command, and turns its error
// into a message and an exit code: the values of base::Fault.
#include <CLI/CLI.hpp>
#include <cctype>

#include "base/process.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace {

constexpr std::size_t kLockedMemory = std::size_t{512} * 1024;

void add_everything(CLI::App& app, cli::Context& context) {
  app.fallthrough();  // global options may stand behind the command too
  app.require_subcommand(1);
  app.set_version_flag("--version", "callvault " CALLVAULT_VERSION);
  app.add_option("--vault", context.vault_folder, "Folder of the vault")->envname("CALLVAULT_DIR");
  app.add_option("--identity", context.identity_file, "Your identity file")->envname("CALLVAULT_IDENTITY");
  app.add_option("--passphrase-file", context.passphrase_file, "Its first line is the passphrase; else it is asked");
  app.add_flag("--json", context.json, "Print the result as JSON");
  app.footer(
      "Exit codes: 0 done, 1 failed or some of several failed, 2 usage, 3 not found or nothing to do, 4 denied or\n"
      "wrong passphrase, 5 expired, 6 damaged, 7 busy, 8 restricted\n\n"
      "Example:\n  callvault deliver acme --all --vault /srv/callvault --identity ~/it-manager.age");
  for (const auto add :
       {cli::add_init,     cli::add_customer, cli::add_ingest,  cli::add_watch,    cli::add_list,  cli::add_show,
        cli::add_get,      cli::add_verify,   cli::add_deliver, cli::add_delivery, cli::add_grant, cli::add_standing,
        cli::add_restrict, cli::add_release,  cli::add_open,    cli::add_audit,    cli::add_check, cli::add_hostkey,
        cli::add_role,     cli::add_key,      cli::add_recorder})
    add(app, context);
}

std::string command_names(const CLI::App& app) {
  std::string names;
  for (const auto* command : app.get_subcommands({})) names += (names.empty() ? "" : " ") + command->get_name();
  return names;
}

// "role add", say.
std::string command_named(const CLI::App& app) {
  std::string name;
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    name += (name.empty() ? "" : " ") + at->get_name();
  }
  return name;
}

// A wrong command line: what is wrong with it, and where help is.
int usage_error(const CLI::App& app, std::string what) {
  const auto named = app.get_subcommands();
  const auto unknown = app.remaining();
  if (named.empty() && !unknown.empty()) what = "unknown command or option: " + unknown.front();
  // The library's sentences begin with a capital; names of options and arguments stay as they are.
  if (what.size() > 1 && std::islower(static_cast<unsigned char>(what[1])) != 0)
    what[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(what[0])));
  cli::say_error(what);
  if (named.empty()) {
    cli::say_hint("the commands are: " + command_names(app));
  } else {
    cli::say_hint("\"callvault " + named.front()->get_name() + " --help\" explains it");
  }
  return static_cast<int>(base::Fault::usage);
}

int report(const base::Error& error, const std::string& hint) {
  cli::say_error(error.what);
  if (!hint.empty()) cli::say_hint(hint);
  return static_cast<int>(error.fault);
}

}  // namespace

int main(int argc, char** argv) {
  if (auto r = base::harden_process(); !r) return report(r.error(), "");
  if (auto r = base::require_lockable_memory(kLockedMemory); !r) return report(r.error(), "");
  cli::Context context;
  CLI::App app("Keeps call recordings encrypted, and hands them over once", "callvault");
  add_everything(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help and --version
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error.what());
  }
  auto r = context.run();
  if (r) return 0;
  if (r.error().fault == base::Fault::denied) context.note_refusal(command_named(app));
  return report(r.error(), context.hint);
}
