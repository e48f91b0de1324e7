// SSH key: the public key of a recorder, as a line of OpenSSH's .pub files has it. Pure.
// Sources: RFC 4253 section 6.6 (RSA), RFC 5656 section 3.1 (ECDSA), RFC 8709 section 4 (Ed25519), sshd(8) for the
// line.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace vault {

class SshKey {
 public:
  // The text of a file with exactly one key: "ssh-ed25519 AAAA... comment"; empty lines and those that begin with # do
  // not count. Fault::usage: no key, several, a private one, options in front of it, another kind, an RSA key of less
  // than 3072 bits, or bytes that are no such key.
  static base::Result<SshKey> parse_file(std::string_view text);
  // "ssh-ed25519 AAAA..." and nothing more, as text() prints it. Fault::damaged.
  static base::Result<SshKey> parse(std::string_view text);
  static base::Result<SshKey> from_blob(base::ByteView blob);  // as it goes over the wire. Fault::damaged

  std::string text() const;                          // without a comment
  const base::Bytes& blob() const { return blob_; }  // as it goes over the wire
  std::string fingerprint() const;                   // "SHA256:..." without padding, as ssh-keygen -l shows it

 private:
  SshKey(std::string type, base::Bytes blob) : type_(std::move(type)), blob_(std::move(blob)) {}
  std::string type_;
  base::Bytes blob_;
};

constexpr std::size_t kMaxSshKeyBlob = 2112;  // RSA of 16,384 bits

}  // namespace vault
