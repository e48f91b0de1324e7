#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/recording_view.h"
#include "vault/open_recording.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;

namespace {

std::string as_text(const vault::RecordingRow& row, const vault::Metadata* metadata) {
  const vault::Columns& c = row.columns;
  std::string text = "id: " + c.recording + "\nclass: " + c.klass + "\n";
  if (!c.customer.empty()) text += "customer: " + c.customer + "\n";
  text += "category: " + c.category + "\nstarted: " + base::rfc3339(c.call_time) + "\nsize: " + human_size(c.size) +
          "\nstate: " + row.state + "\n";
  if (!row.quarantine.empty()) text += "quarantined: " + escaped(row.quarantine) + "\n";
  if (row.restricted_at != 0) text += "restricted: since " + base::rfc3339(row.restricted_at) + "\n";
  if (row.ended_at != 0) text += "erased: " + base::rfc3339(row.ended_at) + ", " + row.reason + "\n";
  return metadata == nullptr ? text : text + metadata_lines(*metadata);
}

Result<void> run(Context& context, const std::string& id) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  auto row = vault->catalog().recording(id);
  if (!row) return row.error().at(id);
  auto reader = context.unlock_reader(*vault);
  if (!reader) return reader.error();
  std::optional<vault::Metadata> metadata;
  if (*reader && row->state == "sealed" && (*reader)->may_read(*vault, id)) {
    auto recording = vault::open_recording(*vault, id, (*reader)->identity);
    if (!recording) return recording.error();
    metadata = std::move(recording->metadata);
  }
  const auto* known = metadata ? &*metadata : nullptr;
  return print(context.json ? recording_json(*row, known, Detail::everything) + "\n" : as_text(*row, known));
}

}  // namespace

void add_show(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("show", "Show one recording; with an identity all that is known of the call");
  auto id = std::make_shared<std::string>();
  command->add_option("ID", *id, "The recording")->required();
  command->footer("Example:\n  callvault show r-7h2k9m4p1q8s5t3v --identity ~/it-manager.age");
  command->callback([&context, id] { context.run = [&context, id] { return run(context, *id); }; });
}

}  // namespace cli
