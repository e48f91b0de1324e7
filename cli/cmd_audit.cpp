#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "vault/checkpoint.h"
#include "vault/role.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMaxCheckpoint = 64 * 1024;

struct Options {
  std::optional<std::uint64_t> from;
  std::uint64_t limit = 100;
  std::string checkpoint;
};

// By any service key that counts: after a rotation the daemon may sign with the old one until it reads the new one.
Result<vault::Checkpoint> newest(vault::Vault& vault, const std::string& note) {
  auto checkpoint = vault::verify_checkpoint(note, vault.service().verifier());
  for (const auto& key : vault.trust().service)
    if (!checkpoint) checkpoint = vault::verify_checkpoint(note, key);
  return checkpoint;
}

// Details are for the IT Manager only; the keys would not open them for others either.
Result<std::optional<keys::Identity>> details_key(Context& context, vault::Vault& vault) {
  auto identity = context.unlock_if_named();
  if (!identity || !*identity) return identity;
  auto actor = vault::recognise(vault, std::move(**identity));
  if (!actor) return actor.error();
  if (auto r = vault::may(actor->holder.role, vault::Action::read_audit_details); !r) return r.error();
  return std::optional(std::move(actor->identity));
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

Result<void> show(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto identity = details_key(context, *vault);
  if (!identity) return identity.error();
  std::uint64_t from = options.from.value_or(0);
  if (!options.from) {  // the newest ones
    const auto note = vault->audit().checkpoint();
    if (!note) return note.error();
    const auto head = newest(*vault, *note);
    if (!head) return head.error().at("newest checkpoint");
    from = head->tree.size - std::min(head->tree.size, options.limit);
  }
  const auto entries = vault->audit().entries(from, options.limit, *identity ? &**identity : nullptr);
  if (!entries) return entries.error();
  Json json = Json::array();
  std::vector<std::vector<std::string>> lines;
  for (const auto& entry : *entries) {
    json.push_back({{"seq", entry.seq},
                    {"time", base::rfc3339(entry.time)},
                    {"event", entry.name},
                    {"actor", entry.actor},
                    {"subjects", entry.subjects}});
    if (*identity) json.back()["details"] = entry.details.empty() ? Json(nullptr) : Json(entry.details);
    lines.push_back({std::to_string(entry.seq), base::rfc3339(entry.time), entry.name, entry.actor,
                     joined(entry.subjects), *identity ? entry.details : ""});
  }
  if (context.json) return print(json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n");
  return print(table({"SEQ", "TIME", "EVENT", "ACTOR", "ABOUT", *identity ? "DETAILS" : ""}, lines));
}

Result<void> verify(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  std::string outside;
  if (!options.checkpoint.empty()) {
    const auto text = base::read_file(options.checkpoint, kMaxCheckpoint);
    if (!text) return text.error().at("checkpoint");
    outside = base::to_text(*text);
  }
  const auto size = vault->audit().verify(vault->trust().service, outside);
  if (!size) return size.error();
  if (context.json) return print(Json{{"entries", *size}, {"ok", true}}.dump(2) + "\n");
  return print("The audit log is whole: " + std::to_string(*size) + " entries, as signed" +
               (outside.empty() ? "" : ", and as the checkpoint from outside says") + "\n");
}

Result<void> checkpoint(Context& context) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  const auto note = vault->audit().checkpoint();
  if (!note) return note.error();
  if (!context.json) return print(*note);
  const auto head = newest(*vault, *note);
  if (!head) return head.error().at("newest checkpoint");
  return print(Json{{"size", head->tree.size}, {"checkpoint", *note}}.dump(2) + "\n");
}

}  // namespace

void add_audit(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("audit", "The log of every act");
  command->require_subcommand(1);
  command->footer("Example:\n  callvault audit show --limit 20");
  auto options = std::make_shared<Options>();

  auto* showing = command->add_subcommand("show", "Show entries, the newest by default; details with an identity");
  showing->add_option("--from", options->from, "Begin with this entry (the first is 0)");
  showing->add_option("--limit", options->limit, "At most so many entries (default: 100)")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1000000}));
  showing->footer("Example:\n  callvault audit show --from 0 --limit 20 --identity ~/it-manager.age");
  showing->callback([&context, options] { context.run = [&context, options] { return show(context, *options); }; });

  auto* verifying = command->add_subcommand("verify", "Compute the whole log anew and compare it with its signature");
  verifying->add_option("--checkpoint", options->checkpoint, "An older checkpoint that was kept elsewhere");
  verifying->footer("Example:\n  callvault audit verify --checkpoint /media/usb/checkpoint.txt");
  verifying->callback([&context, options] { context.run = [&context, options] { return verify(context, *options); }; });

  auto* pointing = command->add_subcommand("checkpoint", "Print the newest signed checkpoint, to be kept elsewhere");
  pointing->footer("Example:\n  callvault audit checkpoint > /media/usb/checkpoint.txt");
  pointing->callback([&context] { context.run = [&context] { return checkpoint(context); }; });
}

}  // namespace cli
