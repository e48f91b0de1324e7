#include "tests/testkit/program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace testkit {
namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (auto& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// Both at once, so that neither pipe fills up.
void read_both(int out, int err, Ran& ran) {
  std::array<pollfd, 2> wanted{{{out, POLLIN, 0}, {err, POLLIN, 0}}};
  const std::array<std::string*, 2> texts{&ran.out, &ran.err};
  for (int open = 2; open > 0;) {
    if (::poll(wanted.data(), wanted.size(), -1) < 0) continue;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i].revents == 0) continue;
      std::array<char, 65536> piece;
      const ssize_t n = ::read(wanted[i].fd, piece.data(), piece.size());
      if (n > 0) {
        texts[i]->append(piece.data(), static_cast<std::size_t>(n));
      } else {
        wanted[i].fd = -1;
        --open;
      }
    }
  }
}

}  // namespace

Ran run(const std::vector<std::string>& arguments,
        const std::vector<std::pair<std::string, std::string>>& environment) {
  std::vector<std::string> words = arguments;
  const char* path = std::getenv("PATH");
  std::vector<std::string> settings{std::string("PATH=") + (path == nullptr ? "/usr/bin:/bin" : path)};
  for (const auto& [name, value] : environment) settings.push_back(name + "=" + value);

  std::array<int, 2> out{}, err{};
  if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(err.data(), O_CLOEXEC) != 0) std::abort();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);  // no controlling terminal: /dev/tty does not open

  Ran ran;
  pid_t child = -1;
  const int started = ::posix_spawnp(&child, words.front().c_str(), &actions, &attributes, pointers(words).data(),
                                     pointers(settings).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(out[1]);
  ::close(err[1]);
  if (started == 0) {
    read_both(out[0], err[0], ran);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  } else {
    ran.code = 127;
  }
  ::close(out[0]);
  ::close(err[0]);
  return ran;
}

}  // namespace testkit
