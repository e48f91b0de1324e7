// TempFolder: a new folder for one test, removed with everything in it at the end.
#pragma once

#include "base/path.h"

namespace testkit {

class TempFolder {
 public:
  TempFolder() : TempFolder("/tmp") {}
  explicit TempFolder(const char* root);  // below TMPDIR when that is set, else below `root`
  static const char* in_memory();         // a root whose syncs cost nothing, where there is one
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const base::Path& path() const { return path_; }
  base::Path operator/(const char* name) const { return path_ / name; }

 private:
  base::Path path_;
};

}  // namespace testkit
