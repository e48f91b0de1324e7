// Spool: folders that recorders put their files into, and which of these files are finished. The kernel tells of new
// ones; all is looked at when the spool is opened, when something was missed, and now and then.
//
// A file is finished when it stayed as it is for ingest.quiet and nobody has it open for writing; where that cannot be
// known, when it stayed so for ingest.quiet_unsure. Both by the monotonic clock: the times of files on other hosts do
// not count. A voicemail waits for its side file, and a side file for its voicemail. Not thread-safe.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/folder_events.h"
#include "vault/config.h"
#include "vault/ingest.h"

namespace vault {

class Spool {
 public:
  // Fault::not_found: a folder is not there; usage: one lies in another.
  static base::Result<Spool> open(const std::vector<base::Path>& folders);
  int descriptor() const { return events_.descriptor(); }  // readable when there is something to look at

  // Hears what is new. An error says that some folder cannot be read or watched; all others are looked at.
  base::Result<void> look(const Config& config, std::int64_t now_ms);
  // Finished files, as many as go in together. Each is handed out again until taken() says what became of it.
  std::vector<SourceFile> ready(const Config& config, std::int64_t now_ms);
  // True when the outcome is to be told. What failed comes again later, without being told twice; what is in the vault
  // and stays in the folder (a quarantined file) comes again only when it changes.
  bool taken(const SourceFile& file, const IngestOutcome& outcome, const Config& config, std::int64_t now_ms);

  void settings_changed();  // all times are counted anew from the next look on

  std::int64_t next_ms() const;  // when to look again, if nothing happens before
  std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Waiting {
    base::FileInfo info;
    std::int64_t stable_ms = 0;  // since when it is as it is
    std::int64_t due_ms = 0;     // when to look at it again
    std::string said;            // the failure that was told
  };

  explicit Spool(base::FolderEvents events) : events_(std::move(events)) {}
  void saw(const base::Path& path, const Config& config, std::int64_t now_ms);
  void scan(const base::Path& folder, const Config& config, std::int64_t now_ms);
  void scan_all(const Config& config, std::int64_t now_ms);
  bool finished(const base::Path& path, Waiting& file, const Config& config, std::int64_t now_ms);
  base::Path root_of(const base::Path& path) const;

  base::FolderEvents events_;
  std::vector<base::Path> roots_;
  std::map<base::Path, Waiting> waiting_;
  std::map<base::Path, base::FileInfo> settled_;  // in the vault, and still here
  std::set<base::Path> seen_;                     // in the scan that runs
  std::optional<base::Error> trouble_;            // of the last scan
  std::int64_t next_scan_ms_ = 0;
};

}  // namespace vault
