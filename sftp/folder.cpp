#include "sftp/folder.h"

#include <algorithm>
#include <limits>
#include <set>

namespace sftp {

namespace {

constexpr std::size_t kMaxName = 255;
constexpr std::uint32_t kFileMode = 0100400;
constexpr std::uint32_t kFolderMode = 0040500;

// A name that a client can join to a path of its own and stay inside its folder.
bool is_safe(std::string_view name) {
  const auto unsafe = [](char c) { return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return !name.empty() && name.size() <= kMaxName && name.front() != '.' && std::ranges::none_of(name, unsafe);
}

std::string without_case(std::string name) {
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return name;
}

std::uint32_t wire_time(std::int64_t time) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(time, 0, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

base::Result<Folder> Folder::create(std::vector<FolderFile> files) {
  Folder folder;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!is_safe(files[i].name)) return base::Error{base::Fault::damaged, "an unsafe name in a folder"};
    if (!seen.insert(without_case(files[i].name)).second)
      return base::Error{base::Fault::damaged, "a name stands twice in a folder"};
    folder.by_name_.emplace(files[i].name, i);
  }
  folder.files_ = std::move(files);
  return folder;
}

// Only what stands in front of a name is skipped. A path that goes on behind a name is no name, so the table lacks it.
std::optional<Folder::Place> Folder::find(std::string_view path) const {
  while (path.starts_with('/') || path.starts_with("./")) path.remove_prefix(path.starts_with('/') ? 1 : 2);
  if (path.empty() || path == ".") return Place{true, 0};
  const auto found = by_name_.find(path);
  if (found == by_name_.end()) return std::nullopt;
  return Place{false, found->second};
}

std::string Folder::real_path(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const auto part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(part.size() + 1, path.size()));
    if (part == "..") {
      out.erase(std::min(out.rfind('/'), out.size()));
    } else if (!part.empty() && part != ".") {
      out.append("/").append(part);
    }
  }
  return out.empty() ? "/" : out;
}

Attributes Folder::attributes(const Place& place) const {
  Attributes out;
  out.uid = out.gid = 0;
  if (place.is_folder) {
    std::int64_t newest = 0;
    for (const FolderFile& file : files_) newest = std::max(newest, file.mtime);
    out.size = 0;
    out.permissions = kFolderMode;
    out.atime = out.mtime = wire_time(newest);
  } else {
    out.size = files_[place.file].size;
    out.permissions = kFileMode;
    out.atime = out.mtime = wire_time(files_[place.file].mtime);
  }
  return out;
}

}  // namespace sftp
