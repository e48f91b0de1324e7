#include "keys/host_key.h"

#include <libssh/libssh.h>

#include <cstring>
#include <memory>

#include "base/secret.h"

namespace keys {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::size_t kMaxFile = std::size_t{16} * 1024;

struct FreeKey {
  void operator()(ssh_key key) const { ssh_key_free(key); }  // wipes the secret half
};
using Key = std::unique_ptr<ssh_key_struct, FreeKey>;

struct WipeAndFreeText {
  void operator()(char* text) const {
    base::wipe(std::span(text, std::strlen(text)));
    ssh_string_free_char(text);
  }
};
using Text = std::unique_ptr<char, WipeAndFreeText>;

Result<Key> read_key(const base::Path& file) {
  auto bytes = base::read_file(file, kMaxFile);
  if (!bytes) return bytes.error().at("host key");
  bytes->push_back(std::byte{0});  // libssh wants a C string
  const auto pem = base::SecretBytes::take(std::span(*bytes));
  if (!pem) return pem.error();
  ssh_key raw = nullptr;
  const auto* text = reinterpret_cast<const char*>(pem->reveal().data());
  if (ssh_pki_import_privkey_base64(text, "", nullptr, nullptr, &raw) != SSH_OK)
    return Error{Fault::damaged, "host key: not a private key without passphrase"};
  Key key(raw);
  if (ssh_key_type(raw) != SSH_KEYTYPE_ED25519) return Error{Fault::damaged, "host key: not an Ed25519 key"};
  return key;
}

}  // namespace

Result<void> make_host_key(const base::Path& file, base::Files& files) {
  ssh_key raw = nullptr;
  if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &raw) != SSH_OK)
    return Error{Fault::failed, "host key: cannot make one"};
  const Key key(raw);
  char* pem = nullptr;
  if (ssh_pki_export_privkey_base64(raw, nullptr, nullptr, nullptr, &pem) != SSH_OK)
    return Error{Fault::failed, "host key: cannot write its text"};
  const Text text(pem);
  if (auto r = files.create_whole(file, base::as_bytes(pem)); !r) return r.error().at("host key");
  return files.sync_folder(file.parent_path());
}

Result<std::string> host_key_fingerprint(const base::Path& file) {
  const auto key = read_key(file);
  if (!key) return key.error();
  unsigned char* hash = nullptr;
  std::size_t size = 0;
  if (ssh_get_publickey_hash(key->get(), SSH_PUBLICKEY_HASH_SHA256, &hash, &size) != SSH_OK)
    return Error{Fault::failed, "host key: cannot compute its fingerprint"};
  const Text text(ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size));
  ssh_clean_pubkey_hash(&hash);
  if (!text) return Error{Fault::failed, "host key: cannot print its fingerprint"};
  return std::string(text.get());
}

Result<std::string> host_key_public_line(const base::Path& file) {
  const auto key = read_key(file);
  if (!key) return key.error();
  char* raw = nullptr;
  if (ssh_pki_export_pubkey_base64(key->get(), &raw) != SSH_OK)
    return Error{Fault::failed, "host key: cannot print its public half"};
  const Text text(raw);
  return "ssh-ed25519 " + std::string(raw);
}

}  // namespace keys
