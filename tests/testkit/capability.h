// Capability: does without one of root's rights for a while.
#pragma once

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace testkit {

// This thread, and those that it starts meanwhile, do not have it. Who is not root has none anyway.
class WithoutCapability {
 public:
  explicit WithoutCapability(unsigned capability) : bit_(1U << capability) { set(false); }
  ~WithoutCapability() { set(true); }
  WithoutCapability(const WithoutCapability&) = delete;
  WithoutCapability& operator=(const WithoutCapability&) = delete;

 private:
  void set(bool allowed) const {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    if (::syscall(SYS_capget, &header, data.data()) != 0) std::abort();
    data[0].effective = allowed ? data[0].effective | (data[0].permitted & bit_) : data[0].effective & ~bit_;
    if (::syscall(SYS_capset, &header, data.data()) != 0) std::abort();
  }

  const unsigned bit_;  // below 32
};

}  // namespace testkit
