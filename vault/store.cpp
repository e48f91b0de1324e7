#include "vault/store.h"

#include <fcntl.h>

#include "base/secret.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::string_view kIdAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t kIdSymbols = 16;

}  // namespace

std::string new_id(char kind) {
  std::string id{kind, '-'};
  for (const std::byte b : base::random_bytes(kIdSymbols)) id.push_back(kIdAlphabet[static_cast<unsigned>(b) & 31]);
  return id;
}

bool valid_id(std::string_view id) {
  if (id.size() != kIdSymbols + 2 || id[0] < 'a' || id[0] > 'z' || id[1] != '-') return false;
  return id.substr(2).find_first_not_of(kIdAlphabet) == std::string_view::npos;
}

base::Path Store::folder_of(const std::string& id) const { return folder_ / id.substr(2, 2); }

namespace {

// Ids come from new_id(), but also back from the catalogue, which somebody may have edited.
Result<void> check_id(const std::string& id) {
  if (valid_id(id)) return {};
  return Error{Fault::damaged, "a recording has an id that callvault never made"};
}

}  // namespace

Result<void> Store::make(const base::Path& folder) {
  if (base::exists(folder)) return {};
  if (auto r = files_->make_folder(folder); !r) return r;
  return files_->sync_folder(folder_);
}

Result<base::Fd> Store::create(const std::string& id) {
  if (auto r = check_id(id); !r) return r.error();
  if (auto r = files_->make_folder(folder_of(id)); !r) return r.error();
  return files_->create(path_of(id));
}

void Store::begin_commit(const base::Fd& object) { (void)::sync_file_range(object.get(), 0, 0, SYNC_FILE_RANGE_WRITE); }

Result<void> Store::commit(const Objects& objects) {
  std::vector<int> fds;
  std::set<base::Path> folders{folder_};  // in which create() may have made the others
  for (const auto& [id, object] : objects) {
    if (auto r = check_id(id); !r) return r;
    fds.push_back(object);
    folders.insert(folder_of(id));
  }
  return files_->sync_together(fds, folders);
}

Result<base::Fd> Store::open(const std::string& id) const {
  if (auto r = check_id(id); !r) return r.error();
  auto object = base::open_to_read(path_of(id));
  if (!object && object.error().fault == Fault::not_found) object = base::open_to_read(incoming_folder() / id);
  if (!object && object.error().fault == Fault::not_found) object = base::open_to_read(path_of(id));  // it has moved
  if (object) return object;
  if (object.error().fault == Fault::not_found) return Error{Fault::damaged, "object " + id + " is missing"};
  return object.error().at("object " + id);
}

Result<void> Store::remove(const std::set<std::string>& ids) {
  std::set<base::Path> folders;
  for (const auto& id : ids) {
    if (auto r = check_id(id); !r) return r;
    if (auto r = files_->remove(path_of(id)); !r) return r;
    if (base::exists(incoming_folder() / id)) {  // held, and the daemon ended before it could move it
      if (auto r = files_->remove(incoming_folder() / id); !r) return r;
      folders.insert(incoming_folder());
    }
    if (base::exists(folder_of(id))) folders.insert(folder_of(id));
  }
  for (const auto& folder : folders) {
    if (auto r = files_->sync_folder(folder); !r) return r;
  }
  return {};
}

Result<std::vector<std::string>> Store::ids() const {
  auto folders = base::list_folder(folder_);
  if (!folders) return folders.error();
  std::vector<std::string> all;
  for (const auto& name : *folders) {
    if (folder_ / name == incoming_folder()) continue;
    auto ids = base::list_folder(folder_ / name);
    if (!ids) return ids.error();
    all.insert(all.end(), ids->begin(), ids->end());
  }
  return all;
}

Result<base::Fd> Store::create_incoming(const std::string& id) {
  if (auto r = check_id(id); !r) return r.error();
  if (auto r = make(incoming_folder()); !r) return r.error();
  return files_->create(incoming_folder() / id);
}

Result<void> Store::commit_incoming(const base::Fd& object) {
  if (auto r = files_->sync(object.get()); !r) return r;
  return files_->sync_folder(incoming_folder());
}

Result<void> Store::move_incoming(const std::string& id) {
  if (auto r = check_id(id); !r) return r;
  if (auto r = make(folder_of(id)); !r) return r;
  if (auto r = files_->rename_new(incoming_folder() / id, path_of(id)); !r) return r;
  return {};  // not synced: after a crash it may lie in either place, and is found in both
}

Result<void> Store::remove_incoming(const std::string& id) {
  if (auto r = check_id(id); !r) return r;
  return files_->remove(incoming_folder() / id);
}

Result<std::vector<std::string>> Store::incoming() const {
  if (!base::exists(incoming_folder())) return std::vector<std::string>();
  return base::list_folder(incoming_folder());
}

}  // namespace vault
