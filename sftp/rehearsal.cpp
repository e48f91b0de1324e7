#include "sftp/rehearsal.h"

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <sys/socket.h>

#include <array>
#include <memory>

#include "base/clock.h"
#include "base/files.h"

namespace sftp {

namespace {

constexpr std::int64_t kLongestMs = 2'000;  // it takes about ten

using Side = std::unique_ptr<ssh_session_struct, decltype(&ssh_free)>;

bool set_up_client(ssh_session client, base::Fd socket) {
  const bool no_config_files = false;
  const socket_t fd = socket.get();
  const bool ok = ssh_options_set(client, SSH_OPTIONS_PROCESS_CONFIG, &no_config_files) == SSH_OK &&
                  ssh_options_set(client, SSH_OPTIONS_HOST, "ourselves") == SSH_OK &&
                  ssh_options_set(client, SSH_OPTIONS_USER, "nobody") == SSH_OK &&
                  ssh_options_set(client, SSH_OPTIONS_FD, &fd) == SSH_OK;
  if (ok) socket.release();  // libssh's now
  ssh_set_blocking(client, 0);
  return ok;
}

}  // namespace

bool rehearse(const SshPolicy& policy) {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()) != 0) return false;
  base::Fd clients(pair[0]);
  base::Fd servers(pair[1]);
  const Side client(ssh_new(), &ssh_free);
  const Side server(ssh_new(), &ssh_free);
  if (!client || !server || !set_up_client(client.get(), std::move(clients))) return false;
  if (!policy.apply(server.get(), servers.get())) return false;
  servers.release();
  const std::int64_t deadline = base::monotonic_ms() + kLongestMs;
  for (int theirs = SSH_AGAIN, ours = SSH_AGAIN; theirs != SSH_OK || ours != SSH_OK;) {
    if (theirs == SSH_AGAIN) theirs = ssh_connect(client.get());
    if (ours == SSH_AGAIN) ours = ssh_handle_key_exchange(server.get());
    if (theirs == SSH_ERROR || ours == SSH_ERROR || base::monotonic_ms() > deadline) return false;
  }
  return true;
}

}  // namespace sftp
