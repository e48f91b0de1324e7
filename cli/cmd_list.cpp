#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/dates.h"
#include "cli/output.h"
#include "cli/recording_view.h"
#include "vault/open_recording.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;

namespace {

struct Options {
  std::string state, customer, from, to;
};

// What an identity adds to a row: nothing for erased recordings and for those that it does not open.
struct Opened {
  std::optional<vault::Metadata> metadata;
  std::optional<Error> damage;
};

Opened open_one(vault::Vault& vault, const vault::RecordingRow& row, const Context::Reader& reader) {
  if (row.state != "sealed" || !reader.may_read(vault, row.columns.recording)) return {};
  auto recording = vault::open_recording(vault, row.columns.recording, reader.identity);
  if (recording) return {std::move(recording->metadata), std::nullopt};
  if (recording.error().fault == Fault::denied || recording.error().fault == Fault::not_found) return {};
  return {std::nullopt, recording.error()};
}

std::vector<std::string> cells(const vault::RecordingRow& row, const std::optional<vault::Metadata>& metadata,
                               bool names) {
  const vault::Columns& c = row.columns;
  std::string state = row.state;
  if (row.restricted_at != 0) state += ", restricted";
  if (!row.quarantine.empty()) state += ", quarantined: " + row.quarantine;
  std::vector<std::string> line{c.recording,        c.klass == "own" ? "(own)" : c.customer,
                                c.category,         base::rfc3339(c.call_time),
                                human_size(c.size), std::move(state)};
  if (names) line.push_back(metadata ? metadata->name : "-");
  return line;
}

Result<void> run(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  vault::RecordingFilter filter;
  if (!options.state.empty()) filter.state = options.state;
  if (!options.customer.empty()) {
    if (auto known = vault->catalog().customer(options.customer); !known)
      return known.error().at("customer " + options.customer);
    filter.customer = options.customer;
  }
  const auto period = parse_period(options.from, options.to, vault->config().zone);
  if (!period) return period.error();
  filter.from = period->from;
  filter.to = period->to;
  auto rows = vault->catalog().recordings(filter);
  if (!rows) return rows.error();
  auto reader = context.unlock_reader(*vault);
  if (!reader) return reader.error();

  std::string json;
  std::vector<std::vector<std::string>> lines;
  Result<void> result;
  Progress progress("recordings", rows->size());
  for (const auto& row : *rows) {
    const Opened opened = *reader ? open_one(*vault, row, **reader) : Opened{};
    if (opened.damage) result = *opened.damage;
    const auto* metadata = opened.metadata ? &*opened.metadata : nullptr;
    if (context.json) {
      json += (json.empty() ? "" : ",\n") + recording_json(row, metadata, Detail::line);
    } else {
      lines.push_back(cells(row, opened.metadata, reader->has_value()));
    }
    progress.step();
  }
  std::vector<std::string> headings{"ID", "CUSTOMER", "CATEGORY", "STARTED", "SIZE", "STATE"};
  if (*reader) headings.emplace_back("NAME");
  if (auto r = print(context.json ? "[" + json + "]\n" : table(headings, lines)); !r) return r;
  return result;
}

}  // namespace

void add_list(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("list", "List recordings; their names only with an identity");
  auto options = std::make_shared<Options>();
  command->add_option("--state", options->state, "Only those in this state")
      ->check(CLI::IsMember({"writing", "sealed", "erasing", "erased"}));
  command->add_option("--customer", options->customer, "Only those of this customer");
  command->add_option("--from", options->from, "Only calls from this day on, like 2026-11-01");
  command->add_option("--to", options->to, "Only calls up to the end of this day");
  command->footer("Example:\n  callvault list --customer acme --from 2026-11-01 --to 2026-11-30");
  command->callback([&context, options] { context.run = [&context, options] { return run(context, *options); }; });
}

}  // namespace cli
