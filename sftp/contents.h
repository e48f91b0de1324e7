// Contents: what the access that logged in finds in its folder: its recordings, as the keeper lists them, and the
// notices, which are made here and are free to read. Loaded once a connection: the listing of a delivery never changes
// under a client. That of a standing log-in grows: what came since is put behind the rest.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "sftp/folder.h"
#include "sftp/login.h"
#include "vault/folder_entry.h"

namespace sftp {

class Contents {
 public:
  // Fault::damaged when an entry does not open; Fault::denied when the keeper refuses.
  static base::Result<Contents> load(Link& link, const LoggedIn& who);
  // Asks for what came since, if this folder grows. Places that were given stay what they are. Errors as above; nothing
  // changes then.
  base::Result<void> refresh(Link& link, const keys::Identity& identity, base::Seconds now);

  const Folder& folder() const { return folder_; }
  // `file` is a place of the folder. A recording has an item number, a notice has a text.
  std::optional<std::uint32_t> item(std::size_t file) const { return files_[file].item; }
  const std::string& notice(std::size_t file) const { return files_[file].text; }

 private:
  struct Recording {
    std::uint32_t item;
    std::optional<vault::FolderEntry> entry;  // nothing: it is erased, and does not show
  };
  struct File {
    std::optional<std::uint32_t> item;
    std::string text;
  };
  explicit Contents(const say::Granted& granted) : granted_(granted) {}
  base::Result<void> list(Link& link, const keys::Identity& identity);
  base::Result<void> arrange(base::Seconds written);

  say::Granted granted_;
  std::vector<Recording> recordings_;
  Folder folder_;
  std::vector<File> files_;  // beside folder_.files()
};

}  // namespace sftp
