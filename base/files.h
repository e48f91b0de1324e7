// Files: the only durable file calls of the project, and the seam at which tests make them fail
// (tests/testkit/faulty_files.h: call k fails, and what was not synced is lost).
//
// Every call that changes a file says what is on disk when it returns. Paths are never built from foreign text.
// All opens use O_CLOEXEC and O_NOFOLLOW; new files are 0600, new folders 0700.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/path.h"
#include "base/result.h"

namespace base {

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept;
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd();

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();

 private:
  int fd_ = -1;
};

struct FileInfo {
  std::uint64_t size = 0;
  std::int64_t modified = 0;     // seconds since 1970
  std::int64_t modified_ns = 0;  // and nanoseconds
  std::uint64_t inode = 0;
  friend bool operator==(const FileInfo&, const FileInfo&) = default;
};

// Positioned reads; short only at the end of the file. Not part of the seam: reading changes nothing.
Result<Fd> open_to_read(const Path& path);  // regular files only; not_found, damaged (not a file), failed
Result<FileInfo> info(int fd);
Result<std::size_t> read_at(int fd, std::uint64_t offset, std::span<std::byte> out);
Result<Bytes> read_file(const Path& path, std::size_t max);  // Fault::damaged when it is longer than `max`
bool exists(const Path& path);
Result<std::vector<std::string>> list_folder(const Path& path);  // names without . and .., sorted

// An advisory lock (flock) on a lock file, held until destroyed.
class FileLock {
 public:
  // Fault::busy when somebody else holds it and `wait_ms` is over.
  static Result<FileLock> take(const Path& path, std::int64_t wait_ms);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

class Files {
 public:
  virtual ~Files() = default;

  // A new file to append to; fails when it exists.
  virtual Result<Fd> create(const Path& path) = 0;
  virtual Result<void> append(int fd, ByteView bytes) = 0;  // all of it, or an error
  virtual Result<void> write_at(const Path& path, std::uint64_t offset,
                                ByteView bytes) = 0;         // existing file; then synced
  virtual Result<void> sync(int fd) = 0;                     // data and size are on the device
  virtual Result<void> sync_folder(const Path& folder) = 0;  // names are on the device
  // The same for all of these at once, which must lie on one file system: one wait, where each alone had its own.
  virtual Result<void> sync_together(std::span<const int> fds, const std::set<Path>& folders) = 0;
  virtual Result<void> rename(const Path& from, const Path& to) = 0;      // replaces; durable after sync_folder
  virtual Result<void> rename_new(const Path& from, const Path& to) = 0;  // fails when `to` exists
  virtual Result<void> remove(const Path& path) = 0;                      // missing is fine; durable after sync_folder
  virtual Result<void> make_folder(const Path& path) = 0;                 // existing is fine

  // Built from the calls above.
  Result<void> create_whole(const Path& path, ByteView bytes);   // create, append, sync; the folder is not synced
  Result<void> replace_whole(const Path& path, ByteView bytes);  // temporary file, sync, rename, sync the folder
};

// The calls of the operating system.
Files& system_files();

// True when an overwrite in place reaches the old blocks as far as the file system can tell: false on btrfs, zfs,
// overlay, tmpfs and network file systems. `kind` gets the file system's name for messages.
bool overwrites_in_place(const Path& folder, std::string& kind);

}  // namespace base
