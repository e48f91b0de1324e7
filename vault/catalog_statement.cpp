// The part of Catalog that puts another signature under what is there.
#include "vault/catalog.h"
#include "vault/catalog_state.h"

namespace vault {

using base::Result;
using soci::use;

Result<void> Catalog::set_customer_statement(const std::string& id, const std::string& statement) {
  return guarded("sign customer", [&]() -> Result<void> {
    state_->sql << "UPDATE customer SET statement = :statement WHERE id = :id", use(statement, "statement"),
        use(id, "id");
    return {};
  });
}

Result<void> Catalog::set_customer_name(const std::string& id, const std::string& sealed) {
  return guarded("seal customer's name", [&]() -> Result<void> {
    state_->sql << "UPDATE customer SET name = :name WHERE id = :id", use(sealed, "name"), use(id, "id");
    return {};
  });
}

Result<void> Catalog::set_access_statement(const std::string& id, const std::string& statement) {
  return guarded("sign access", [&]() -> Result<void> {
    state_->sql << "UPDATE access SET statement = :statement WHERE id = :id", use(statement, "statement"),
        use(id, "id");
    return {};
  });
}

Result<void> Catalog::set_restriction_statements(const RestrictionRow& row) {
  return guarded("sign restriction", [&]() -> Result<void> {
    state_->sql << "UPDATE restriction SET opening = :opening, release = :release WHERE id = :id",
        use(row.opening, "opening"), use(row.release, "release"), use(row.id, "id");
    return {};
  });
}

}  // namespace vault
