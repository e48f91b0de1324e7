#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/ingest_view.h"
#include "cli/output.h"
#include "vault/ingest.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using vault::IngestOutcome;

namespace {

struct Options {
  std::vector<std::string> paths;
  std::string customer, category, meta;
  bool own = false, remove_source = false;
};

// Nothing failed, or all with one fault: that one; else "failed".
Result<void> judge(const std::vector<IngestOutcome>& all) {
  std::size_t failed = 0;
  Fault fault = Fault::failed;
  bool alike = true;
  for (const auto& o : all) {
    if (!o.error) continue;
    if (failed++ == 0) fault = o.error->fault;
    alike = alike && fault == o.error->fault;
  }
  if (failed == 0) return {};
  const std::string what = std::to_string(failed) + " of " + std::to_string(all.size()) +
                           (all.size() == 1 ? " file" : " files") + " failed; the list names each with its reason";
  return Error{failed == all.size() && alike ? fault : Fault::failed, what};
}

Result<void> run(Context& context, const Options& options) {
  if (options.own != options.customer.empty()) {
    context.hint = "--customer ID for recordings held for a customer, --own for the operator's own";
    return Error{Fault::usage, "say whose recordings these are: either --customer ID or --own"};
  }
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  const vault::IngestRequest request{
      options.own ? "own" : "customer", options.customer, options.category, options.meta, options.remove_source, false};
  std::vector<IngestOutcome> all;
  const auto done = [&] {
    Progress progress("files", 0);
    return vault::ingest(*vault, {options.paths.begin(), options.paths.end()}, request, [&](const IngestOutcome& o) {
      all.push_back(o);
      progress.step();
    });
  }();
  if (!done && all.empty()) return done;
  std::string text;
  if (context.json) {
    for (const auto& o : all) text += (text.empty() ? "[" : ",\n ") + outcome_json(o);
    text += text.empty() ? "[]\n" : "]\n";
  } else {
    for (const auto& o : all) text += outcome_line(o) + "\n";
  }
  if (auto r = print(text); !r) return r;
  if (!done) return done;
  return judge(all);
}

}  // namespace

void add_ingest(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("ingest", "Take recordings in from files and folders; needs no passphrase");
  auto options = std::make_shared<Options>();
  command->add_option("PATH", options->paths, "Files, and folders with everything below them")->required();
  auto* customer = command->add_option("--customer", options->customer, "Held for this customer");
  command->add_flag("--own", options->own, "The operator's own recordings")->excludes(customer);
  command->add_option("--category", options->category, "The retention rule that applies (default: inbound)");
  command->add_option("--meta", options->meta, "JSON with what is known of one call: started_at, from, to, ...");
  command->add_flag("--remove-source", options->remove_source, "Remove each file once it is safe in the vault");
  command->footer("Example:\n  callvault ingest /var/spool/asterisk/monitor --customer acme --remove-source");
  command->callback([&context, options] { context.run = [&context, options] { return run(context, *options); }; });
}

}  // namespace cli
