// Output file: where a recording goes that leaves the vault. Nobody finds half of one: it is written beside its place
// under a temporary name, 0600, and takes its name only at commit(). Without commit() nothing stays, also when a signal
// ends the program.
#pragma once

#include <string>

#include "base/files.h"

namespace cli {

class OutputFile {
 public:
  // "-" is stdout. Fault::usage: the file exists and `force` was not given, or stdout is a terminal.
  static base::Result<OutputFile> create(const std::string& path, bool force);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  base::Result<void> write(base::ByteView bytes);
  base::Result<void> commit();  // once; after it the file is on the disk under its name

 private:
  OutputFile(base::Path path, base::Path temporary, base::Fd fd, bool force);
  base::Path path_, temporary_;  // empty: stdout, or committed
  base::Fd fd_;
  bool force_;
};

}  // namespace cli
