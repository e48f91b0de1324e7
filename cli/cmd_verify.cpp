#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "vault/open_recording.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using Json = nlohmann::ordered_json;

namespace {

Result<std::vector<vault::RecordingRow>> choose(vault::Vault& vault, const std::vector<std::string>& ids) {
  if (ids.empty()) {
    vault::RecordingFilter filter;
    filter.state = "sealed";
    return vault.catalog().recordings(filter);
  }
  std::vector<vault::RecordingRow> rows;
  for (const auto& id : ids) {
    auto row = vault.catalog().recording(id);
    if (!row) return row.error().at(id);
    if (row->state != "sealed") return Error{Fault::not_found, id + ": " + row->state};
    rows.push_back(std::move(*row));
  }
  return rows;
}

// Stored bytes against the signed record; with an identity that opens it the audio too.
Result<void> verify_one(vault::Vault& vault, const vault::RecordingRow& row, const keys::Identity* identity) {
  if (auto r = vault::verify_object(vault, row); !r) return r;
  if (identity == nullptr) return {};
  const auto recording = vault::open_recording(vault, row.columns.recording, *identity);
  if (!recording && recording.error().fault == Fault::denied) return {};
  if (!recording) return recording.error();
  return vault::verify_audio(vault, *recording);
}

Result<void> run(Context& context, const std::vector<std::string>& ids) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  const auto rows = choose(*vault, ids);
  if (!rows) return rows.error();
  const auto reader = context.unlock_reader(*vault);
  if (!reader) return reader.error();

  Json json = Json::array();
  std::string text;
  std::size_t bad = 0;
  Fault fault = Fault::failed;
  {
    Progress progress("recordings", rows->size());
    for (const auto& row : *rows) {
      const auto r = verify_one(*vault, row, *reader ? &(*reader)->identity : nullptr);
      json.push_back({{"id", row.columns.recording}, {"ok", static_cast<bool>(r)}});
      json.back()["error"] = r ? Json(nullptr) : Json(r.error().what);
      if (!r) {
        text += "FAILED  " + escaped(r.error().what) + "\n";
        if (bad++ == 0 || r.error().fault == Fault::damaged) fault = r.error().fault;
      }
      progress.step();
    }
  }
  text += std::to_string(rows->size() - bad) + " of " + std::to_string(rows->size()) + " recordings are as they were " +
          (*reader ? "taken in, to the last byte of audio\n" : "stored\n");
  if (auto r = print(context.json ? json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n" : text); !r)
    return r;
  if (bad == 0) return {};
  return Error{fault, std::to_string(bad) + " of " + std::to_string(rows->size()) + " recordings failed"};
}

}  // namespace

void add_verify(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand(
      "verify", "Read recordings from end to end and compare them with their signed records; all when none is named");
  auto ids = std::make_shared<std::vector<std::string>>();
  command->add_option("ID", *ids, "Recordings");
  command->footer("Example:\n  callvault verify --identity ~/it-manager.age");
  command->callback([&context, ids] { context.run = [&context, ids] { return run(context, *ids); }; });
}

}  // namespace cli
