// Contents: what the access that logged in finds in its folder: its recordings, as the keeper lists them, and the
// notices, which are made here and are free to read. Loaded once a connection: a listing never changes under a client.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "sftp/folder.h"
#include "sftp/login.h"

namespace sftp {

class Contents {
 public:
  // Fault::damaged when an entry does not open, or two have one name; Fault::denied when the keeper refuses.
  static base::Result<Contents> load(Link& link, const LoggedIn& who, base::Seconds now);

  const Folder& folder() const { return folder_; }
  // `file` is a place of the folder. A recording has an item number, a notice has a text.
  std::optional<std::uint32_t> item(std::size_t file) const { return files_[file].item; }
  const std::string& notice(std::size_t file) const { return files_[file].text; }

 private:
  struct File {
    std::optional<std::uint32_t> item;
    std::string text;
  };
  Contents(Folder folder, std::vector<File> files) : folder_(std::move(folder)), files_(std::move(files)) {}
  Folder folder_;
  std::vector<File> files_;  // beside folder_.files()
};

}  // namespace sftp
