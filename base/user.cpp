#include "base/user.h"

#include <grp.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/process.h"

namespace base {

namespace {

constexpr std::size_t kMostEntry = 16'384;  // of the user database, in bytes
constexpr int kMostGroups = 1024;

Error failure(const std::string& step) { return {Fault::failed, step + ": " + std::strerror(errno)}; }

template <class Look>
bool look_up(Look look) {  // look(passwd*, buffer, size, passwd**)
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, kMostEntry> buffer;
  return look(&entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
}

}  // namespace

bool is_root() { return geteuid() == 0; }

Result<User> owner_of(const Path& folder) {
  struct stat found {};
  if (stat(folder.c_str(), &found) != 0)
    return Error{errno == ENOENT ? Fault::not_found : Fault::failed,
                 "look at " + folder.string() + ": " + std::strerror(errno)};
  User user{found.st_uid, found.st_gid, {}};
  look_up([&](passwd* entry, char* buffer, std::size_t size, passwd** out) {
    const int r = getpwuid_r(user.uid, entry, buffer, size, out);
    if (r != 0 || *out == nullptr) return r;  // an id without a name: no groups
    int count = kMostGroups;
    user.groups.resize(kMostGroups);
    if (getgrouplist((*out)->pw_name, (*out)->pw_gid, user.groups.data(), &count) < 0) count = 0;
    user.groups.resize(static_cast<std::size_t>(count));
    return 0;
  });
  return user;
}

std::optional<User> user_named(const std::string& name) {
  std::optional<User> user;
  look_up([&](passwd* entry, char* buffer, std::size_t size, passwd** out) {
    const int r = getpwnam_r(name.c_str(), entry, buffer, size, out);
    if (r == 0 && *out != nullptr) user = User{(*out)->pw_uid, (*out)->pw_gid, {}};
    return r;
  });
  return user;
}

Result<void> use_files_as(const User& user) {
  setfsgid(user.gid);
  setfsuid(user.uid);
  // They tell no failure; asked for an id that cannot be, they give the present one.
  if (setfsgid(static_cast<gid_t>(-1)) != static_cast<int>(user.gid) ||
      setfsuid(static_cast<uid_t>(-1)) != static_cast<int>(user.uid))
    return Error{Fault::failed, "cannot use files as user " + std::to_string(user.uid)};
  return harden_process();
}

Result<void> become(const User& user) {
  const std::string step = "become user " + std::to_string(user.uid);
  if (setgroups(user.groups.size(), user.groups.data()) != 0) return failure(step + ", its groups");
  if (setresgid(user.gid, user.gid, user.gid) != 0) return failure(step + ", its group");
  if (setresuid(user.uid, user.uid, user.uid) != 0) return failure(step);
  if (user.uid != 0 && (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0 || geteuid() == 0))
    return Error{Fault::failed, step + ": there is a way back"};
  return harden_process();
}

Result<void> allow_locked_memory(std::size_t bytes) {
  rlimit now{};
  if (getrlimit(RLIMIT_MEMLOCK, &now) != 0) return failure("read the limit of locked memory");
  const rlimit next{std::max<rlim_t>(now.rlim_cur, bytes), std::max<rlim_t>(now.rlim_max, bytes)};
  if (next.rlim_cur == now.rlim_cur || setrlimit(RLIMIT_MEMLOCK, &next) == 0) return {};
  return failure("raise the limit of locked memory");
}

}  // namespace base
