// The part of Catalog that knows recorders, and whose name an account is.
#include "vault/catalog.h"
#include "vault/catalog_state.h"

namespace vault {

using base::Result;
using soci::into;
using soci::use;

namespace {

constexpr const char* kRecorder =
    "SELECT name, id, state, ssh_key, class, COALESCE(customer, ''), category, created_at, signed_at, statement"
    " FROM recorder";

struct RecorderInto {
  RecorderRow row;
  long long created = 0, signed_at = 0;

  void bind(soci::statement& st) {
    for (std::string* text : {&row.name, &row.id, &row.state, &row.ssh_key, &row.klass, &row.customer, &row.category})
      st.exchange(into(*text));
    st.exchange(into(created));
    st.exchange(into(signed_at));
    st.exchange(into(row.statement));
  }
  const RecorderRow& take() {
    row.created_at = created;
    row.signed_at = signed_at;
    return row;
  }
};

std::vector<RecorderRow> run(soci::statement& st, const std::string& query) {
  RecorderInto r;
  r.bind(st);
  st.alloc();
  st.prepare(query);
  st.define_and_bind();
  st.execute();
  std::vector<RecorderRow> all;
  while (st.fetch()) all.push_back(r.take());
  return all;
}

std::optional<RecorderRow> first(std::vector<RecorderRow> rows) {
  return rows.empty() ? std::nullopt : std::optional(std::move(rows.front()));
}

}  // namespace

Result<std::string> Catalog::kind_of_account(const std::string& name) {
  return guarded("look for account", [&]() -> Result<std::string> {
    std::string kind;
    state_->sql
        << "SELECT 'a customer' FROM customer WHERE id = :name UNION ALL"
           " SELECT 'a recorder' FROM recorder WHERE name = :name2 AND state = 'open' UNION ALL"
           " SELECT 'a grantee' FROM access WHERE account = :name3 AND kind = 'grant' AND state = 'open' LIMIT 1",
        use(name, "name"), use(name, "name2"), use(name, "name3"), into(kind);
    return state_->sql.got_data() ? kind : std::string();
  });
}

Result<void> Catalog::put_recorder(const RecorderRow& row) {
  return guarded("put recorder", [&]() -> Result<void> {
    const long long created = row.created_at;
    const long long signed_at = row.signed_at;
    state_->sql << "INSERT INTO recorder (name, id, state, ssh_key, class, customer, category, created_at, signed_at,"
                   " statement) VALUES (:name, :id, :state, :key, :class, NULLIF(:customer, ''), :category, :created,"
                   " :signed, :statement)"
                   " ON CONFLICT (name) DO UPDATE SET id = excluded.id, state = excluded.state,"
                   " ssh_key = excluded.ssh_key, class = excluded.class, customer = excluded.customer,"
                   " category = excluded.category, created_at = excluded.created_at, signed_at = excluded.signed_at,"
                   " statement = excluded.statement",
        use(row.name, "name"), use(row.id, "id"), use(row.state, "state"), use(row.ssh_key, "key"),
        use(row.klass, "class"), use(row.customer, "customer"), use(row.category, "category"), use(created, "created"),
        use(signed_at, "signed"), use(row.statement, "statement");
    return {};
  });
}

Result<std::optional<RecorderRow>> Catalog::recorder(const std::string& name) {
  return guarded("read recorder", [&]() -> Result<std::optional<RecorderRow>> {
    soci::statement st(state_->sql);
    st.exchange(use(name, "name"));
    return first(run(st, std::string(kRecorder) + " WHERE name = :name"));
  });
}

Result<std::optional<RecorderRow>> Catalog::recorder_with_key(const std::string& name, const std::string& key) {
  return guarded("look for recorder", [&]() -> Result<std::optional<RecorderRow>> {
    soci::statement st(state_->sql);
    st.exchange(use(key, "key"));
    st.exchange(use(name, "name"));
    // "+name": by the key's index, so that the work does not depend on whether there is such a name.
    return first(run(st, std::string(kRecorder) + " WHERE ssh_key = :key AND +name = :name AND state = 'open'"));
  });
}

Result<std::vector<RecorderRow>> Catalog::recorders() {
  return guarded("list recorders", [&]() -> Result<std::vector<RecorderRow>> {
    soci::statement st(state_->sql);
    return run(st, std::string(kRecorder) + " ORDER BY name");
  });
}

}  // namespace vault
