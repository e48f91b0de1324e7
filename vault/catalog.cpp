#include "vault/catalog.h"

#include "base/files.h"
#include "vault/catalog_state.h"
#include "vault/schema.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;
using soci::into;
using soci::use;

base::Error database_error(const char* step, const soci::soci_error& error) {
  Fault fault = Fault::failed;
  if (const auto* e = dynamic_cast<const soci::sqlite3_soci_error*>(&error)) {
    const int code = e->result() & 0xff;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) fault = Fault::busy;
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) fault = Fault::damaged;
    return {fault, std::string("catalogue: ") + step + ": " + sqlite_api::sqlite3_errstr(e->result())};
  }
  return {fault, std::string("catalogue: ") + step + ": the database library refused it"};
}

namespace {

Result<std::unique_ptr<soci::session>> connect(const base::Path& file) {
  return guarded("open", [&]() -> Result<std::unique_ptr<soci::session>> {
    const std::string quoted = "dbname=\"" + file.string() + "\" timeout=30";
    auto sql = std::make_unique<soci::session>(soci::sqlite3, quoted);
    for (const auto& setting : connection_settings()) *sql << setting;
    return sql;
  });
}

Result<int> version_of(soci::session& sql) {
  return guarded("read version", [&]() -> Result<int> {
    int version = 0;
    sql << "PRAGMA user_version", into(version);
    return version;
  });
}

Result<void> run(soci::session& sql, const char* statement) {
  return guarded(statement, [&]() -> Result<void> {
    sql << statement;
    return {};
  });
}

Result<void> migrate(soci::session& sql) {
  const auto& all = migrations();
  auto version = version_of(sql);
  if (!version) return version.error();
  if (*version > static_cast<int>(all.size()))
    return Error{Fault::failed, "the catalogue was made by a newer callvault; update this program"};
  return guarded("migrate", [&]() -> Result<void> {
    for (auto next = static_cast<std::size_t>(*version); next < all.size(); ++next) {
      sql << "BEGIN IMMEDIATE";
      int now = 0;  // another process may have been faster
      sql << "PRAGMA user_version", into(now);
      if (now == static_cast<int>(next)) {
        for (const auto& statement : all[next]) sql << statement;
        sql << "PRAGMA user_version = " + std::to_string(next + 1);
      }
      sql << "COMMIT";
    }
    return {};
  });
}

}  // namespace

void Kept::prepare() {
  if (std::exchange(prepared_, true)) return;
  st_.alloc();
  st_.prepare(query_);
  st_.define_and_bind();
}

int Kept::execute() {
  running_ = true;
  prepare();
  st_.execute(true);
  running_ = false;
  return static_cast<int>(st_.get_affected_rows());
}

bool Kept::fetch() {
  running_ = true;
  prepare();
  st_.execute();
  bool found = false;
  while (st_.fetch()) found = true;
  running_ = false;
  return found;
}

Catalog::Catalog(std::unique_ptr<State> state) : state_(std::move(state)) {}
Catalog::Catalog(Catalog&&) noexcept = default;
Catalog& Catalog::operator=(Catalog&&) noexcept = default;
Catalog::~Catalog() = default;

Result<void> Catalog::create(const base::Path& file) {
  if (base::exists(file)) return Error{Fault::usage, "there is a catalogue already: " + file.string()};
  if (auto r = base::system_files().create_whole(file, {}); !r) return r;  // 0600 before anything stands in it
  auto sql = connect(file);
  if (!sql) return sql.error();
  return migrate(**sql);
}

Result<Catalog> Catalog::open(const base::Path& file) {
  if (!base::exists(file)) return Error{Fault::not_found, "no catalogue at " + file.string()};
  auto sql = connect(file);
  if (!sql) return sql.error();
  auto version = version_of(**sql);
  if (!version) return version.error();
  if (*version == 0) return Error{Fault::damaged, "catalogue: it is empty: " + file.string()};
  if (auto r = migrate(**sql); !r) return r.error();
  auto state = std::make_unique<State>();
  state->sql.open(soci::sqlite3, "dbname=\"" + file.string() + "\" timeout=30");
  return guarded("open", [&]() -> Result<Catalog> {
    for (const auto& setting : connection_settings()) state->sql << setting;
    return Catalog(std::move(state));
  });
}

Result<void> Catalog::change(const std::function<Result<void>()>& work) {
  if (state_->inside) std::abort();  // our own mistake
  if (auto r = run(state_->sql, "BEGIN IMMEDIATE"); !r) return r;
  state_->inside = true;
  auto done = work();
  if (done) done = run(state_->sql, "COMMIT");
  // A failed statement may have rolled back already: then this one fails, and nothing is left to undo.
  if (!done) (void)run(state_->sql, "ROLLBACK");
  state_->inside = false;
  return done;
}

Result<void> Catalog::read(const std::function<Result<void>()>& work) {
  if (state_->inside) return work();
  if (auto r = run(state_->sql, "BEGIN"); !r) return r;
  state_->inside = true;
  auto done = work();
  (void)run(state_->sql, "COMMIT");  // nothing was changed: an error here loses nothing
  state_->inside = false;
  return done;
}

Result<int> Catalog::empty_log() {
  return guarded("empty log", [&]() -> Result<int> {
    int busy = 0;
    int frames = 0;
    int copied = 0;
    state_->sql << "PRAGMA busy_timeout = 0";  // never wait for a reader: the caller tries again
    state_->sql << "PRAGMA wal_checkpoint(TRUNCATE)", into(busy), into(frames), into(copied);
    state_->sql << "PRAGMA busy_timeout = 30000";
    return busy != 0 ? std::max(frames, 1) : 0;
  });
}

Result<std::string> Catalog::integrity() {
  return guarded("integrity check", [&]() -> Result<std::string> {
    std::string answer;
    state_->sql << "PRAGMA integrity_check(1)", into(answer);
    if (answer != "ok") return answer;
    int broken = 0;
    state_->sql << "SELECT COUNT(*) FROM pragma_foreign_key_check", into(broken);
    if (broken != 0) return std::string("rows refer to rows that are missing");
    return answer;
  });
}

Result<long long> Catalog::data_version() {
  return guarded("data version", [&]() -> Result<long long> {
    long long version = 0;
    state_->sql << "PRAGMA data_version", into(version);
    return version;
  });
}

Result<std::optional<std::string>> Catalog::setting(const std::string& name) {
  return guarded("read setting", [&]() -> Result<std::optional<std::string>> {
    std::string value;
    state_->sql << "SELECT value FROM setting WHERE name = :name", use(name, "name"), into(value);
    if (!state_->sql.got_data()) return std::optional<std::string>();
    return std::optional<std::string>(value);
  });
}

Result<std::optional<std::uint64_t>> Catalog::number(const std::string& name) {
  const auto text = setting(name);
  if (!text) return text.error();
  if (!*text) return std::optional<std::uint64_t>();
  const auto value = keys::note_number(**text);
  if (!value) return Error{Fault::damaged, "catalogue: setting " + name + " is not a number"};
  return value;
}

Result<void> Catalog::set_setting(const std::string& name, const std::string& value) {
  return guarded("write setting", [&]() -> Result<void> {
    state_->sql << "INSERT INTO setting (name, value) VALUES (:name, :value)"
                   " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        use(name, "name"), use(value, "value");
    return {};
  });
}

Result<std::uint64_t> Catalog::take_slot(std::uint64_t at_least) {
  const auto next = number("next_slot");
  if (!next) return next.error();
  const std::uint64_t slot = std::max(static_cast<std::uint64_t>(next->value_or(0)), at_least);
  if (auto r = set_setting("next_slot", std::to_string(slot + 1)); !r) return r.error();
  return slot;
}

Result<void> Catalog::add_customer(const CustomerRow& row) {
  return guarded("add customer", [&]() -> Result<void> {
    int there = 0;
    state_->sql << "SELECT COUNT(*) FROM customer WHERE id = :id", use(row.id, "id"), into(there);
    if (there != 0) return Error{Fault::usage, "there is a customer of this id already"};
    const long long created = row.created_at;
    const int plain = row.plain_folder ? 1 : 0;
    state_->sql << "INSERT INTO customer (id, state, created_at, linger, plain_folder, name, statement)"
                   " VALUES (:id, :state, :created, :linger, :plain, :name, :statement)",
        use(row.id, "id"), use(row.state, "state"), use(created, "created"), use(row.linger, "linger"),
        use(plain, "plain"), use(row.name, "name"), use(row.statement, "statement");
    return {};
  });
}

Result<void> Catalog::close_customer(const std::string& id, const std::string& statement) {
  return guarded("close customer", [&]() -> Result<void> {
    state_->sql << "UPDATE customer SET state = 'closed', statement = :statement WHERE id = :id",
        use(statement, "statement"), use(id, "id");
    return {};
  });
}

namespace {

constexpr const char* kCustomer = "SELECT id, state, created_at, linger, plain_folder, name, statement FROM customer";

struct CustomerInto {
  CustomerRow row;
  long long created = 0;
  int plain = 0;
  CustomerRow take() {
    row.created_at = created;
    row.plain_folder = plain != 0;
    return row;
  }
};

}  // namespace

Result<CustomerRow> Catalog::customer(const std::string& id) {
  return guarded("read customer", [&]() -> Result<CustomerRow> {
    CustomerInto c;
    state_->sql << std::string(kCustomer) + " WHERE id = :id", use(id, "id"), into(c.row.id), into(c.row.state),
        into(c.created), into(c.row.linger), into(c.plain), into(c.row.name), into(c.row.statement);
    if (!state_->sql.got_data()) return Error{Fault::not_found, "no such customer"};
    return c.take();
  });
}

Result<std::vector<CustomerRow>> Catalog::customers() {
  return guarded("list customers", [&]() -> Result<std::vector<CustomerRow>> {
    std::vector<CustomerRow> all;
    CustomerInto c;
    soci::statement st =
        (state_->sql.prepare << std::string(kCustomer) + " ORDER BY id", into(c.row.id), into(c.row.state),
         into(c.created), into(c.row.linger), into(c.plain), into(c.row.name), into(c.row.statement));
    st.execute();
    while (st.fetch()) all.push_back(c.take());
    return all;
  });
}

Result<void> Catalog::add_audit(const AuditRow& row) {
  return guarded("add audit entry", [&]() -> Result<void> {
    state_->kept("INSERT INTO audit (seq, leaf, details) VALUES (:seq, :leaf, :details)")
        .set("seq", static_cast<long long>(row.seq))
        .set("leaf", row.leaf)
        .set("details", row.details)
        .execute();
    return {};
  });
}

Result<std::uint64_t> Catalog::audit_size() {
  return guarded("read audit log", [&]() -> Result<std::uint64_t> {
    state_->kept("SELECT COALESCE(MAX(seq) + 1, 0) FROM audit").into(state_->number).fetch();
    return static_cast<std::uint64_t>(state_->number);
  });
}

Result<std::vector<AuditRow>> Catalog::audit(std::uint64_t from, std::size_t limit) {
  return guarded("read audit log", [&]() -> Result<std::vector<AuditRow>> {
    std::vector<AuditRow> all;
    AuditRow row;
    long long seq = 0;
    const auto first = static_cast<long long>(from);
    const auto most = static_cast<long long>(limit);
    soci::statement st =
        (state_->sql.prepare << "SELECT seq, leaf, details FROM audit WHERE seq >= :first ORDER BY seq LIMIT :most",
         use(first, "first"), use(most, "most"), into(seq), into(row.leaf), into(row.details));
    st.execute();
    while (st.fetch()) {
      row.seq = static_cast<std::uint64_t>(seq);
      all.push_back(row);
    }
    return all;
  });
}

Result<std::optional<std::uint64_t>> Catalog::audit_month(const std::string& month) {
  return guarded("read audit month", [&]() -> Result<std::optional<std::uint64_t>> {
    long long slot = 0;
    state_->sql << "SELECT slot FROM audit_month WHERE month = :month", use(month, "month"), into(slot);
    if (!state_->sql.got_data()) return std::optional<std::uint64_t>();
    return std::optional(static_cast<std::uint64_t>(slot));
  });
}

Result<void> Catalog::add_audit_month(const std::string& month, std::uint64_t slot) {
  return guarded("add audit month", [&]() -> Result<void> {
    const auto number = static_cast<long long>(slot);
    state_->sql << "INSERT INTO audit_month (month, slot) VALUES (:month, :slot)", use(month, "month"),
        use(number, "slot");
    return {};
  });
}

Result<std::vector<std::uint64_t>> Catalog::slots_in_use() {
  return guarded("list slots", [&]() -> Result<std::vector<std::uint64_t>> {
    std::vector<std::uint64_t> all;
    long long slot = 0;
    soci::statement st = (state_->sql.prepare << "SELECT slot FROM recording WHERE state = 'sealed' UNION ALL "
                                                 "SELECT slot FROM access WHERE state IN ('open', 'claimed') UNION ALL "
                                                 "SELECT slot FROM audit_month",
                          into(slot));
    st.execute();
    while (st.fetch()) all.push_back(static_cast<std::uint64_t>(slot));
    return all;
  });
}

}  // namespace vault
