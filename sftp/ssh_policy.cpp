#include "sftp/ssh_policy.h"

#include <libssh/libssh.h>
#include <libssh/server.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace sftp {

namespace {

using base::Error;
using base::Fault;

constexpr const char* kCiphers = "chacha20-poly1305@openssh.com,aes256-ctr,aes128-ctr";
constexpr const char* kMacs = "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";
constexpr const char* kEtmMacs = "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com";

// How the names begin (RFC 4253, 4.2: softwareversion) of clients that know ETM for as long as they know Curve25519,
// which they need here. PuTTY, WinSCP, FileZilla and paramiko would choose plain SHA-2 if it were there.
constexpr std::string_view kKnowEtm[] = {"OpenSSH_",  "PuTTY_",    "WinSCP_release_", "FileZilla_",
                                         "paramiko_", "AsyncSSH_", "rclone/",         "ssh2js"};

struct Option {
  ssh_bind_options_e option;
  const char* value;
};
constexpr Option kOptions[] = {
    {SSH_BIND_OPTIONS_KEY_EXCHANGE, "curve25519-sha256,curve25519-sha256@libssh.org"},
    {SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS, "ssh-ed25519"},
    {SSH_BIND_OPTIONS_CIPHERS_C_S, kCiphers},
    {SSH_BIND_OPTIONS_CIPHERS_S_C, kCiphers},
    {SSH_BIND_OPTIONS_HMAC_C_S, kMacs},
    {SSH_BIND_OPTIONS_HMAC_S_C, kMacs},
    {SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES,  // of recorders; as vault/ssh_key takes them
     "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256"},
    {SSH_BIND_OPTIONS_BANNER, "callvault"},  // never the word OpenSSH: WinSCP would ask for SFTP version 6
};

base::Result<void> set_options(ssh_bind bind) {
  const bool no_config_files = false;
  const int silent = 0;
  const int rsa_bits = 3072;
  bool ok = ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no_config_files) == SSH_OK &&
            ssh_bind_options_set(bind, SSH_BIND_OPTIONS_LOG_VERBOSITY, &silent) == SSH_OK &&
            ssh_bind_options_set(bind, SSH_BIND_OPTIONS_RSA_MIN_SIZE, &rsa_bits) == SSH_OK;
  for (const auto& [option, value] : kOptions) ok = ok && ssh_bind_options_set(bind, option, value) == SSH_OK;
  if (!ok) return Error{Fault::failed, "libssh refuses an option of the SSH policy"};
  return {};
}

bool knows_etm(std::string_view banner) {
  constexpr std::string_view kProtocol = "SSH-2.0-";
  if (!banner.starts_with(kProtocol)) return false;
  banner.remove_prefix(kProtocol.size());
  return std::ranges::any_of(kKnowEtm, [&](std::string_view name) { return banner.starts_with(name); });
}

}  // namespace

SshPolicy::SshPolicy(std::unique_ptr<ssh_bind_struct, Free> bind) : bind_(std::move(bind)) {}
SshPolicy::SshPolicy(SshPolicy&&) noexcept = default;
SshPolicy& SshPolicy::operator=(SshPolicy&&) noexcept = default;
SshPolicy::~SshPolicy() = default;

void SshPolicy::Free::operator()(ssh_bind_struct* bind) const { ssh_bind_free(bind); }

base::Result<SshPolicy> SshPolicy::create(const base::Path& host_key) {
  std::unique_ptr<ssh_bind_struct, Free> bind(ssh_bind_new());
  if (!bind) return Error{Fault::failed, "no memory for the SSH server"};
  if (auto r = set_options(bind.get()); !r) return r.error();
  ssh_key key = nullptr;
  if (ssh_pki_import_privkey_file(host_key.c_str(), "", nullptr, nullptr, &key) != SSH_OK)
    return Error{Fault::failed, "cannot read the SSH host key"};
  if (ssh_key_type(key) != SSH_KEYTYPE_ED25519 ||
      ssh_bind_options_set(bind.get(), SSH_BIND_OPTIONS_IMPORT_KEY, key) != SSH_OK) {
    ssh_key_free(key);
    return Error{Fault::failed, "the SSH host key is not an Ed25519 key"};
  }
  return SshPolicy(std::move(bind));  // owns the key
}

base::Result<void> SshPolicy::apply(ssh_session_struct* session, int socket) const {
  if (ssh_options_set(session, SSH_OPTIONS_COMPRESSION, "none") != SSH_OK)  // "no" would still offer zlib@openssh.com
    return Error{Fault::failed, "libssh refuses to turn compression off"};
  if (ssh_bind_accept_fd(bind_.get(), session, socket) != SSH_OK)
    return Error{Fault::failed, "libssh does not take the connection"};
  ssh_set_blocking(session, 0);
  return {};
}

base::Result<void> SshPolicy::fit_to_client(ssh_session_struct* session) {
  const char* banner = ssh_get_clientbanner(session);
  if (banner == nullptr || !knows_etm(banner)) return {};
  if (ssh_options_set(session, SSH_OPTIONS_HMAC_C_S, kEtmMacs) != SSH_OK ||
      ssh_options_set(session, SSH_OPTIONS_HMAC_S_C, kEtmMacs) != SSH_OK || ssh_server_init_kex(session) != SSH_OK)
    return Error{Fault::failed, "libssh does not take the MACs for this client"};
  return {};
}

}  // namespace sftp
