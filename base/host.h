// Host: what of the machine decides how well its processes and their memory are protected.
// Core dumps are not asked for: processes are not dumpable, whatever the machine's settings say.
#pragma once

#include <string_view>

#include "base/path.h"

namespace base {

int landlock_abi();  // 0: this kernel has none, or it is not turned on
bool has_seccomp();

// Whether memory that is not locked, like a library's, can reach a disk in clear. `swaps`: the text of /proc/swaps;
// `block`: /sys/block, where dm-crypt below a device shows. Compressed memory (zram) is no disk.
bool swap_reaches_disk(std::string_view swaps, const Path& block);
bool swap_reaches_disk();  // of this machine

}  // namespace base
