#include "vault/spool.h"

#include <sys/stat.h>

#include <algorithm>
#include <boost/filesystem/operations.hpp>

#include "vault/file_name.h"
#include "vault/source.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

enum class Kind { nothing, folder, other };

struct Found {
  Kind kind = Kind::nothing;
  base::FileInfo info;
};

Found found_at(const base::Path& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return {};
  return {S_ISDIR(st.st_mode) ? Kind::folder : Kind::other,
          {static_cast<std::uint64_t>(st.st_size), st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_ino}};
}

bool lies_in(const base::Path& path, const base::Path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

std::int64_t ms(base::Seconds seconds) { return seconds * 1000; }

// What is looked at again and again is not looked at all the time, whatever the settings say.
std::int64_t pause_ms(base::Seconds seconds) { return ms(std::max<base::Seconds>(seconds, 1)); }

}  // namespace

Result<Spool> Spool::open(const std::vector<base::Path>& folders) {
  auto events = base::FolderEvents::open();
  if (!events) return events.error();
  Spool spool(std::move(*events));
  for (const auto& folder : folders) {
    boost::system::error_code code;
    auto whole = boost::filesystem::canonical(folder, code);
    if (code || found_at(whole).kind != Kind::folder)
      return Error{Fault::not_found, "there is no folder " + folder.string()};
    for (const auto& other : spool.roots_) {
      if (lies_in(whole, other) || lies_in(other, whole))
        return Error{Fault::usage, "one of the folders lies in another: " + folder.string()};
    }
    spool.roots_.push_back(std::move(whole));
  }
  return spool;
}

base::Path Spool::root_of(const base::Path& path) const {
  const auto root = std::ranges::find_if(roots_, [&path](const base::Path& r) { return lies_in(path, r); });
  return root == roots_.end() ? base::Path() : *root;
}

void Spool::saw(const base::Path& path, const Config& config, std::int64_t now_ms) {
  if (waits_for_rename(path.string())) return;
  const Found found = found_at(path);
  if (found.kind != Kind::other) return;
  if (const auto settled = settled_.find(path); settled != settled_.end()) {
    if (settled->second == found.info) return;
    settled_.erase(settled);
  }
  Waiting& file = waiting_[path];
  if (file.info == found.info) return;
  file.info = found.info;
  file.stable_ms = now_ms;
  file.due_ms = now_ms + ms(config.ingest_quiet);
}

// Links are not followed. Watched first: what comes meanwhile is seen twice rather than not at all.
void Spool::scan(const base::Path& folder, const Config& config, std::int64_t now_ms) {
  auto watched = events_.add(folder);
  auto names = base::list_folder(folder);
  if (!names && found_at(folder).kind == Kind::nothing && folder != root_of(folder)) return;  // gone meanwhile
  if (!names) trouble_ = Error{names.error().fault, "a folder of the spool cannot be read"};
  if (!watched && !trouble_)
    trouble_ = Error{watched.error().fault, "a folder of the spool is looked at once in ingest.rescan only: " +
                                                watched.error().what + " (fs.inotify.max_user_watches)"};
  if (!names) return;
  for (const auto& name : *names) {
    if (waits_for_rename(name)) continue;
    const base::Path path = folder / name;
    if (found_at(path).kind == Kind::folder) {
      scan(path, config, now_ms);
    } else {
      seen_.insert(path);
      saw(path, config, now_ms);
    }
  }
}

void Spool::scan_all(const Config& config, std::int64_t now_ms) {
  trouble_.reset();
  seen_.clear();
  for (const auto& root : roots_) scan(root, config, now_ms);
  if (!trouble_) std::erase_if(settled_, [this](const auto& file) { return !seen_.contains(file.first); });
  next_scan_ms_ = now_ms + pause_ms(config.ingest_rescan);
}

Result<void> Spool::look(const Config& config, std::int64_t now_ms) {
  const auto news = events_.take();
  if (news.lost || now_ms >= next_scan_ms_) {
    scan_all(config, now_ms);
  } else {
    for (const auto& folder : news.folders) {
      if (!waits_for_rename(folder.string())) scan(folder, config, now_ms);
    }
    for (const auto& file : news.files) saw(file, config, now_ms);
  }
  return trouble_ ? Result<void>(*trouble_) : Result<void>();
}

// Sets when to look at it again; true when it can be taken in now.
bool Spool::finished(const base::Path& path, Waiting& file, const Config& config, std::int64_t now_ms) {
  file.due_ms = now_ms + pause_ms(config.ingest_quiet);
  auto source = base::open_to_read(path);
  if (!source) return true;  // ingest says why
  const auto info = base::info(source->get());
  if (!info || *info != file.info) {
    file.info = info ? *info : base::FileInfo();
    file.stable_ms = now_ms;
    return false;
  }
  const Writer writer = writer_of(path, source->get());
  if (writer == Writer::some) return false;
  const auto wait_until = [&](std::int64_t time) {
    if (now_ms < time) file.due_ms = time;
    return now_ms >= time;
  };
  const base::Seconds quiet = writer == Writer::none ? config.ingest_quiet : config.ingest_quiet_unsure;
  if (!wait_until(file.stable_ms + ms(quiet))) return false;
  if (is_side_file(path) && has_sibling(path)) return false;  // goes with its recording
  const bool lacks_the_other = is_side_file(path) || (is_voicemail(path) && !base::exists(side_file_of(path)));
  return !lacks_the_other || wait_until(file.stable_ms + ms(config.ingest_side_file));
}

std::vector<SourceFile> Spool::ready(const Config& config, std::int64_t now_ms) {
  std::vector<SourceFile> files;
  std::uint64_t bytes = 0;
  for (auto& [path, file] : waiting_) {
    if (files.size() == kBatchFiles || bytes >= kBatchBytes) break;
    if (file.due_ms > now_ms || !finished(path, file, config, now_ms)) continue;
    files.push_back({path, root_of(path)});
    bytes += file.info.size;
  }
  return files;
}

bool Spool::taken(const SourceFile& file, const IngestOutcome& outcome, const Config& config, std::int64_t now_ms) {
  const auto at = waiting_.find(file.path);
  if (at == waiting_.end()) return true;
  Waiting& waiting = at->second;
  const bool held = !outcome.id.empty();
  const bool there = found_at(file.path).kind != Kind::nothing;
  const bool not_removed = held && there && !outcome.quarantined;  // with an error: it comes again, as a duplicate
  if (outcome.error && (not_removed || (!held && outcome.error->fault != Fault::not_found))) {
    const bool later = !held && (outcome.vault_failed || outcome.error->fault == Fault::busy);
    const bool news = !later && waiting.said != outcome.error->what;
    if (news) waiting.said = outcome.error->what;
    waiting.due_ms = now_ms + pause_ms(later ? config.ingest_quiet : config.ingest_rescan);
    return news;
  }
  if (held && there) settled_[file.path] = waiting.info;
  waiting_.erase(at);
  return held;
}

void Spool::settings_changed() {
  next_scan_ms_ = 0;
  for (auto& [path, file] : waiting_) file.due_ms = 0;
}

std::int64_t Spool::next_ms() const {
  std::int64_t next = next_scan_ms_;
  for (const auto& [path, file] : waiting_) next = std::min(next, file.due_ms);
  return next;
}

}  // namespace vault
