// Folder: what a client sees. One flat folder "/" of files; names are looked up in a table, never joined to a path.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sftp/wire.h"

namespace sftp {

struct FolderFile {
  std::string name;  // safe and unique already (vault/file_name.h)
  std::uint64_t size = 0;
  std::int64_t mtime = 0;
};

class Folder {
 public:
  static base::Result<Folder> create(std::vector<FolderFile> files);  // Fault::damaged: an unsafe or doubled name

  const std::vector<FolderFile>& files() const { return files_; }

  // "", ".", "/", "/.", "./" are the folder; "name", "/name", "./name", "//name" a file. No "..", no "\", nothing below
  // a file; names are exact in case. Anything else is not found.
  struct Place {
    bool is_folder;
    std::size_t file;
  };
  std::optional<Place> find(std::string_view path) const;
  // Canonical path for REALPATH, whether it exists or not (clients ask before they create): "/", "/name", "/x/y".
  // Resolves "//", "." and ".." textually, never above "/".
  static std::string real_path(std::string_view path);

  Attributes attributes(const Place& place) const;  // file 0100400, folder 040500, uid and gid 0, times

 private:
  std::vector<FolderFile> files_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
};

}  // namespace sftp
