#include "base/host.h"

#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <boost/filesystem/operations.hpp>

#include "base/files.h"

namespace base {

namespace {

constexpr std::size_t kMostSwaps = std::size_t{64} * 1024;
constexpr std::size_t kMostId = 256;
constexpr int kMostLayers = 8;

// A device mapper's own id says what made it: "CRYPT-LUKS2-...". A volume may lie on one that is encrypted.
bool encrypted(const Path& device, int layers) {
  const auto id = read_file(device / "dm" / "uuid", kMostId);
  if (id && as_text(*id).starts_with("CRYPT-")) return true;
  if (layers == 0) return false;
  boost::system::error_code code;
  for (boost::filesystem::directory_iterator below(device / "slaves", code), end; !code && below != end;
       below.increment(code)) {
    if (encrypted(below->path(), layers - 1)) return true;
  }
  return false;
}

}  // namespace

int landlock_abi() {
  return static_cast<int>(
      std::max(syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION), 0L));
}

bool has_seccomp() { return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0; }

// A head line, then a line for each, its path first.
bool swap_reaches_disk(std::string_view swaps, const Path& block) {
  for (std::size_t at = swaps.find('\n'); at != std::string_view::npos; at = swaps.find('\n', at + 1)) {
    const std::string_view line = swaps.substr(at + 1, swaps.find('\n', at + 1) - at - 1);
    const Path device(std::string(line.substr(0, line.find_first_of(" \t"))));
    if (line.empty() || line.starts_with("/dev/zram")) continue;
    if (!line.starts_with("/dev/") || !encrypted(block / device.filename(), kMostLayers)) return true;
  }
  return false;
}

bool swap_reaches_disk() {
  const auto swaps = read_file("/proc/swaps", kMostSwaps);
  return swaps && swap_reaches_disk(as_text(*swaps), "/sys/block");
}

}  // namespace base
