// Handles: the open files and folders of one connection. Handle strings are random, checked for their kind, and never
// reused in a connection: a late READ on a closed handle fails and never reads another file.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace sftp {

enum class HandleKind { file, folder, upload };

class Handles {
 public:
  explicit Handles(std::size_t limit) : limit_(limit) {}
  // A new handle string (16 random bytes) for the caller's key. Fault::busy at the limit.
  base::Result<std::string> open(HandleKind kind, std::uint64_t key);
  // nullopt: unknown, closed, or of the other kind.
  std::optional<std::uint64_t> find(base::ByteView handle, HandleKind kind) const;
  struct Open {
    HandleKind kind;
    std::uint64_t key;
  };
  std::optional<Open> close(base::ByteView handle);  // nullopt: unknown or closed before
  std::size_t count() const { return open_.size(); }

 private:
  std::size_t limit_;
  std::map<std::string, Open, std::less<>> open_;
};

}  // namespace sftp
