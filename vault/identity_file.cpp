#include "vault/identity_file.h"

#include <algorithm>
#include <boost/filesystem/operations.hpp>

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

// Where a path really leads, also when its last part does not exist yet.
base::Path real(const base::Path& path) {
  boost::system::error_code ignored;
  const base::Path full = boost::filesystem::weakly_canonical(boost::filesystem::absolute(path), ignored);
  return full.empty() ? path : full;
}

base::Path folder_of(const base::Path& path) { return path.has_parent_path() ? path.parent_path() : base::Path("."); }

}  // namespace

Result<void> check_passphrase(const base::SecretBytes& passphrase) {
  if (passphrase.size() >= 8) return {};
  return Error{Fault::usage, "the passphrase needs at least 8 characters"};
}

bool lies_inside(const base::Path& path, const base::Path& folder) {
  const base::Path a = real(path);
  const base::Path b = real(folder);
  return std::mismatch(b.begin(), b.end(), a.begin(), a.end()).first == b.end();
}

Result<void> check_identity_folder(const base::Path& path) {
  for (base::Path folder = real(path).parent_path(); !folder.empty(); folder = folder.parent_path()) {
    if (base::exists(folder / "callvault.toml"))
      return Error{Fault::usage,
                   "an identity file must not lie in a vault's folder: who steals the disk would have both"};
  }
  return {};
}

Result<void> check_identity_place(const base::Path& path) {
  if (base::exists(path)) return Error{Fault::usage, "there is a file already: " + path.string()};
  return check_identity_folder(path);
}

namespace {

// Whole, and under its name, or not at all: half of an identity opens nothing. The name of what is half done is nobody
// else's; whoever calls a file "x.new" keeps it.
Result<void> put(const base::Path& path, base::ByteView bytes, bool in_place_of_another, base::Files& files) {
  const base::Path folder = folder_of(path);
  const base::Path temporary = folder / (".callvault-" + base::hex(base::random_bytes(8)) + ".tmp");
  auto done = files.create_whole(temporary, bytes);
  if (done) done = in_place_of_another ? files.rename(temporary, path) : files.rename_new(temporary, path);
  if (done) return files.sync_folder(folder);
  (void)files.remove(temporary);  // at the end of a failure: there is no one to tell
  return done;
}

}  // namespace

Result<void> write_identity(const base::Path& path, const keys::Identity& identity, std::string_view comment,
                            const base::SecretBytes& passphrase, base::Files& files, unsigned scrypt_log_n) {
  if (auto r = check_passphrase(passphrase); !r) return r;
  if (auto r = check_identity_place(path); !r) return r;
  auto bytes = keys::encrypt_identity(identity, comment, passphrase, scrypt_log_n);
  if (!bytes) return bytes.error();
  return put(path, *bytes, false, files);
}

Result<void> write_passphrase(const base::Path& path, const keys::Identity& identity,
                              const base::SecretBytes& passphrase, base::Files& files, unsigned scrypt_log_n) {
  if (auto r = check_passphrase(passphrase); !r) return r;
  auto bytes = keys::encrypt_identity(identity, "callvault identity", passphrase, scrypt_log_n);
  if (!bytes) return bytes.error();
  return put(real(path), *bytes, true, files);
}

}  // namespace vault
