// Identity file: where one may be written, and writing it so that it is there, whole, or not.
#pragma once

#include <string_view>

#include "base/files.h"
#include "keys/identity.h"

namespace vault {

// Fault::usage: a passphrase of less than 8 characters.
base::Result<void> check_passphrase(const base::SecretBytes& passphrase);

// True when the path leads into the folder, also through links, and when its last parts do not exist yet.
bool lies_inside(const base::Path& path, const base::Path& folder);

// Fault::usage: it would lie in the folder of a vault.
base::Result<void> check_identity_folder(const base::Path& path);
// Fault::usage: there is a file already, or it would lie in the folder of a vault: who steals the disk would have both.
base::Result<void> check_identity_place(const base::Path& path);

// A new file under the passphrase; durable when it returns. Fault::usage as above.
base::Result<void> write_identity(const base::Path& path, const keys::Identity& identity, std::string_view comment,
                                  const base::SecretBytes& passphrase, base::Files& files = base::system_files(),
                                  unsigned scrypt_log_n = 18);

// The same identity in the same file under another passphrase: at any moment the file has the old or the new one.
base::Result<void> write_passphrase(const base::Path& path, const keys::Identity& identity,
                                    const base::SecretBytes& passphrase, base::Files& files = base::system_files(),
                                    unsigned scrypt_log_n = 18);

}  // namespace vault
