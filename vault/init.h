// Init: a new vault's folder, and the two identities that open what will lie in it.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/files.h"
#include "base/secret.h"

namespace vault {

struct NewVault {
  base::Path folder;  // made here; must not exist, or be empty
  std::string operator_name;
  base::Path identity_out;  // the IT Manager's, under the passphrase; outside of the folder; must not exist
  base::Path recovery_out;  // a plain age identity, to print and lock away; the same
};

struct Made {
  std::string vault_id;
  std::string it_manager;  // recipients, age1...
  std::string recovery;
  std::string fingerprint;  // of the SSH host key
  std::string warning;      // about the file system of the slots; empty: none
};

// Fault::usage for paths inside each other or files that exist. When it fails, what it made is removed again.
base::Result<Made> init(const NewVault& wanted, const base::SecretBytes& passphrase, const base::Clock& clock,
                        base::Files& files = base::system_files(), unsigned scrypt_log_n = 18);

}  // namespace vault
