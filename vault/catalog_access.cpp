// The part of Catalog that knows accesses and their items.
#include "vault/catalog.h"
#include "vault/catalog_state.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;
using soci::into;
using soci::use;

namespace {

constexpr const char* kAccess =
    "SELECT id, kind, account, COALESCE(customer, ''), state, not_before, expires, slot, strict, any_address, "
    "statement,"
    " created_at, attempt, claimed_at, seen_at, network, ended_at, takes_in, turn FROM access";

struct AccessInto {
  AccessRow row;
  long long not_before = 0, expires = 0, slot = 0, created = 0, claimed = 0, seen = 0, ended = 0, turn = 0;
  int strict = 0, any_address = 0;

  void bind(soci::statement& st) {
    st.exchange(into(row.id));
    st.exchange(into(row.kind));
    st.exchange(into(row.account));
    st.exchange(into(row.customer));
    st.exchange(into(row.state));
    st.exchange(into(not_before));
    st.exchange(into(expires));
    st.exchange(into(slot));
    st.exchange(into(strict));
    st.exchange(into(any_address));
    st.exchange(into(row.statement));
    st.exchange(into(created));
    st.exchange(into(row.attempt));
    st.exchange(into(claimed));
    st.exchange(into(seen));
    st.exchange(into(row.network));
    st.exchange(into(ended));
    st.exchange(into(row.takes_in));
    st.exchange(into(turn));
  }
  const AccessRow& take() {
    row.not_before = not_before;
    row.expires = expires;
    row.slot = static_cast<std::uint64_t>(slot);
    row.strict = strict != 0;
    row.any_address = any_address != 0;
    row.created_at = created;
    row.claimed_at = claimed;
    row.seen_at = seen;
    row.ended_at = ended;
    row.turn = static_cast<std::uint64_t>(turn);
    return row;
  }
};

// `where` is our own text; `value` fills its :value.
Result<std::vector<AccessRow>> select(soci::session& sql, const std::string& where,
                                      const std::optional<std::string>& value) {
  return guarded("list accesses", [&]() -> Result<std::vector<AccessRow>> {
    soci::statement st(sql);
    if (value) st.exchange(use(*value, "value"));
    AccessInto a;
    a.bind(st);
    st.alloc();
    st.prepare(kAccess + where);
    st.define_and_bind();
    st.execute();
    std::vector<AccessRow> all;
    while (st.fetch()) all.push_back(a.take());
    return all;
  });
}

}  // namespace

Result<void> Catalog::add_access(const AccessRow& row) {
  return guarded("add access", [&]() -> Result<void> {
    const long long not_before = row.not_before;
    const long long expires = row.expires;
    const auto slot = static_cast<long long>(row.slot);
    const long long created = row.created_at;
    const int strict = row.strict ? 1 : 0;
    const int any_address = row.any_address ? 1 : 0;
    const auto turn = static_cast<long long>(row.turn);
    state_->sql
        << "INSERT INTO access (id, kind, account, customer, state, not_before, expires, slot, strict, any_address,"
           " statement, created_at, takes_in, turn) VALUES (:id, :kind, :account, NULLIF(:customer, ''), 'open',"
           " :not_before, :expires, :slot, :strict, :any_address, :statement, :created, :takes_in, :turn)",
        use(row.id, "id"), use(row.kind, "kind"), use(row.account, "account"), use(row.customer, "customer"),
        use(not_before, "not_before"), use(expires, "expires"), use(slot, "slot"), use(strict, "strict"),
        use(any_address, "any_address"), use(row.statement, "statement"), use(created, "created"),
        use(row.takes_in, "takes_in"), use(turn, "turn");
    return {};
  });
}

Result<void> Catalog::add_item(const ItemRow& item, const std::string& sealed_header) {
  return guarded("add item", [&]() -> Result<void> {
    auto recording_row = recording(item.recording);
    if (!recording_row) return recording_row.error();
    if (recording_row->state != "sealed")
      return Error{Fault::not_found, item.recording + ": " + recording_row->state + " meanwhile"};
    if (recording_row->columns.slot != item.slot)
      return Error{Fault::busy, item.recording + ": moved to another slot meanwhile; do it again"};
    if (item.exclusive) {
      auto other = delivery_of(item.recording);
      if (!other) return other.error();
      if (*other) return Error{Fault::busy, "recording " + item.recording + " is in delivery " + **other};
    }
    const auto position = static_cast<long long>(item.position);
    const int exclusive = item.exclusive ? 1 : 0;
    state_->sql << "INSERT INTO item (access, position, recording, exclusive, state, entry)"
                   " VALUES (:access, :position, :recording, :exclusive, 'offered', :entry)",
        use(item.access, "access"), use(position, "position"), use(item.recording, "recording"),
        use(exclusive, "exclusive"), use(item.entry, "entry");
    state_->sql << "INSERT INTO header (recording, recipient, sealed) VALUES (:recording, :recipient, :sealed)",
        use(item.recording, "recording"), use(item.access, "recipient"), use(sealed_header, "sealed");
    return {};
  });
}

Result<AccessRow> Catalog::access(const std::string& id) {
  auto rows = select(state_->sql, " WHERE id = :value", id);
  if (!rows) return rows.error();
  if (rows->empty()) return Error{Fault::not_found, "no such access"};
  return std::move(rows->front());
}

Result<std::vector<AccessRow>> Catalog::accesses(const std::optional<std::string>& kind) {
  return select(state_->sql, kind ? " WHERE kind = :value ORDER BY created_at, turn, id" : " ORDER BY created_at, id",
                kind);
}

// State by state by the index: an account that had a thousand costs no more than one that had ten. And rows that it
// lacks are read of others, so that one that has none costs no less.
Result<std::vector<AccessRow>> Catalog::accesses_of(const std::string& account, int limit) {
  const std::string most = " LIMIT " + std::to_string(limit);
  std::string where;
  for (const char* state : {"claimed", "open", "finished", "expired", "revoked"})
    where += std::string(where.empty() ? " WHERE" : " OR") +
             " rowid IN (SELECT rowid FROM access WHERE account = :value AND state = '" + state +
             "' ORDER BY created_at DESC, id" + most + ")";
  where += " ORDER BY CASE state WHEN 'claimed' THEN 0 WHEN 'open' THEN 1 ELSE 2 END, created_at DESC, id" + most;
  auto found = select(state_->sql, where, account);
  if (!found) return found;
  const std::string missing = std::to_string(static_cast<std::size_t>(limit) - found->size());
  const auto others = select(state_->sql, " WHERE id > '' ORDER BY id LIMIT " + missing, std::nullopt);
  if (!others) return others.error();
  return found;
}

Result<std::vector<AccessRow>> Catalog::claimed_accesses() {
  return select(state_->sql, " WHERE state = 'claimed' ORDER BY id", std::nullopt);
}

Result<std::vector<AccessRow>> Catalog::accesses_to_erase() {
  return select(state_->sql, " WHERE secret_gone = 0 AND state IN ('finished', 'expired', 'revoked')", std::nullopt);
}

Result<void> Catalog::set_secret_gone(const std::string& access) {
  return guarded("note erased secret", [&]() -> Result<void> {
    state_->sql << "UPDATE access SET secret_gone = 1 WHERE id = :id", use(access, "id");
    return {};
  });
}

Result<std::vector<AccessRow>> Catalog::overdue_accesses(base::Seconds now) {
  return select(state_->sql, " WHERE state = 'open' AND expires <= CAST(:value AS INTEGER)", std::to_string(now));
}

Result<std::vector<ItemRow>> Catalog::items(const std::string& access) {
  return guarded("list items", [&]() -> Result<std::vector<ItemRow>> {
    std::vector<ItemRow> all;
    ItemRow item;
    long long position = 0;
    long long delivered = 0;
    long long size = 0;
    long long linger = 0;
    int exclusive = 0;
    int restricted = 0;
    soci::statement st =
        (state_->sql.prepare
             << "SELECT i.access, i.position, i.recording, i.exclusive, i.state, i.entry, i.coverage, i.sent,"
                " i.delivered_at, r.state, r.size, r.linger_until, EXISTS (SELECT 1 FROM restriction x WHERE"
                " x.recording = r.id AND x.closed_at = 0) FROM item i JOIN recording r ON r.id = i.recording"
                " WHERE i.access = :access ORDER BY i.position",
         use(access, "access"), into(item.access), into(position), into(item.recording), into(exclusive),
         into(item.state), into(item.entry), into(item.coverage), into(item.sent), into(delivered),
         into(item.recording_state), into(size), into(linger), into(restricted));
    st.execute();
    while (st.fetch()) {
      item.position = static_cast<std::uint32_t>(position);
      item.exclusive = exclusive != 0;
      item.delivered_at = delivered;
      item.size = static_cast<std::uint64_t>(size);
      item.linger_until = linger;
      item.restricted = restricted != 0;
      all.push_back(item);
    }
    return all;
  });
}

Result<std::optional<std::string>> Catalog::delivery_of(const std::string& recording) {
  return guarded("look for delivery", [&]() -> Result<std::optional<std::string>> {
    std::string access;
    state_->sql << "SELECT access FROM item WHERE recording = :recording AND exclusive = 1 AND state = 'offered'",
        use(recording, "recording"), into(access);
    if (!state_->sql.got_data()) return std::optional<std::string>();
    return std::optional(access);
  });
}

Result<std::optional<std::string>> Catalog::delivered_in(const std::string& recording) {
  return guarded("look for delivered item", [&]() -> Result<std::optional<std::string>> {
    std::string access;
    state_->sql << "SELECT access FROM item WHERE recording = :recording AND state = 'delivered' LIMIT 1",
        use(recording, "recording"), into(access);
    if (!state_->sql.got_data()) return std::optional<std::string>();
    return std::optional(access);
  });
}

Result<void> Catalog::claim(const std::string& access, const std::string& attempt, const std::string& network,
                            base::Seconds now) {
  return guarded("claim", [&]() -> Result<void> {
    const long long at = now;
    soci::statement st =
        (state_->sql.prepare
             << "UPDATE access SET state = 'claimed', attempt = :attempt, network = :network, claimed_at = :at,"
                " seen_at = :at2 WHERE id = :id AND state = 'open' AND not_before <= :at3 AND expires > :at4",
         use(attempt, "attempt"), use(network, "network"), use(at, "at"), use(at, "at2"), use(access, "id"),
         use(at, "at3"), use(at, "at4"));
    st.execute(true);
    if (st.get_affected_rows() != 1) return Error{Fault::denied, "already used, or not its time"};
    return {};
  });
}

Result<void> Catalog::saw(const std::string& access, base::Seconds now) {
  return guarded("note use", [&]() -> Result<void> {
    const long long at = now;
    state_->sql << "UPDATE access SET seen_at = :at WHERE id = :id", use(at, "at"), use(access, "id");
    return {};
  });
}

Result<int> Catalog::end_access(const std::string& access, const std::string& state, base::Seconds now) {
  return guarded("end access", [&]() -> Result<int> {
    const long long at = now;
    soci::statement st =
        (state_->sql.prepare << "UPDATE access SET state = :state, ended_at = :at, network = '', attempt = ''"
                                " WHERE id = :id AND state IN ('open', 'claimed')",
         use(state, "state"), use(at, "at"), use(access, "id"));
    st.execute(true);
    const auto changed = static_cast<int>(st.get_affected_rows());
    if (changed == 0) return changed;
    state_->sql << "UPDATE item SET state = 'withdrawn' WHERE access = :id AND state = 'offered'", use(access, "id");
    state_->sql << "UPDATE item SET entry = '', coverage = '' WHERE access = :id", use(access, "id");
    state_->sql << "UPDATE recording SET linger_until = 0 WHERE id IN"
                   " (SELECT recording FROM item WHERE access = :id AND state = 'delivered')",
        use(access, "id");
    state_->sql << "DELETE FROM header WHERE recipient = :id", use(access, "id");
    return changed;
  });
}

Result<int> Catalog::set_delivered(const std::string& access, std::uint32_t position, base::Seconds now) {
  return guarded("mark delivered", [&]() -> Result<int> {
    return state_
        ->kept(
            "UPDATE item SET state = 'delivered', coverage = '', delivered_at = :at"
            " WHERE access = :access AND position = :position AND state = 'offered'")
        .set("at", static_cast<long long>(now))
        .set("access", access)
        .set("position", static_cast<long long>(position))
        .execute();
  });
}

Result<void> Catalog::store_coverage(const std::string& access, std::uint32_t position, const std::string& coverage,
                                     long long sent) {
  return guarded("store coverage", [&]() -> Result<void> {
    const auto number = static_cast<long long>(position);
    state_->sql << "UPDATE item SET coverage = :coverage, sent = :sent WHERE access = :access AND position = :position"
                   " AND state = 'offered'",
        use(coverage, "coverage"), use(sent, "sent"), use(access, "access"), use(number, "position");
    return {};
  });
}

}  // namespace vault
