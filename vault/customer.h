// Customer: the business customers that recordings are held for. An id is also an account name; the display name is
// sealed to the role holders, since it may be a person's.
#pragma once

#include "vault/vault.h"

namespace vault {

bool valid_account(std::string_view id);  // [a-z0-9-]{1,32}

base::Result<void> add_customer(Vault& vault, const Actor& actor, const std::string& id, const std::string& name,
                                long long linger_minutes);
// Ends its standing log-ins too, and collecting deliveries that are empty.
base::Result<void> close_customer(Vault& vault, const Actor& actor, const std::string& id);
// A customer's row counts only if somebody who may signed the very same. Fault::damaged, Fault::denied.
base::Result<void> verified_customer(const Vault& vault, const CustomerRow& row);
// A customer that something may be begun for. Faults: not_found, denied (closed), and as above.
base::Result<void> check_open(Vault& vault, const std::string& id);
// For a change of roles, inside an act. The statement of a customer under another signature, once its present one was
// verified; and all names sealed to `holders`, as far as `opener` opens them: the number of those that it does not.
base::Result<std::string> customer_signed_anew(const Vault& vault, const CustomerRow& row,
                                               const keys::NoteSigner& signer);
base::Result<std::size_t> seal_names_anew(Vault& vault, const keys::Identity& opener,
                                          const std::vector<keys::RoleHolder>& holders);
base::Result<std::string> customer_name(const CustomerRow& row, const keys::Identity& identity);

}  // namespace vault
