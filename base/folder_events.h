// FolderEvents: what happens to the names in some folders, as the kernel tells it (inotify(7)). Weaker than it looks:
// it tells nothing of what other hosts do on a network file system, and nothing of what was there before.
#pragma once

#include <map>
#include <vector>

#include "base/files.h"

namespace base {

class FolderEvents {
 public:
  static Result<FolderEvents> open();
  int descriptor() const { return fd_.get(); }  // readable when there is something to take

  // Not what lies below. Again is fine, also under the new name of a folder that was moved. Fault::not_found: no folder
  // there; failed: the kernel watches no more of them (fs.inotify.max_user_watches).
  Result<void> add(const Path& folder);

  struct News {
    std::vector<Path> files;    // made, closed after writing, or moved here
    std::vector<Path> folders;  // made, or moved here
    bool lost = false;          // more happened than the kernel kept: look at everything
  };
  News take();  // does not wait

 private:
  explicit FolderEvents(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
  std::map<int, Path> folders_;  // by watch descriptor
};

}  // namespace base
