#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/key_file.h"
#include "cli/output.h"
#include "cli/prompt.h"
#include "cli/role_report.h"
#include "vault/drill.h"
#include "vault/identity_file.h"
#include "vault/role.h"
#include "vault/server_keys.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using Json = nlohmann::ordered_json;

namespace {

struct Options {
  std::string out, new_passphrase_file, name, key;
  std::string recovered = "it-manager";
  bool service = false, host_key = false, switch_over = false;
  std::size_t sample = 20;
};

Result<void> make(Context& context, const Options& options) {
  if (auto r = vault::check_identity_place(options.out); !r) return r;
  auto passphrase = context.passphrase_file.empty() ? [&] {
    if (!terminal_there()) context.hint = "give --passphrase-file FILE";
    return ask_new_passphrase("New passphrase for the identity");
  }() : context.passphrase("");
  if (!passphrase) return passphrase.error();
  const auto identity = keys::Identity::generate();
  if (!identity) return identity.error();
  if (auto r = vault::write_identity(options.out, *identity, "callvault identity", *passphrase); !r) return r;
  const auto json = print_keys(*identity);
  if (!json) return json.error();
  if (context.json) return print(*json);
  return print(
      "Made an identity in " + escaped(options.out) +
      "\n  It and its passphrase are yours alone. What follows is public: whoever gives you a role needs it as\n"
      "  a file (or print it again by \"callvault key show --json\").\n\n" +
      *json);
}

Result<void> show(Context& context) {
  const auto identity = context.unlock();
  if (!identity) return identity.error();
  const auto json = print_keys(*identity);
  if (!json) return json.error();
  return print(*json);
}

Result<void> change_passphrase(Context& context, const Options& options) {
  bool locked = false;
  if (context.identity_file.empty()) return context.unlock().error();
  const auto identity = keys::read_identity(context.identity_file, [&] {
    locked = true;
    return context.passphrase("Present passphrase of the identity file");
  });
  if (!identity) return identity.error();
  if (!locked)
    return Error{Fault::usage, "this identity file has no passphrase: it is for paper; \"age -p\" makes a locked copy"};
  auto passphrase = context.new_passphrase(options.new_passphrase_file, "New passphrase");
  if (!passphrase) return passphrase.error();
  if (auto r = vault::write_passphrase(context.identity_file, *identity, *passphrase); !r) return r;
  if (context.json) return print(Json{{"changed", true}}.dump(2) + "\n");
  return print("The identity file has its new passphrase. Copies of it made before still open with the old one.\n");
}

// The identity of -o: made here, or the one that a cut run has made.
Result<keys::Identity> next_identity(Context& context, const Options& options) {
  if (auto r = vault::check_identity_folder(options.out); !r) return r.error();
  auto passphrase = context.new_passphrase(options.new_passphrase_file, "Passphrase of the new identity");
  if (!passphrase) return passphrase.error();
  if (base::exists(options.out)) {
    auto there = keys::read_identity(options.out, [&] { return passphrase->clone(); });
    if (!there) return there.error().at("-o names a file that is there already");
    return there;
  }
  auto identity = keys::Identity::generate();
  if (!identity) return identity;
  if (auto r = vault::write_identity(options.out, *identity, "callvault identity", *passphrase); !r) return r.error();
  return identity;
}

Result<void> rotate_own(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto old = context.unlock();
  if (!old) return old.error();
  auto lock = vault::lock_roles(*vault);
  if (!lock) return lock.error();
  const auto* holder = vault->roster().holding(old->recipient());
  if (holder != nullptr) {  // before a file is made
    if (auto r = vault::may(holder->role, vault::Action::rotate_keys); !r) {
      context.hint =
          "\"callvault key new\" makes new keys; an IT Manager enters them by \"callvault key rotate --name " +
          holder->name + " --key FILE.json\"";
      return r;
    }
  } else if (!base::exists(options.out)) {
    return Error{Fault::denied, "this identity holds no role in this vault"};
  }
  auto next = next_identity(context, options);
  if (!next) return next.error();
  const auto done = vault::rotate_identity(*vault, *old, *next);
  if (!done) return done.error();
  return finish_role_change(context, *vault, *old, *done, "your keys are those of " + escaped(options.out));
}

Result<void> rotate_other(Context& context, const Options& options) {
  const auto key = read_key_file(options.key);
  if (!key) return key.error();
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  auto lock = vault::lock_roles(*vault);
  if (!lock) return lock.error();
  const auto done = vault::replace_keys(*vault, *actor, options.name, key->recipient, key->signing_key);
  if (!done) return done.error();
  return finish_role_change(context, *vault, actor->identity, *done, options.name + " has the new keys");
}

Result<void> rotate_service(Context& context) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  auto lock = vault::lock_roles(*vault);
  if (!lock) return lock.error();
  if (auto r = vault::rotate_service_key(*vault, *actor); !r) return r;
  say_warning("trust.toml has changed: renew the copies of it that are kept elsewhere");
  say_hint("a running callvaultd follows by itself");
  const std::string key = vault->service().verifier().text();
  if (context.json) return print(Json{{"service_key", key}}.dump(2) + "\n");
  return print("The service key is new; what the old one signed still verifies.\n  " + key + "\n");
}

Result<void> rotate_host(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  auto lock = vault::lock_roles(*vault);
  if (!lock) return lock.error();
  const auto fingerprint =
      options.switch_over ? vault::switch_host_key(*vault, *actor) : vault::make_next_host_key(*vault, *actor);
  if (!fingerprint) return fingerprint.error();
  if (context.json) return print(Json{{"fingerprint", *fingerprint}, {"in_use", options.switch_over}}.dump(2) + "\n");
  if (options.switch_over)
    return print("The host key is now ED25519 " + *fingerprint +
                 "\n  Restart callvaultd: until then it shows the old one.\n");
  return print("The next host key will be ED25519 " + *fingerprint +
               "\n  \"callvault hostkey\" and letters show both from now on. When customers know it:\n"
               "  callvault key rotate --host-key --switch\n");
}

Result<void> rotate(Context& context, const Options& options) {
  const int kinds = (options.out.empty() ? 0 : 1) + (options.name.empty() ? 0 : 1) + (options.service ? 1 : 0) +
                    (options.host_key ? 1 : 0);
  if (kinds != 1)
    return Error{Fault::usage, "say which key: -o FILE (your own), --name NAME --key FILE, --service, or --host-key"};
  if (options.name.empty() != options.key.empty()) return Error{Fault::usage, "--name and --key go together"};
  if (options.switch_over && !options.host_key) return Error{Fault::usage, "--switch goes with --host-key"};
  if (options.service) return rotate_service(context);
  if (options.host_key) return rotate_host(context, options);
  return options.name.empty() ? rotate_own(context, options) : rotate_other(context, options);
}

Result<void> recover(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto recovery = context.unlock_actor(*vault);
  if (!recovery) return recovery.error();
  if (auto r = vault::may(recovery->holder.role, vault::Action::name_it_manager); !r) return r;
  auto lock = vault::lock_roles(*vault);
  if (!lock) return lock.error();
  auto next = next_identity(context, options);
  if (!next) return next.error();
  const auto done = vault::recover(*vault, recovery->identity, *next, options.recovered);
  if (!done) return done.error();
  return finish_role_change(context, *vault, recovery->identity, *done,
                            options.recovered + " of " + escaped(options.out) + " is the only IT Manager");
}

Result<void> drill(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto recovery = context.unlock_actor(*vault);
  if (!recovery) return recovery.error();
  const auto result = [&] {
    Progress progress("recordings", options.sample);
    return vault::drill_recovery(*vault, *recovery, options.sample, [&] { progress.step(); });
  }();
  if (!result) return result.error();
  Json failed = Json::array();
  for (const auto& error : result->failed) {
    failed.push_back(error.what);
    if (!context.json) say_error(error.what);
  }
  const std::string opened = std::to_string(result->opened.size());
  const auto printed =
      context.json
          ? print(Json{{"held", result->held}, {"opened", result->opened}, {"failed", failed}}.dump(
                      2, ' ', true, Json::error_handler_t::replace) +
                  "\n")
          : print("The recovery identity opened " + opened + " of " +
                  std::to_string(result->opened.size() + result->failed.size()) +
                  " recordings, each to its last byte, of " + std::to_string(result->held) + " that are held\n");
  if (!printed || result->failed.empty()) return printed;
  return Error{Fault::damaged, std::to_string(result->failed.size()) + " recordings do not open with the recovery"};
}

}  // namespace

void add_key(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("key", "Identities, passphrases, and the keys of the server");
  command->require_subcommand(1);
  command->footer("Example:\n  callvault key new -o tom.age --json > tom.json");
  auto options = std::make_shared<Options>();
  const auto passphrase_option = [options](CLI::App* to) {
    to->add_option("--new-passphrase-file", options->new_passphrase_file,
                   "Its first line is the new passphrase; else it is asked");
  };
  const auto runs = [&context, options](CLI::App* sub, Result<void> (*act)(Context&, const Options&)) {
    sub->callback(
        [&context, options, act] { context.run = [&context, options, act] { return act(context, *options); }; });
  };

  auto* making = command->add_subcommand("new", "Make an identity under a passphrase; prints its public keys");
  making->add_option("-o,--output", options->out, "The new file, outside of every vault's folder")->required();
  making->footer("Example:\n  callvault key new -o tom.age --json > tom.json");
  runs(making, make);

  auto* showing = command->add_subcommand("show", "Print the public keys of an identity again");
  showing->footer("Example:\n  callvault key show --identity tom.age > tom.json");
  showing->callback([&context] { context.run = [&context] { return show(context); }; });

  auto* locking = command->add_subcommand("passphrase", "Give your identity file another passphrase");
  passphrase_option(locking);
  locking->footer("Example:\n  callvault key passphrase --identity ~/it-manager.age");
  runs(locking, change_passphrase);

  auto* rotating = command->add_subcommand("rotate", "Replace a key by a new one; the old one then opens nothing");
  rotating->add_option("-o,--output", options->out, "Your own: where the new identity goes");
  passphrase_option(rotating);
  rotating->add_option("--name", options->name, "Somebody else's keys");
  rotating->add_option("--key", options->key, "Their new public keys, as \"callvault key new --json\" printed them");
  rotating->add_flag("--service", options->service, "The server's key that signs records and the audit log");
  rotating->add_flag("--host-key", options->host_key, "The SSH host key: makes the next one, shown beside the present");
  rotating->add_flag("--switch", options->switch_over, "Take the next host key into use");
  rotating->footer("Example:\n  callvault key rotate -o ~/it-manager-2027.age");
  runs(rotating, rotate);

  auto* recovering = command->add_subcommand(
      "recover", "The IT Manager's identity is lost: the recovery identity names a new one, and nobody else stays");
  recovering->add_option("-o,--output", options->out, "Where the new IT Manager's identity goes")->required();
  passphrase_option(recovering);
  recovering->add_option("--name", options->recovered, "The new IT Manager's name (default: it-manager)");
  recovering->footer("Example:\n  callvault key recover --identity recovery.txt -o ~/it-manager-new.age");
  runs(recovering, recover);

  auto* drilling = command->add_subcommand(
      "drill", "Prove that the recovery identity opens recordings: reads a random sample and writes no audio");
  drilling->add_option("--sample", options->sample, "How many recordings (default: 20)")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1000000}));
  drilling->footer("Example:\n  callvault key drill --identity recovery.txt --sample 100");
  runs(drilling, drill);
}

}  // namespace cli
