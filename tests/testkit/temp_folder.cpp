#include "tests/testkit/temp_folder.h"

#include <unistd.h>

#include <boost/filesystem/operations.hpp>
#include <cstdlib>

namespace testkit {

TempFolder::TempFolder(const char* root) {
  const char* wanted = std::getenv("TMPDIR");
  std::string pattern = std::string(wanted != nullptr ? wanted : root) + "/callvault-test-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  path_ = pattern;
}

const char* TempFolder::in_memory() { return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; }

TempFolder::~TempFolder() {
  boost::system::error_code ignored;
  boost::filesystem::remove_all(path_, ignored);
}

}  // namespace testkit
