// watch: the spool. Takes in what recorders put into some folders, for ever: a loop over three things to wait for (what
// happens in the folders, the next file's time, a signal to end).
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/filesystem/operations.hpp>
#include <csignal>
#include <functional>

#include "base/service_manager.h"
#include "cli/commands.h"
#include "cli/ingest_view.h"
#include "cli/output.h"
#include "vault/spool.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using vault::IngestOutcome;

namespace {

constexpr std::int64_t kRetryMs = 5'000;  // after a failure of the vault

struct Options {
  std::vector<std::string> folders;
  std::string customer, category;
  bool own = false, keep_source = false;
};

Result<base::Fd> watch_for_end() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&set, signal);
  if (sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return Error{Fault::failed, "cannot block signals"};
  base::Fd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return Error{Fault::failed, "cannot watch signals"};
  return fd;
}

// A vault's own files must not come into it, and a source that cannot be removed would stay in the clear.
Result<void> check_folders(const Context& context, const Options& options) {
  boost::system::error_code code;
  const auto whole = [&code](const std::string& path) { return boost::filesystem::canonical(path, code); };
  const auto lies_in = [](const base::Path& path, const base::Path& folder) {
    return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
  };
  for (const auto& folder : options.folders) {
    const base::Path vault = whole(context.vault_folder);
    const base::Path spool = whole(folder);
    if (code) continue;  // said by others
    if (lies_in(spool, vault) || lies_in(vault, spool))
      return Error{Fault::usage, "a spool and the vault's folder may not lie in each other: " + folder};
    if (!options.keep_source && ::access(folder.c_str(), W_OK) != 0)
      return Error{Fault::denied, "files could not be removed from " + folder + ": it is not writable for this user"};
  }
  return {};
}

// What is said once, until it is something else, or over.
class Trouble {
 public:
  explicit Trouble(std::string_view over) : over_(over) {}
  void is(const Result<void>& state) {
    const std::string now = state ? "" : state.error().what;
    if (now == said_) return;
    now.empty() ? say_note(over_) : say_warning(now);
    said_ = now;
  }

 private:
  std::string over_, said_;
};

// The vault, opened anew when somebody changed its settings or its roles, and after a failure.
class Door {
 public:
  explicit Door(Context& context) : context_(context) {}
  Result<vault::Vault*> open(const std::function<void(const vault::Vault&)>& anew) {
    auto now = stamps();
    if (!vault_ || now != stamps_) {
      vault_.reset();
      auto opened = context_.open_vault();
      if (!opened) return opened.error();
      vault_ = std::move(*opened);
      stamps_ = std::move(now);
      anew(*vault_);
    }
    return &*vault_;
  }
  void close() { vault_.reset(); }

 private:
  std::vector<base::FileInfo> stamps() const {
    std::vector<base::FileInfo> out;
    for (const char* name : {"callvault.toml", "trust.toml", vault::file::kRoster}) {
      const auto fd = base::open_to_read(base::Path(context_.vault_folder) / name);
      const auto info = fd ? base::info(fd->get()) : Result<base::FileInfo>(fd.error());
      out.push_back(info ? *info : base::FileInfo());
    }
    return out;
  }

  Context& context_;
  std::optional<vault::Vault> vault_;
  std::vector<base::FileInfo> stamps_;
};

class Watch {
 public:
  Watch(Context& context, const Options& options)
      : context_(context), door_(context), request_{options.own ? "own" : "customer",
                                                    options.customer,
                                                    options.category,
                                                    {},
                                                    !options.keep_source,
                                                    true} {}

  Result<void> begin(const Options& options) {
    auto vault = door_.open([this](const vault::Vault& opened) { config_ = opened.config(); });
    if (!vault) return vault.error();
    if (auto r = check_folders(context_, options); !r) return r;
    if (auto r = vault::check_request(**vault, request_); !r) return r;
    auto spool = vault::Spool::open({options.folders.begin(), options.folders.end()});
    if (!spool) return spool.error();
    spool_.emplace(std::move(*spool));
    look();
    return {};
  }

  // Until `end` is readable.
  Result<void> run(int end) {
    while (!wait(end)) {
      if (base::monotonic_ms() < not_before_ms_) {
        look();
        continue;
      }
      const auto worked = work();
      if (!printed_) return printed_;
      if (worked) continue;
      vault_trouble_.is(worked.error().at("the files wait"));
      door_.close();
      not_before_ms_ = base::monotonic_ms() + kRetryMs;
    }
    return {};
  }

 private:
  bool wait(int end) {
    const std::int64_t now = base::monotonic_ms();
    const std::int64_t next = std::max(spool_->next_ms(), not_before_ms_);
    pollfd fds[]{{end, POLLIN, 0}, {spool_->descriptor(), POLLIN, 0}};
    (void)::poll(fds, 2, static_cast<int>(std::clamp<std::int64_t>(next - now, 0, 60'000)));
    return (fds[0].revents & POLLIN) != 0;
  }

  void look() { spool_trouble_.is(spool_->look(config_, base::monotonic_ms())); }

  // Takes in what is ready. An error is the vault's: the files wait.
  Result<void> work() {
    auto vault = door_.open([this](const vault::Vault& opened) {
      config_ = opened.config();
      spool_->settings_changed();
    });
    look();
    if (!vault) return vault.error();
    const auto files = spool_->ready(config_, base::monotonic_ms());
    if (files.empty()) return {};
    auto next = files.begin();
    Result<void> failed;
    auto taken = vault::ingest_files(**vault, files, request_, [&](const IngestOutcome& outcome) {
      if (outcome.vault_failed) failed = *outcome.error;
      const bool news = spool_->taken(*next++, outcome, config_, base::monotonic_ms());
      if (news && printed_) tell(outcome);
    });
    if (taken && failed) vault_trouble_.is(taken);
    return taken ? failed : taken;
  }

  // Names stand on stdout only.
  void tell(const IngestOutcome& outcome) {
    printed_ = print((context_.json ? outcome_json(outcome) : outcome_line(outcome)) + "\n");
    if (!outcome.error) return;
    const std::string which = outcome.id.empty() ? "a file was not taken in" : outcome.id;
    say_warning(which + ": " + outcome.error->what);
  }

  Context& context_;
  Door door_;
  vault::IngestRequest request_;
  vault::Config config_;
  std::optional<vault::Spool> spool_;
  Result<void> printed_;
  std::int64_t not_before_ms_ = 0;
  Trouble vault_trouble_{"the vault takes recordings in again"};
  Trouble spool_trouble_{"all folders of the spool are looked at again"};
};

Result<void> run(Context& context, const Options& options) {
  if (options.own != options.customer.empty()) {
    context.hint = "--customer ID for recordings held for a customer, --own for the operator's own";
    return Error{Fault::usage, "say whose recordings these are: either --customer ID or --own"};
  }
  auto end = watch_for_end();
  if (!end) return end.error();
  auto manager = base::ServiceManager::from_environment();
  Watch watch(context, options);
  if (auto r = watch.begin(options); !r) return r;
  say_note("watching " + std::to_string(options.folders.size()) +
           (options.folders.size() == 1 ? " folder" : " folders") +
           (options.own ? ", class own" : ", customer " + options.customer) +
           (options.keep_source ? "; files stay" : "; each file is removed once it is safe in the vault"));
  manager.ready();
  auto done = watch.run(end->get());
  manager.stopping();
  return done;
}

}  // namespace

void add_watch(CLI::App& app, Context& context) {
  auto* command =
      app.add_subcommand("watch", "Take in what recorders put into folders, until it is ended; no passphrase");
  auto options = std::make_shared<Options>();
  command->add_option("DIR", options->folders, "Folders, each with everything below it")->required();
  auto* customer = command->add_option("--customer", options->customer, "Held for this customer");
  command->add_flag("--own", options->own, "The operator's own recordings")->excludes(customer);
  command->add_option("--category", options->category, "The retention rule that applies (default: inbound)");
  command->add_flag("--keep-source", options->keep_source, "Do not remove files once they are safe in the vault");
  command->footer(
      "Prints a line for each file; with --json an object on a line of its own. SIGTERM ends it after the files in\n"
      "hand, with exit code 0.\n\nExample:\n  callvault watch /var/spool/callvault/acme --customer acme");
  command->callback([&context, options] { context.run = [&context, options] { return run(context, *options); }; });
}

}  // namespace cli
