#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/dates.h"
#include "cli/grant_letter.h"
#include "cli/output.h"
#include "cli/output_file.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using Json = nlohmann::ordered_json;

namespace {

struct Options {
  std::vector<std::string> recordings;
  std::string to, expires, out;
  std::string id;  // of a grant that was made
};

Result<void> check(const Options& options) {
  if (options.recordings.empty()) return Error{Fault::usage, "say what to grant: ids of recordings"};
  if (options.to.empty()) return Error{Fault::usage, "say to whom: --to ACCOUNT"};
  if (options.out.empty()) return {};
  if (options.recordings.size() != 1) return Error{Fault::usage, "--out makes a file of one recording"};
  if (!options.expires.empty()) return Error{Fault::usage, "a file does not expire: leave --expires out, or --out"};
  if (options.out == "-") return Error{Fault::usage, "--out needs the name of a file: stdout shows the password"};
  return {};
}

Result<void> make_folder(Context& context, vault::Vault& vault, const vault::Actor& actor, const Options& options,
                         std::optional<base::Seconds> lasts) {
  const auto made = vault::grant(vault, actor, {options.recordings, options.to, lasts});
  if (!made) return made.error();
  auto printed = print_grant(vault, *made, "", context.json);
  if (!printed)
    context.hint = "the grant was made; \"callvault grant revoke " + made->id + "\" ends it, then make another";
  return printed;
}

// The file has its name before its password is told, and not before the log tells of it.
Result<void> make_file(Context& context, vault::Vault& vault, const vault::Actor& actor, const Options& options) {
  if (base::exists(options.out)) return Error{Fault::usage, "the output file exists already; take another name"};
  auto out = OutputFile::create(options.out, false);
  if (!out) return out.error();
  const auto made = vault::grant_file(vault, actor, options.recordings[0], options.to,
                                      [&](base::ByteView bytes) { return out->write(bytes); });
  if (!made) return made.error();
  if (auto r = out->commit(); !r)
    return r.error().at("the log says that " + made->id + " was given, but there is no file");
  auto printed = print_grant(vault, *made, options.out, context.json);
  if (!printed) context.hint = "without its password nobody opens the file; delete it, and make another";
  return printed;
}

Result<void> make(Context& context, const Options& options) {
  if (auto r = check(options); !r) return r;
  const auto lasts = parse_expires(options.expires);
  if (!lasts) return lasts.error();
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  return options.out.empty() ? make_folder(context, *vault, *actor, options, *lasts)
                             : make_file(context, *vault, *actor, options);
}

// What people call it: nobody ends an expired one before the daemon looks.
std::string state_of(const vault::AccessRow& row, base::Seconds now) {
  if (vault::was_file(row)) return "exported";
  return row.state == "open" && row.expires <= now ? "expired" : row.state;
}

bool readable(const vault::ItemRow& item) {
  return item.state == "offered" && item.recording_state == "sealed" && !item.restricted;
}

std::string state_of(const vault::AccessRow& grant, const vault::ItemRow& item, base::Seconds now) {
  if (vault::was_file(grant)) return "exported";
  if (item.recording_state != "sealed") return "erased";
  if (state_of(grant, now) != "open") return "withdrawn";
  return item.restricted ? "restricted" : "readable";
}

Json time_or_null(base::Seconds time) { return time == 0 ? Json(nullptr) : Json(base::rfc3339(time)); }

Json as_json(const vault::AccessRow& row, const std::vector<vault::ItemRow>& items, base::Seconds now) {
  const std::string state = state_of(row, now);
  return {{"grant", row.id},
          {"account", row.account},
          {"state", state},
          {"created_at", base::rfc3339(row.created_at)},
          {"expires", state == "exported" ? Json(nullptr) : Json(base::rfc3339(row.expires))},
          {"last_login", time_or_null(row.seen_at)},
          {"ended_at", time_or_null(row.ended_at)},
          {"recordings", items.size()},
          {"readable", state == "open" ? std::ranges::count_if(items, readable) : 0}};
}

Result<void> list(Context& context, const Options&) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  const auto rows = vault->catalog().accesses("grant");
  if (!rows) return rows.error();
  const base::Seconds now = vault->clock().now();
  Json json = Json::array();
  std::vector<std::vector<std::string>> lines;
  for (const auto& row : *rows) {
    const auto items = vault->catalog().items(row.id);
    if (!items) return items.error();
    json.push_back(as_json(row, *items, now));
    const bool file = vault::was_file(row);
    const auto now_readable = json.back()["readable"].get<long>();
    lines.push_back({row.id, row.account, state_of(row, now), base::rfc3339(row.created_at),
                     file ? "-" : base::rfc3339(row.expires), time_or_dash(row.seen_at),
                     file ? "-" : std::to_string(now_readable) + " of " + std::to_string(items->size())});
  }
  if (context.json) return print(json.dump(2, ' ', true) + "\n");
  return print(table({"ID", "ACCOUNT", "STATE", "MADE", "EXPIRES", "LAST LOG-IN", "READABLE"}, lines));
}

Result<void> show(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  const auto row = vault->catalog().access(options.id);
  if (!row) return row.error().at(options.id);
  if (row->kind != "grant") return Error{Fault::not_found, options.id + " is not a grant"};
  const auto items = vault->catalog().items(row->id);
  if (!items) return items.error();
  const base::Seconds now = vault->clock().now();
  Json json = as_json(*row, *items, now);
  json["items"] = Json::array();
  std::vector<std::vector<std::string>> lines;
  for (const auto& item : *items) {
    const std::string state = state_of(*row, item, now);
    json["items"].push_back({{"recording", item.recording}, {"state", state}, {"size", item.size}});
    lines.push_back({item.recording, state, human_size(item.size)});
  }
  if (context.json) return print(json.dump(2, ' ', true) + "\n");
  std::string text = "Grant " + row->id + " for " + row->account + ": " + state_of(*row, now) + "\n";
  text += "  made " + base::rfc3339(row->created_at);
  if (!vault::was_file(*row))
    text += ", expires " + base::rfc3339(row->expires) + ", last log-in " + time_or_dash(row->seen_at) + ", ended " +
            time_or_dash(row->ended_at);
  return print(text + "\n\n" + table({"RECORDING", "STATE", "SIZE"}, lines));
}

Result<void> revoke(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  if (auto r = vault::revoke_grant(*vault, *actor, options.id); !r) return r;
  if (context.json) return print(Json{{"grant", options.id}, {"state", "revoked"}}.dump(2) + "\n");
  return print("Revoked " + options.id + ": its password opens nothing any more, and who reads is cut off\n");
}

}  // namespace

void add_grant(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("grant", "Let somebody read recordings until a time, or give one away as a file");
  auto options = std::make_shared<Options>();
  command->add_option("ID", options->recordings, "The recordings");
  command->add_option("--to", options->to, "The account of the person who may read: a-z, 0-9 and -");
  command->add_option("--expires", options->expires, "How long they can be read, like 12h or 7d");
  command->add_option("--out", options->out, "Not over SFTP: a new age file of one recording, under the password");
  command->footer(
      "Example:\n  callvault grant r-7h2k9m4p1q8s5t3v --to front-desk --expires 7d\n"
      "  callvault grant r-7h2k9m4p1q8s5t3v --to police --out call.wav.age");
  command->callback([&context, options, command] {
    if (command->get_subcommands().empty()) context.run = [&context, options] { return make(context, *options); };
  });

  const auto add = [&](const char* name, const char* what, bool of_one, Result<void> (*act)(Context&, const Options&)) {
    auto* sub = command->add_subcommand(name, what);
    if (of_one) sub->add_option("GRANT", options->id, "The grant")->required();
    sub->footer("Example:\n  callvault grant " + std::string(name) + (of_one ? " g-7h2k9m4p1q8s5t3v" : ""));
    sub->callback([&context, options, act] {
      context.run = [&context, options, act]() -> Result<void> {
        if (options->recordings.empty()) return act(context, *options);
        return Error{Fault::usage, "one word too many: " + options->recordings.front()};
      };
    });
  };
  add("list", "List all grants", false, list);
  add("show", "Show one grant and its recordings", true, show);
  add("revoke", "End a grant now; who reads is cut off", true, revoke);
}

}  // namespace cli
