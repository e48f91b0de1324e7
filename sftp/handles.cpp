#include "sftp/handles.h"

#include "base/secret.h"

namespace sftp {

namespace {
constexpr std::size_t kHandleSize = 16;  // so many random bytes never come twice
}

base::Result<std::string> Handles::open(HandleKind kind, std::uint64_t key) {
  if (open_.size() >= limit_) return base::Error{base::Fault::busy, "too many open handles"};
  std::string handle = base::to_text(base::random_bytes(kHandleSize));
  open_.emplace(handle, Open{kind, key});
  return handle;
}

std::optional<std::uint64_t> Handles::find(base::ByteView handle, HandleKind kind) const {
  const auto found = open_.find(base::as_text(handle));
  if (found == open_.end() || found->second.kind != kind) return std::nullopt;
  return found->second.key;
}

std::optional<Handles::Open> Handles::close(base::ByteView handle) {
  const auto found = open_.find(base::as_text(handle));
  if (found == open_.end()) return std::nullopt;
  const Open closed = found->second;
  open_.erase(found);
  return closed;
}

}  // namespace sftp
