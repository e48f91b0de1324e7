// Role report: the second half of every change of roles, the headers, and what the command says of it all.
#pragma once

#include "cli/context.h"
#include "vault/role_change.h"

namespace cli {

// Brings the headers of all recordings in agreement with the roles, with progress on a terminal, and prints what was
// done; `what` is the first words. Fault::not_found: all stood like that already.
base::Result<void> finish_role_change(const Context& context, vault::Vault& vault, const keys::Identity& opener,
                                      const vault::RoleChange& change, const std::string& what);

}  // namespace cli
