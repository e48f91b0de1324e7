#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/dates.h"
#include "cli/letter.h"
#include "cli/output.h"
#include "vault/collect.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::uint64_t kManyTimes = 3;  // sent so often without an end, something is wrong at the other side

struct Options {
  std::string id, expires;
};

struct Item {
  vault::ItemRow row;
  std::uint64_t size = 0;
};

Result<std::vector<Item>> items_of(vault::Vault& vault, const std::string& access) {
  auto rows = vault.catalog().items(access);
  if (!rows) return rows.error();
  std::vector<Item> items;
  for (auto& row : *rows) {
    const auto recording = vault.catalog().recording(row.recording);
    if (!recording) return recording.error().at(row.recording);
    items.push_back({std::move(row), recording->columns.size});
  }
  return items;
}

// What came into it, was not fetched before it ended, and is in no other one since.
Result<std::size_t> left_behind(vault::Vault& vault, const std::vector<Item>& items) {
  std::size_t left = 0;
  for (const auto& item : items) {
    if (item.row.state != "withdrawn" || item.row.recording_state != "sealed") continue;
    const auto other = vault.catalog().delivery_of(item.row.recording);
    if (!other) return other.error();
    left += *other ? 0 : 1;
  }
  return left;
}

std::vector<std::string> warnings_for(const vault::AccessRow& row, const std::vector<Item>& items, std::size_t left) {
  std::vector<std::string> warnings;
  if (left != 0)
    warnings.push_back("not fetched, and held in no delivery since: " + std::to_string(left) +
                       "; \"callvault delivery reissue " + row.id + "\" or \"callvault deliver " + row.account +
                       " --all\" puts them up again");
  for (const auto& item : items) {
    const auto sent = static_cast<std::uint64_t>(item.row.sent);
    if (item.row.state == "offered" && item.size != 0 && sent > kManyTimes * item.size)
      warnings.push_back(item.row.recording + ": sent " + std::to_string(sent / item.size) +
                         " times over, but never to its end; ask the customer which client it uses");
  }
  return warnings;
}

Json time_or_null(base::Seconds time) { return time == 0 ? Json(nullptr) : Json(base::rfc3339(time)); }

Json as_json(const vault::AccessRow& row, const std::vector<Item>& items) {
  const auto delivered =
      std::count_if(items.begin(), items.end(), [](const Item& i) { return i.row.state == "delivered"; });
  return {{"delivery", row.id},
          {"account", row.account},
          {"state", row.state},
          {"created_at", base::rfc3339(row.created_at)},
          {"expires", base::rfc3339(row.expires)},
          {"claimed_at", time_or_null(row.claimed_at)},
          {"ended_at", time_or_null(row.ended_at)},
          {"recordings", items.size()},
          {"delivered", delivered},
          {"collecting", vault::collects(row)}};
}

// "open, collecting" as long as it takes in, or waits for its turn to.
std::string state_words(const vault::AccessRow& row) {
  return row.state + (vault::collects(row) && row.state == "open" ? ", collecting" : "");
}

Result<void> list(Context& context) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  const auto rows = vault->catalog().accesses("delivery");
  if (!rows) return rows.error();
  Json json = Json::array();
  std::vector<std::vector<std::string>> lines;
  for (const auto& row : *rows) {
    const auto items = items_of(*vault, row.id);
    if (!items) return items.error();
    json.push_back(as_json(row, *items));
    lines.push_back({row.id, row.account, state_words(row), base::rfc3339(row.created_at), base::rfc3339(row.expires),
                     time_or_dash(row.claimed_at),
                     std::to_string(json.back()["delivered"].get<int>()) + " of " + std::to_string(items->size())});
  }
  if (context.json) return print(json.dump(2, ' ', true) + "\n");
  return print(table({"ID", "ACCOUNT", "STATE", "MADE", "EXPIRES", "CLAIMED", "DELIVERED"}, lines));
}

Result<void> show(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  const auto row = vault->catalog().access(options.id);
  if (!row) return row.error().at(options.id);
  if (row->kind != "delivery") return Error{Fault::not_found, options.id + " is not a delivery"};
  const auto items = items_of(*vault, row->id);
  if (!items) return items.error();
  const auto left = left_behind(*vault, *items);
  if (!left) return left.error();
  const auto warnings = warnings_for(*row, *items, *left);
  Json json = as_json(*row, *items);
  json["strict"] = row->strict;
  json["any_address"] = row->any_address;
  json["items"] = Json::array();
  std::vector<std::vector<std::string>> lines;
  for (const auto& item : *items) {
    json["items"].push_back({{"recording", item.row.recording},
                             {"state", item.row.state},
                             {"restricted", item.row.restricted},
                             {"size", item.size},
                             {"sent", item.row.sent},
                             {"delivered_at", time_or_null(item.row.delivered_at)}});
    lines.push_back({item.row.recording, item.row.state + (item.row.restricted ? ", restricted" : ""),
                     human_size(item.size), human_size(static_cast<std::uint64_t>(item.row.sent)),
                     time_or_dash(item.row.delivered_at)});
  }
  json["warnings"] = warnings;
  if (context.json) return print(json.dump(2, ' ', true) + "\n");
  std::string text = "Delivery " + row->id + " for " + row->account + ": " + state_words(*row) + "\n";
  text += "  made " + base::rfc3339(row->created_at) + ", expires " + base::rfc3339(row->expires) + ", claimed " +
          time_or_dash(row->claimed_at) + ", ended " + time_or_dash(row->ended_at) + "\n\n";
  text += table({"RECORDING", "STATE", "SIZE", "SENT", "DELIVERED"}, lines);
  for (const auto& warning : warnings) text += "warning: " + warning + "\n";
  return print(text);
}

Result<void> revoke(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  if (auto r = vault::revoke_delivery(*vault, *actor, options.id); !r) return r;
  if (context.json) return print(Json{{"delivery", options.id}, {"state", "revoked"}}.dump(2) + "\n");
  return print("Revoked " + options.id + ": its password opens nothing any more; what was not fetched is held again\n");
}

Result<void> reissue(Context& context, const Options& options) {
  const auto lasts = parse_expires(options.expires);
  if (!lasts) return lasts.error();
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto actor = context.unlock_actor(*vault);
  if (!actor) return actor.error();
  auto made = vault::reissue_delivery(*vault, *actor, options.id, *lasts);
  if (!made) return made.error();
  std::vector<vault::Delivery> one;
  one.push_back(std::move(*made));
  auto printed = print_deliveries(*vault, one, context.json);
  if (!printed) context.hint = "\"callvault delivery reissue " + one.front().id + "\" shows a new password";
  return printed;
}

}  // namespace

void add_delivery(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("delivery", "Deliveries that were made: look at them, end them, renew them");
  command->require_subcommand(1);
  command->footer("Example:\n  callvault delivery list");
  auto options = std::make_shared<Options>();

  auto* listing = command->add_subcommand("list", "List all deliveries");
  listing->footer("Example:\n  callvault delivery list");
  listing->callback([&context] { context.run = [&context] { return list(context); }; });

  auto* showing = command->add_subcommand("show", "Show one delivery: what was sent, what has arrived");
  showing->add_option("ID", options->id, "The delivery")->required();
  showing->footer("Example:\n  callvault delivery show d-7h2k9m4p1q8s5t3v");
  showing->callback([&context, options] { context.run = [&context, options] { return show(context, *options); }; });

  auto* revoking = command->add_subcommand("revoke", "End a delivery now; what was not fetched is held again");
  revoking->add_option("ID", options->id, "The delivery")->required();
  revoking->footer("Example:\n  callvault delivery revoke d-7h2k9m4p1q8s5t3v");
  revoking->callback([&context, options] { context.run = [&context, options] { return revoke(context, *options); }; });

  auto* renewing = command->add_subcommand("reissue", "A new password for what was not fetched yet");
  renewing->add_option("ID", options->id, "The delivery")->required();
  renewing->add_option("--expires", options->expires, "The first log-in must come within, like 12h or 7d");
  renewing->footer("Example:\n  callvault delivery reissue d-7h2k9m4p1q8s5t3v --expires 3d");
  renewing->callback([&context, options] { context.run = [&context, options] { return reissue(context, *options); }; });
}

}  // namespace cli
