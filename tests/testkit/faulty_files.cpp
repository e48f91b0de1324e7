#include "tests/testkit/faulty_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/filesystem/operations.hpp>
#include <functional>
#include <mutex>
#include <vector>

namespace testkit {

using base::Bytes, base::ByteView, base::Error, base::Fault, base::Fd, base::Files, base::Path, base::Result;

namespace {

const Error kFault{Fault::failed, "injected fault"};

void put_back(const Path& path, const Bytes& content) {
  auto fd = base::system_files().create(path);
  if (fd) (void)base::system_files().append(fd->get(), content);
}

}  // namespace

struct FaultyFiles::State {
  struct Unsynced {
    Fd file;  // our own descriptor: the caller may have closed its one
    std::uint64_t synced_size;
  };
  struct Name {
    Path folder;
    std::function<void()> undo;
  };

  std::int64_t fail_at;
  Loss loss;
  std::int64_t calls = 0;
  bool reached = false;
  std::mutex one_call_at_a_time;
  std::map<std::uint64_t, Unsynced> data;  // by inode
  std::vector<Name> names;                 // in the order in which they were made

  // True when this call has to fail. The first time, what was not synced is lost.
  bool fails() {
    const bool now = calls++ >= fail_at;
    if (now && !reached) {
      reached = true;
      if (loss == Loss::unsynced_is_lost) lose();
    }
    return now;
  }

  void lose() {
    for (auto& [inode, file] : data)
      if (ftruncate(file.file.get(), static_cast<off_t>(file.synced_size)) != 0) std::abort();
    for (auto name = names.rbegin(); name != names.rend(); ++name) name->undo();
  }

  std::optional<Bytes> synced_content(const Path& path) const {
    auto content = base::read_file(path, std::size_t{1} << 30);
    if (!content) return std::nullopt;
    const auto fd = base::open_to_read(path);
    const auto info = fd ? base::info(fd->get()) : Result<base::FileInfo>(kFault);
    if (info && data.contains(info->inode)) content->resize(data.at(info->inode).synced_size);
    return *content;
  }

  void data_is_synced(int fd) {
    if (const auto info = base::info(fd)) data.erase(info->inode);
  }
  void names_are_synced(const Path& folder) {
    std::erase_if(names, [&folder](const Name& name) { return name.folder == folder; });
  }

  void remember_name(const Path& path, std::function<void()> undo) {
    names.push_back({path.parent_path(), std::move(undo)});
  }
};

FaultyFiles::FaultyFiles(std::int64_t fail_at, Loss loss) : state_(std::make_unique<State>()) {
  state_->fail_at = fail_at;
  state_->loss = loss;
}
FaultyFiles::~FaultyFiles() = default;

Result<Fd> FaultyFiles::create(const Path& path) {
  const std::lock_guard lock(state_->one_call_at_a_time);
  if (state_->fails()) return kFault;
  auto fd = base::system_files().create(path);
  if (fd) state_->remember_name(path, [path] { (void)base::system_files().remove(path); });
  return fd;
}

Result<void> FaultyFiles::append(int fd, ByteView bytes) {
  const std::lock_guard lock(state_->one_call_at_a_time);
  if (state_->fails()) {
    if (state_->loss == Loss::all_is_kept) (void)base::system_files().append(fd, bytes.first(bytes.size() / 2));
    return kFault;
  }
  const auto info = base::info(fd);
  if (!info) return info.error();
  state_->data.try_emplace(info->inode, State::Unsynced{Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)), info->size});
  return base::system_files().append(fd, bytes);
}

Result<void> FaultyFiles::write_at(const Path& path, std::uint64_t offset, ByteView bytes) {
  const std::lock_guard lock(state_->one_call_at_a_time);
  if (!state_->fails()) return base::system_files().write_at(path, offset, bytes);
  if (state_->calls == state_->fail_at + 1)  // torn: the first half arrived
    (void)base::system_files().write_at(path, offset, bytes.first(bytes.size() / 2));
  return kFault;
}

Result<void> FaultyFiles::sync(int fd) {
  const std::lock_guard lock(state_->one_call_at_a_time);
  if (state_->fails()) return kFault;
  auto r = base::system_files().sync(fd);
  if (r) state_->data_is_synced(fd);
  return r;
}

Result<void> FaultyFiles::sync_folder(const Path& folder) {
  const std::lock_guard lock(state_->one_call_at_a_time);
  if (state_->fails()) return kFault;
  auto r = base::system_files().sync_folder(folder);
  if (r) state_->names_are_synced(folder);
  return r;
}

Result<void> FaultyFiles::sync_together(std::span<const int> fds, const std::set<Path>& folders) {
  const std::lock_guard lock(state_->one_call_at_a_time);
  if (state_->fails()) return kFault;
  auto r = base::system_files().sync_together(fds, folders);
  if (!r) return r;
  for (const int fd : fds) state_->data_is_synced(fd);
  for (const auto& folder : folders) state_->names_are_synced(folder);
  return {};
}

Result<void> FaultyFiles::rename(const Path& from, const Path& to) {
  const std::lock_guard lock(state_->one_call_at_a_time);
  if (state_->fails()) return kFault;
  const auto replaced = state_->synced_content(to);
  auto r = base::system_files().rename(from, to);
  if (!r) return r;
  state_->remember_name(to, [from, to, content = replaced] {
    (void)base::system_files().rename(to, from);
    if (content) put_back(to, *content);
  });
  return r;
}

Result<void> FaultyFiles::rename_new(const Path& from, const Path& to) {
  const std::lock_guard lock(state_->one_call_at_a_time);
  if (state_->fails()) return kFault;
  auto r = base::system_files().rename_new(from, to);
  if (r) state_->remember_name(to, [from, to] { (void)base::system_files().rename(to, from); });
  return r;
}

Result<void> FaultyFiles::remove(const Path& path) {
  const std::lock_guard lock(state_->one_call_at_a_time);
  if (state_->fails()) return kFault;
  const auto content = state_->synced_content(path);
  auto r = base::system_files().remove(path);
  if (r && content) state_->remember_name(path, [path, bytes = *content] { put_back(path, bytes); });
  return r;
}

Result<void> FaultyFiles::make_folder(const Path& path) {
  const std::lock_guard lock(state_->one_call_at_a_time);
  if (state_->fails()) return kFault;
  const bool existed = base::exists(path);
  auto r = base::system_files().make_folder(path);
  if (r && !existed)
    state_->remember_name(path, [path] {
      boost::system::error_code ignored;
      boost::filesystem::remove_all(path, ignored);
    });
  return r;
}

bool FaultyFiles::reached() const { return state_->reached; }
std::int64_t FaultyFiles::calls() const { return state_->calls; }

}  // namespace testkit
