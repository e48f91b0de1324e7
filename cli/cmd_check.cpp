#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/host.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "vault/check.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMaxCheckpoint = 64 * 1024;

struct Options {
  bool repair = false, objects = false;
  std::string checkpoint;
};

// How much memory this user may lock for secrets; nullopt: no limit.
std::optional<std::uint64_t> memory_lock_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return limit.rlim_cur;
}

std::vector<std::string> weaknesses_of_host() {
  std::vector<std::string> found;
  if (base::landlock_abi() < 1)
    found.push_back("this kernel has no Landlock (Linux 5.13, lsm=landlock): a session that is taken over can do more");
  if (!base::has_seccomp()) found.push_back("this kernel has no seccomp: a session that is taken over can do more");
  if (base::swap_reaches_disk())
    found.push_back(
        "swap is on: memory that is not locked can reach the disk; encrypt it, turn it off, or keep the service out of "
        "it (MemorySwapMax=0)");
  return found;
}

Result<void> run(Context& context, const Options& options) {
  auto vault = context.open_vault();
  if (!vault) return vault.error();
  vault::CheckRequest request{options.repair, options.objects, ""};
  if (!options.checkpoint.empty()) {
    const auto text = base::read_file(options.checkpoint, kMaxCheckpoint);
    if (!text) return text.error().at("checkpoint");
    request.outside_checkpoint = base::to_text(*text);
  }
  auto findings = vault::check(*vault, request);
  if (!findings) return findings.error();

  const auto limit = memory_lock_limit();
  Json json{{"findings", Json::array()},
            {"environment",
             {{"memory_lock_bytes", limit ? Json(*limit) : Json(nullptr)},
              {"landlock_abi", base::landlock_abi()},
              {"seccomp", base::has_seccomp()},
              {"swap_reaches_disk", base::swap_reaches_disk()}}}};
  std::string text;
  std::size_t damaged = 0;
  for (const auto& weakness : weaknesses_of_host()) findings->push_back({vault::Finding::Weight::warning, weakness});
  for (const auto& finding : *findings) {
    const bool damage = finding.weight == vault::Finding::Weight::damage;
    const char* weight = damage ? "damage" : "warning";
    damaged += damage ? 1 : 0;
    json["findings"].push_back({{"weight", weight}, {"what", finding.what}});
    text += std::string(weight) + ": " + escaped(finding.what) + "\n";
  }
  text += "memory that can be locked for secrets: " + (limit ? human_size(*limit) : "no limit") + "\n";
  if (damaged == 0) text += "no damage found\n";
  if (auto r = print(context.json ? json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n" : text); !r)
    return r;
  if (damaged == 0) return {};
  return Error{Fault::damaged, std::to_string(damaged) + (damaged == 1 ? " damage was found" : " damages were found")};
}

}  // namespace

void add_check(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("check", "Is the vault consistent? Needs no identity");
  auto options = std::make_shared<Options>();
  command->add_flag("--repair", options->repair, "Finish what was begun, remove what belongs to nothing");
  command->add_flag("--objects", options->objects, "Read every object and compare its hash");
  command->add_option("--checkpoint", options->checkpoint, "A checkpoint of the audit log that was kept elsewhere");
  command->footer("Example:\n  callvault check --objects --checkpoint /media/usb/checkpoint.txt");
  command->callback([&context, options] { context.run = [&context, options] { return run(context, *options); }; });
}

}  // namespace cli
