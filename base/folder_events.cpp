#include "base/folder_events.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace base {

namespace {

constexpr std::uint32_t kEvents =
    IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK;

}  // namespace

Result<FolderEvents> FolderEvents::open() {
  Fd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) return Error{Fault::failed, std::string("inotify: ") + std::strerror(errno)};
  return FolderEvents(std::move(fd));
}

Result<void> FolderEvents::add(const Path& folder) {
  const int watch = ::inotify_add_watch(fd_.get(), folder.c_str(), kEvents);
  if (watch < 0) {
    const Fault fault = errno == ENOENT || errno == ENOTDIR ? Fault::not_found
                        : errno == EACCES                   ? Fault::denied
                                                            : Fault::failed;
    return Error{fault, std::string("watch a folder: ") + std::strerror(errno)};
  }
  folders_[watch] = folder;
  return {};
}

FolderEvents::News FolderEvents::take() {
  News news;
  alignas(inotify_event) std::array<char, 64 * 1024> buffer;
  for (;;) {
    const ssize_t size = ::read(fd_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return news;
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = buffer.data() + at + sizeof event;
      at += sizeof event + event.len;
      const auto folder = folders_.find(event.wd);
      if ((event.mask & IN_Q_OVERFLOW) != 0) news.lost = true;
      if (folder == folders_.end()) continue;
      if ((event.mask & IN_IGNORED) != 0) {  // it is gone
        folders_.erase(folder);
      } else if (event.len != 0) {
        auto& names = (event.mask & IN_ISDIR) != 0 ? news.folders : news.files;
        names.push_back(folder->second / name);
      }
    }
  }
}

}  // namespace base
