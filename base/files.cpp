#include "base/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/filesystem/operations.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>
#include <utility>

#include "base/clock.h"

namespace base {
namespace {

// The message names the file, never its content. Paths inside a vault are ids; a source's name is the caller's to hide.
Error os_error(const std::string& doing, int code = errno) {
  const Fault fault = code == ENOENT                    ? Fault::not_found
                      : code == EACCES || code == EPERM ? Fault::denied
                                                        : Fault::failed;
  return {fault, doing + ": " + std::strerror(code)};
}

Result<Fd> open_folder(const Path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return os_error("open folder " + folder.string());
  return Fd(fd);
}

class SystemFiles final : public Files {
 public:
  Result<Fd> create(const Path& path) override {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return os_error("create " + path.string());
    return Fd(fd);
  }

  Result<void> append(int fd, ByteView bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return os_error("write");
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
  }

  Result<void> write_at(const Path& path, std::uint64_t offset, ByteView bytes) override {
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return os_error("open " + path.string());
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return os_error("write " + path.string());
      offset += static_cast<std::uint64_t>(n);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return sync(fd.get());
  }

  Result<void> sync(int fd) override {
    if (::fdatasync(fd) != 0) return os_error("sync");
    return {};
  }

  Result<void> sync_folder(const Path& folder) override {
    auto fd = open_folder(folder);
    if (!fd) return fd.error();
    if (::fsync(fd->get()) != 0) return os_error("sync folder " + folder.string());
    return {};
  }

  // Since Linux 5.8 syncfs() tells of everything that could not be written since `fd` was opened.
  Result<void> sync_together(std::span<const int> fds, const std::set<Path>& folders) override {
    if (fds.size() > 1) return ::syncfs(fds.front()) == 0 ? Result<void>() : os_error("sync");
    for (const int fd : fds) {
      if (auto r = sync(fd); !r) return r;
    }
    for (const auto& folder : folders) {
      if (auto r = sync_folder(folder); !r) return r;
    }
    return {};
  }

  Result<void> rename(const Path& from, const Path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return os_error("rename to " + to.string());
    return {};
  }

  Result<void> rename_new(const Path& from, const Path& to) override {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0)
      return os_error("rename to " + to.string());
    return {};
  }

  Result<void> remove(const Path& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return os_error("remove " + path.string());
    return {};
  }

  Result<void> make_folder(const Path& path) override {
    if (::mkdir(path.c_str(), 0700) == 0) return {};
    struct stat st {};
    if (errno == EEXIST && ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return {};
    return os_error("make folder " + path.string(), errno == 0 ? EEXIST : errno);
  }
};

}  // namespace

Fd::Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

int Fd::release() { return std::exchange(fd_, -1); }

Result<Fd> open_to_read(const Path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return errno == ELOOP ? Error{Fault::damaged, "not a regular file"} : os_error("open", errno);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return os_error("stat");
  if (!S_ISREG(st.st_mode)) return Error{Fault::damaged, "not a regular file"};
  return fd;
}

Result<FileInfo> info(int fd) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return os_error("stat");
  return FileInfo{static_cast<std::uint64_t>(st.st_size), st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_ino};
}

Result<std::size_t> read_at(int fd, std::uint64_t offset, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_error("read");
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Result<Bytes> read_file(const Path& path, std::size_t max) {
  auto fd = open_to_read(path);
  if (!fd) return fd.error().at(path.string());
  Bytes out(std::min<std::size_t>(max, 64 * 1024) + 1);
  std::size_t size = 0;
  for (;;) {
    auto n = read_at(fd->get(), size, std::span(out).subspan(size));
    if (!n) return n.error().at(path.string());
    size += *n;
    if (size > max) return Error{Fault::damaged, path.string() + ": longer than it can be"};
    if (size < out.size()) break;
    out.resize(std::min(max + 1, out.size() * 2));
  }
  out.resize(size);
  return out;
}

bool exists(const Path& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0;
}

Result<std::vector<std::string>> list_folder(const Path& path) {
  boost::system::error_code code;
  boost::filesystem::directory_iterator at(path, code);
  std::vector<std::string> names;
  for (; !code && at != boost::filesystem::directory_iterator(); at.increment(code))
    names.push_back(at->path().filename().string());
  if (code) return os_error("list " + path.string(), code.value());
  std::sort(names.begin(), names.end());
  return names;
}

Result<FileLock> FileLock::take(const Path& path, std::int64_t wait_ms) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return os_error("open lock " + path.string());
  const std::int64_t deadline = monotonic_ms() + wait_ms;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return os_error("lock " + path.string());
    if (monotonic_ms() >= deadline) return Error{Fault::busy, "locked by another process: " + path.string()};
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return FileLock(std::move(fd));
}

Result<void> Files::create_whole(const Path& path, ByteView bytes) {
  auto fd = create(path);
  if (!fd) return fd.error();
  if (auto r = append(fd->get(), bytes); !r) return r.error().at(path.string());
  return sync(fd->get());
}

Result<void> Files::replace_whole(const Path& path, ByteView bytes) {
  const Path temporary = path.string() + ".new";
  if (auto r = remove(temporary); !r) return r;  // left by a crash
  if (auto r = create_whole(temporary, bytes); !r) {
    (void)remove(temporary);
    return r;
  }
  if (auto r = rename(temporary, path); !r) return r;
  return sync_folder(path.parent_path());
}

Files& system_files() {
  static SystemFiles files;
  return files;
}

bool overwrites_in_place(const Path& folder, std::string& kind) {
  struct statfs st {};
  if (::statfs(folder.c_str(), &st) != 0) {
    kind = "unknown";
    return false;
  }
  struct Known {
    unsigned long magic;
    const char* name;
    bool in_place;
  };
  // Magic numbers: linux/magic.h and statfs(2).
  constexpr std::array<Known, 10> known{{{0xEF53, "ext4", true},
                                         {0x58465342, "xfs", true},
                                         {0x9123683E, "btrfs", false},
                                         {0x2FC12FC1, "zfs", false},
                                         {0x794c7630, "overlay", false},
                                         {0x01021994, "tmpfs", false},
                                         {0x6969, "nfs", false},
                                         {0xFE534D42, "smb", false},
                                         {0x65735546, "fuse", false},
                                         {0xF2F52010, "f2fs", false}}};
  for (const Known& k : known) {
    if (static_cast<unsigned long>(st.f_type) != k.magic) continue;
    kind = k.name;
    return k.in_place;
  }
  kind = "unknown";
  return false;
}

}  // namespace base
