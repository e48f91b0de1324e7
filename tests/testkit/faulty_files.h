// FaultyFiles: the file calls of the project with one that fails. Call number `k` (from 0) and all later ones fail;
// what was not synced before that call is lost: unsynced data is cut from files, unsynced names are undone. When the
// work under test ends without reaching call k, `reached()` is false: then every cut has been tried. Several threads
// may call: one at a time is served.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "base/files.h"

namespace testkit {

class FaultyFiles final : public base::Files {
 public:
  enum class Loss { unsynced_is_lost, all_is_kept };  // power cut, or a killed process
  explicit FaultyFiles(std::int64_t fail_at, Loss loss = Loss::unsynced_is_lost);
  ~FaultyFiles() override;

  base::Result<base::Fd> create(const base::Path& path) override;
  base::Result<void> append(int fd, base::ByteView bytes) override;
  base::Result<void> write_at(const base::Path& path, std::uint64_t offset, base::ByteView bytes) override;
  base::Result<void> sync(int fd) override;
  base::Result<void> sync_folder(const base::Path& folder) override;
  base::Result<void> sync_together(std::span<const int> fds, const std::set<base::Path>& folders) override;
  base::Result<void> rename(const base::Path& from, const base::Path& to) override;
  base::Result<void> rename_new(const base::Path& from, const base::Path& to) override;
  base::Result<void> remove(const base::Path& path) override;
  base::Result<void> make_folder(const base::Path& path) override;

  bool reached() const;        // the failing call was made
  std::int64_t calls() const;  // calls made so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace testkit
