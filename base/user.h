// User: whom a program becomes that was started as root. Nothing here is called by one that was not.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/path.h"
#include "base/result.h"

namespace base {

struct User {
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups;  // supplementary
};

bool is_root();
Result<User> owner_of(const Path& folder);                // with the groups that its user is in
std::optional<User> user_named(const std::string& name);  // without supplementary groups; nullopt: there is none

// From now on files are opened and made as this user. All else is still root's: ports below 1024, become().
Result<void> use_files_as(const User& user);
// For good: no id and no capability is left that leads back. Hardens the process again, since the kernel undoes that
// when ids change, and takes PR_SET_PDEATHSIG back. What fails here must end the process.
Result<void> become(const User& user);

// Raises the limit of locked memory to `bytes` if it is lower; it would bind us once we are not root any more.
Result<void> allow_locked_memory(std::size_t bytes);

}  // namespace base
