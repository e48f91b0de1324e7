// The part of Catalog that knows accesses which take recordings in.
#include "vault/catalog.h"
#include "vault/catalog_state.h"

namespace vault {

using base::Result;
using soci::into;
using soci::use;

// By either column: an access whose customer was edited must be found by its account, so that it is named.
Result<std::vector<std::string>> Catalog::taking_in(const std::string& customer) {
  return guarded("look for what takes in", [&]() -> Result<std::vector<std::string>> {
    std::vector<std::string> all;
    std::string id;
    soci::statement st =
        (state_->sql.prepare
             << "SELECT id FROM access WHERE id IN ("
                "SELECT id FROM access WHERE account = :account AND state = 'open' AND takes_in <> '' UNION "
                "SELECT id FROM access WHERE customer = :customer AND state = 'open' AND takes_in <> '')"
                " ORDER BY turn, id",
         use(customer, "account"), use(customer, "customer"), into(id));
    st.execute();
    while (st.fetch()) all.push_back(id);
    return all;
  });
}

Result<std::uint32_t> Catalog::next_position(const std::string& access) {
  return guarded("count items", [&]() -> Result<std::uint32_t> {
    state_->kept("SELECT COALESCE(MAX(position) + 1, 0) FROM item WHERE access = :access")
        .set("access", access)
        .into(state_->number)
        .fetch();
    return static_cast<std::uint32_t>(state_->number);
  });
}

Result<std::uint64_t> Catalog::last_turn(const std::string& account) {
  return guarded("look for turns", [&]() -> Result<std::uint64_t> {
    long long turn = 0;
    state_->sql << "SELECT COALESCE(MAX(turn), 0) FROM access WHERE account = :account", use(account, "account"),
        into(turn);
    return static_cast<std::uint64_t>(turn);
  });
}

Result<std::optional<std::string>> Catalog::ahead_of(const AccessRow& access, base::Seconds now) {
  return guarded("look for turns", [&]() -> Result<std::optional<std::string>> {
    const long long at = now;
    const auto turn = static_cast<long long>(access.turn);
    std::string id;
    state_->sql << "SELECT id FROM access WHERE account = :account AND turn > 0 AND (turn, id) < (:turn, :id)"
                   " AND (state = 'claimed' OR (state = 'open' AND expires > :at)) ORDER BY turn, id LIMIT 1",
        use(access.account, "account"), use(turn, "turn"), use(access.id, "id"), use(at, "at"), into(id);
    if (!state_->sql.got_data()) return std::optional<std::string>();
    return std::optional(id);
  });
}

}  // namespace vault
