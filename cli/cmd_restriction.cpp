#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "vault/restriction.h"
#include "vault/role.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using Json = nlohmann::ordered_json;

namespace {

struct Options {
  std::vector<std::string> ids;
  std::string reason;
};

// What restrict and release do differently.
struct Kind {
  vault::Action action;
  const char* done;  // "restricted"
  // Does it, and says what follows from it.
  Result<std::string> (*act)(vault::Vault&, const vault::Actor&, const std::string& id, const std::string& reason);
};

Result<std::string> restrict_one(vault::Vault& vault, const vault::Actor& actor, const std::string& id,
                                 const std::string& reason) {
  if (auto r = vault::restrict_recording(vault, actor, id, reason); !r) return r.error();
  return std::string("it is not delivered and not erased until it is released");
}

Result<std::string> release_one(vault::Vault& vault, const vault::Actor& actor, const std::string& id,
                                const std::string& reason) {
  auto released = vault::release_recording(vault, actor, id, reason);
  if (!released) return released.error();
  return std::string(*released == vault::Released::to_be_erased ? "it had been downloaded: its erasure has begun"
                                                                : "it can be delivered again");
}

constexpr Kind kRestrict{vault::Action::restrict_recording, "restricted", restrict_one};
constexpr Kind kRelease{vault::Action::release_recording, "released", release_one};

// Each recording on its own: one that cannot be restricted any more must not leave the others open.
Result<void> run(Context& context, const Options& options, const Kind& kind) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  if (auto r = vault::may(actor->holder.role, kind.action); !r) return r;
  Json json = Json::array();
  std::string text;
  std::vector<Error> errors;
  for (const auto& id : options.ids) {
    const auto done = kind.act(*vault, *actor, id, options.reason);
    json.push_back({{"id", id}, {"ok", static_cast<bool>(done)}});
    json.back()["error"] = done ? Json(nullptr) : Json(done.error().what);
    if (done) {
      text += id + " is " + kind.done + ": " + *done + "\n";
    } else {
      errors.push_back(done.error());
    }
  }
  if (auto r = print(context.json ? json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n" : text); !r)
    return r;
  if (errors.empty()) return {};
  if (options.ids.size() == 1) return errors.front();
  for (const auto& error : errors) say_error(error.what);
  return Error{Fault::failed, std::to_string(errors.size()) + " of " + std::to_string(options.ids.size()) +
                                  " recordings are not " + kind.done};
}

void add(CLI::App& app, Context& context, const char* name, const char* about, const char* footer, const Kind& kind) {
  auto* command = app.add_subcommand(name, about);
  auto options = std::make_shared<Options>();
  command->add_option("ID", options->ids, "Recordings")->required();
  command->add_option("--reason", options->reason, "Why; kept encrypted in the audit log");
  command->footer(footer);
  command->callback([&context, options, &kind] {
    context.run = [&context, options, &kind] { return run(context, *options, kind); };
  });
}

}  // namespace

void add_restrict(CLI::App& app, Context& context) {
  add(app, context, "restrict", "Hold recordings: nobody gets them delivered, and nothing erases them",
      "Example:\n  callvault restrict r-7h2k9m4p1q8s5t3v --reason \"accuracy is contested, case 17\"", kRestrict);
}

void add_release(CLI::App& app, Context& context) {
  add(app, context, "release", "End the restriction of recordings; what was downloaded before is erased then",
      "Example:\n  callvault release r-7h2k9m4p1q8s5t3v --reason \"case 17 is decided\"", kRelease);
}

}  // namespace cli
