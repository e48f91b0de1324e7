// SSH policy: host key and algorithms of the server. Made once, before the first fork; sessions inherit it.
// Curve25519 only; no AES-GCM, since older builds of this libssh accept forged packets; plain SHA-2 MACs for PuTTY and
// curl; no compression. libssh's own defaults and configuration files are never used.
#pragma once

#include <memory>

#include "base/path.h"
#include "base/result.h"

struct ssh_bind_struct;
struct ssh_session_struct;

namespace sftp {

class SshPolicy {
 public:
  // Loads the host key (Ed25519, without passphrase). Fails when libssh refuses any option.
  static base::Result<SshPolicy> create(const base::Path& host_key);
  SshPolicy(SshPolicy&&) noexcept;
  SshPolicy& operator=(SshPolicy&&) noexcept;
  ~SshPolicy();

  // Puts a new libssh session of the server side on a connected, non-blocking socket, which it owns from then on.
  base::Result<void> apply(ssh_session_struct* session, int socket) const;

 private:
  struct Free {
    void operator()(ssh_bind_struct* bind) const;
  };
  explicit SshPolicy(std::unique_ptr<ssh_bind_struct, Free> bind);
  std::unique_ptr<ssh_bind_struct, Free> bind_;
};

}  // namespace sftp
