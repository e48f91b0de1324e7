#include "cli/output_file.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "cli/output.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;

namespace {

// The temporary name, for the signal handler: one output file per process.
std::array<char, 4096> unfinished{};

void remove_and_end(int signal) {
  ::unlink(unfinished.data());
  ::raise(signal);  // SA_RESETHAND: now it ends the program
}

Result<void> remove_on_signal(const base::Path& file) {
  const std::string name = file.string();
  if (name.size() >= unfinished.size()) return Error{Fault::usage, "the path of the output file is too long"};
  std::copy(name.begin(), name.end() + 1, unfinished.begin());
  struct sigaction action {};
  action.sa_handler = remove_and_end;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaction(signal, &action, nullptr);
  return {};
}

void forget_on_signal() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) std::signal(signal, SIG_DFL);
}

base::Path folder_of(const base::Path& path) { return path.has_parent_path() ? path.parent_path() : base::Path("."); }

}  // namespace

OutputFile::OutputFile(base::Path path, base::Path temporary, base::Fd fd, bool force)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(std::move(fd)), force_(force) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      fd_(std::move(other.fd_)),
      force_(other.force_) {
  other.temporary_.clear();
}

OutputFile::~OutputFile() {
  if (temporary_.empty()) return;
  (void)base::system_files().remove(temporary_);  // at the end of a failure: there is no one to tell
  forget_on_signal();
}

Result<OutputFile> OutputFile::create(const std::string& path, bool force) {
  if (path == "-") {
    if (::isatty(STDOUT_FILENO) == 1) return Error{Fault::usage, "stdout is a terminal: a recording is no text"};
    return OutputFile({}, {}, {}, force);
  }
  if (!force && base::exists(path)) return Error{Fault::usage, "the output file exists already; --force replaces it"};
  const base::Path place(path);
  const base::Path temporary = folder_of(place) / (".callvault-" + base::hex(base::random_bytes(8)) + ".tmp");
  if (auto r = remove_on_signal(temporary); !r) return r.error();
  auto fd = base::system_files().create(temporary);
  if (!fd) {
    forget_on_signal();
    return fd.error().at("output file");
  }
  return OutputFile(place, temporary, std::move(*fd), force);
}

Result<void> OutputFile::write(base::ByteView bytes) {
  if (temporary_.empty()) return print(base::as_text(bytes));
  if (auto r = base::system_files().append(fd_.get(), bytes); !r) return r.error().at("output file");
  return {};
}

Result<void> OutputFile::commit() {
  if (temporary_.empty()) return {};
  base::Files& files = base::system_files();
  if (auto r = files.sync(fd_.get()); !r) return r.error().at("output file");
  const auto named = force_ ? files.rename(temporary_, path_) : files.rename_new(temporary_, path_);
  if (!named) return named.error().at("output file");
  temporary_.clear();
  forget_on_signal();
  return files.sync_folder(folder_of(path_));
}

}  // namespace cli
