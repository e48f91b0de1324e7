// Grant letter: what the operator hands on to a grantee: where to read and under which account, or how to open the
// file; and the password, shown once.
#pragma once

#include <string>

#include "vault/grant.h"

namespace cli {

// JSON or a letter. `file` is the path of the age file that was made, or empty. On an error the password may be lost:
// the grant is then revoked and made anew.
base::Result<void> print_grant(vault::Vault& vault, const vault::Grant& grant, const std::string& file, bool json);

}  // namespace cli
