// SSH policy: host key and algorithms of the server. Made once, before the first fork; sessions inherit it.
// Curve25519 only; no AES-GCM, since older builds of this libssh accept forged packets; MACs with ETM, and plain SHA-2
// for clients that may not know those, as curl's libssh2; no compression. libssh's own defaults and configuration files
// are never used.
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

  // Takes plain SHA-2 from the offer when the client is one that knows ETM. It must have said its name, and our offer
  // must not have left: at libssh's connect status below 0.5.
  static base::Result<void> fit_to_client(ssh_session_struct* session);

 private:
  struct Free {
    void operator()(ssh_bind_struct* bind) const;
  };
  explicit SshPolicy(std::unique_ptr<ssh_bind_struct, Free> bind);
  std::unique_ptr<ssh_bind_struct, Free> bind_;
};

}  // namespace sftp
