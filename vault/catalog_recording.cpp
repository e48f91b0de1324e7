// The part of Catalog that knows recordings: their rows, headers and metadata.
#include "vault/catalog.h"
#include "vault/catalog_state.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;
using soci::into;
using soci::use;

namespace {

constexpr const char* kRecording =
    "SELECT id, class, COALESCE(customer, ''), category, call_time, size, slot, state, quarantine, reason, received_at,"
    " ended_at, due_at, record, level, generation, linger_until,"
    " COALESCE((SELECT x.opened_at FROM restriction x WHERE x.recording = recording.id AND x.closed_at = 0), 0)"
    " FROM recording";

}  // namespace

// Where a row of kRecording is read into.
struct RecordingInto {
  RecordingRow row;
  long long call_time = 0, size = 0, slot = 0, received = 0, ended = 0, due = 0, linger = 0, restricted = 0;

  void bind(auto into_column) {
    into_column(row.columns.recording);
    into_column(row.columns.klass);
    into_column(row.columns.customer);
    into_column(row.columns.category);
    into_column(call_time);
    into_column(size);
    into_column(slot);
    into_column(row.state);
    into_column(row.quarantine);
    into_column(row.reason);
    into_column(received);
    into_column(ended);
    into_column(due);
    into_column(row.record);
    into_column(row.level);
    into_column(row.generation);
    into_column(linger);
    into_column(restricted);
  }
  const RecordingRow& take() {
    row.columns.call_time = call_time;
    row.columns.size = static_cast<std::uint64_t>(size);
    row.columns.slot = static_cast<std::uint64_t>(slot);
    row.received_at = received;
    row.ended_at = ended;
    row.due_at = due;
    row.linger_until = linger;
    row.restricted_at = restricted;
    return row;
  }
};

Result<void> Catalog::add_writing(const RecordingRow& row) {
  return guarded("begin recording", [&]() -> Result<void> {
    const Columns& c = row.columns;
    const long long call_time = c.call_time;
    const auto size = static_cast<long long>(c.size);
    const auto slot = static_cast<long long>(c.slot);
    const long long received = row.received_at;
    state_->sql << "INSERT INTO recording (id, class, customer, category, call_time, size, slot, state, received_at)"
                   " VALUES (:id, :class, NULLIF(:customer, ''), :category, :time, :size, :slot, 'writing', :received)",
        use(c.recording, "id"), use(c.klass, "class"), use(c.customer, "customer"), use(c.category, "category"),
        use(call_time, "time"), use(size, "size"), use(slot, "slot"), use(received, "received");
    return {};
  });
}

Result<void> Catalog::set_sealed(const RecordingRow& row, const std::vector<Header>& headers,
                                 std::uint64_t metadata_version, const std::string& metadata,
                                 const std::string& source_key) {
  return guarded("seal recording", [&]() -> Result<void> {
    const std::string& id = row.columns.recording;
    const long long call_time = row.columns.call_time;
    const auto size = static_cast<long long>(row.columns.size);
    soci::statement st =
        (state_->sql.prepare
             << "UPDATE recording SET state = 'sealed', call_time = :time, category = :category, size = :size,"
                " quarantine = :quarantine, record = :record, source_key = NULLIF(:source, '')"
                " WHERE id = :id AND state = 'writing'",
         use(call_time, "time"), use(row.columns.category, "category"), use(size, "size"),
         use(row.quarantine, "quarantine"), use(row.record, "record"), use(source_key, "source"), use(id, "id"));
    st.execute(true);
    if (st.get_affected_rows() != 1) return Error{Fault::not_found, "the recording was not being written"};
    for (const Header& header : headers) {
      state_->sql << "INSERT INTO header (recording, recipient, sealed) VALUES (:recording, :recipient, :sealed)",
          use(id, "recording"), use(header.recipient, "recipient"), use(header.sealed, "sealed");
    }
    const auto version = static_cast<long long>(metadata_version);
    state_->sql << "INSERT INTO metadata (recording, version, payload) VALUES (:recording, :version, :payload)",
        use(id, "recording"), use(version, "version"), use(metadata, "payload");
    return {};
  });
}

Result<void> Catalog::drop_writing(const std::string& id) {
  return guarded("drop unfinished recording", [&]() -> Result<void> {
    state_->sql << "DELETE FROM recording WHERE id = :id AND state = 'writing'", use(id, "id");
    return {};
  });
}

Result<std::optional<std::string>> Catalog::recording_from(const std::string& source_key) {
  return guarded("look for source", [&]() -> Result<std::optional<std::string>> {
    std::string id;
    state_->sql << "SELECT id FROM recording WHERE source_key = :source AND state = 'sealed'",
        use(source_key, "source"), into(id);
    if (!state_->sql.got_data()) return std::optional<std::string>();
    return std::optional(id);
  });
}

Result<RecordingRow> Catalog::recording(const std::string& id) {
  return guarded("read recording", [&]() -> Result<RecordingRow> {
    static const std::string query = std::string(kRecording) + " WHERE id = :id";
    if (!state_->recording) state_->recording = std::make_shared<RecordingInto>();
    Kept& st = state_->kept(query.c_str()).set("id", id);
    state_->recording->bind([&st](auto& where) { st.into(where); });
    if (!st.fetch()) return Error{Fault::not_found, "no such recording"};
    return state_->recording->take();
  });
}

Result<std::vector<RecordingRow>> Catalog::recordings(const RecordingFilter& filter) {
  return guarded("list recordings", [&]() -> Result<std::vector<RecordingRow>> {
    std::string query = std::string(kRecording) + " WHERE 1";
    soci::statement st(state_->sql);
    const long long from = filter.from.value_or(0);
    const long long to = filter.to.value_or(0);
    if (filter.id) query += " AND id = :id", st.exchange(use(*filter.id, "id"));
    if (filter.state) query += " AND state = :state", st.exchange(use(*filter.state, "state"));
    if (filter.customer) query += " AND customer = :customer", st.exchange(use(*filter.customer, "customer"));
    if (filter.from) query += " AND call_time >= :from", st.exchange(use(from, "from"));
    if (filter.to) query += " AND call_time <= :to", st.exchange(use(to, "to"));
    if (filter.quarantined) query += " AND quarantine <> ''";
    RecordingInto r;
    r.bind([&st](auto& where) { st.exchange(into(where)); });
    st.alloc();
    st.prepare(query + " ORDER BY call_time, id");
    st.define_and_bind();
    st.execute();
    std::vector<RecordingRow> all;
    while (st.fetch()) all.push_back(r.take());
    return all;
  });
}

Result<std::optional<std::string>> Catalog::header(const std::string& recording, const std::string& recipient) {
  return guarded("read header", [&]() -> Result<std::optional<std::string>> {
    const bool found = state_->kept("SELECT sealed FROM header WHERE recording = :recording AND recipient = :recipient")
                           .set("recording", recording)
                           .set("recipient", recipient)
                           .into(state_->text)
                           .fetch();
    return found ? std::optional(state_->text) : std::nullopt;
  });
}

Result<std::optional<std::string>> Catalog::metadata(const std::string& recording) {
  return guarded("read metadata", [&]() -> Result<std::optional<std::string>> {
    std::string payload;
    state_->sql << "SELECT payload FROM metadata WHERE recording = :recording", use(recording, "recording"),
        into(payload);
    if (!state_->sql.got_data()) return std::optional<std::string>();
    return std::optional(payload);
  });
}

Result<std::vector<std::string>> Catalog::recipients_of(const std::string& recording) {
  return guarded("list headers", [&]() -> Result<std::vector<std::string>> {
    std::vector<std::string> all;
    std::string recipient;
    soci::statement st =
        (state_->sql.prepare << "SELECT recipient FROM header WHERE recording = :recording ORDER BY recipient",
         use(recording, "recording"), into(recipient));
    st.execute();
    while (st.fetch()) all.push_back(recipient);
    return all;
  });
}

Result<int> Catalog::mark_erasing(const std::string& id, const std::string& reason, base::Seconds linger_until) {
  return guarded("mark erasing", [&]() -> Result<int> {
    return state_
        ->kept(
            "UPDATE recording SET state = 'erasing', reason = :reason, source_key = NULL, linger_until = :until"
            " WHERE id = :id AND state = 'sealed' AND NOT EXISTS"
            " (SELECT 1 FROM restriction x WHERE x.recording = recording.id AND x.closed_at = 0)")
        .set("reason", reason)
        .set("until", static_cast<long long>(linger_until))
        .set("id", id)
        .execute();
  });
}

Result<void> Catalog::set_linger(const std::string& id, base::Seconds until) {
  return guarded("set linger", [&]() -> Result<void> {
    const long long at = until;
    state_->sql << "UPDATE recording SET linger_until = :at WHERE id = :id", use(at, "at"), use(id, "id");
    return {};
  });
}

Result<void> Catalog::end_due_lingers(base::Seconds now) {
  return guarded("end lingers", [&]() -> Result<void> {
    const long long at = now;
    state_->sql << "UPDATE recording SET linger_until = 0 WHERE state = 'erasing' AND linger_until <= :at",
        use(at, "at");
    return {};
  });
}

Result<int> Catalog::hold_again(const std::string& id) {
  return guarded("hold again", [&]() -> Result<int> {
    soci::statement st = (state_->sql.prepare << "UPDATE recording SET state = 'sealed', reason = ''"
                                                 " WHERE id = :id AND state = 'erasing' AND linger_until <> 0",
                          use(id, "id"));
    st.execute(true);
    return static_cast<int>(st.get_affected_rows());
  });
}

Result<void> Catalog::drop_keys_of(const std::string& id) {
  return guarded("drop keys", [&]() -> Result<void> {
    state_->kept("DELETE FROM header WHERE recording = :id").set("id", id).execute();
    state_->kept("DELETE FROM metadata WHERE recording = :id").set("id", id).execute();
    state_
        ->kept(
            "UPDATE item SET state = 'withdrawn', entry = '' WHERE recording = :id AND exclusive = 0"
            " AND state = 'offered'")
        .set("id", id)
        .execute();
    return {};
  });
}

Result<int> Catalog::set_erased(const std::string& id, base::Seconds now, int level, std::uint64_t generation) {
  return guarded("mark erased", [&]() -> Result<int> {
    return state_
        ->kept(
            "UPDATE recording SET state = 'erased', ended_at = :at, level = :level, generation = :generation"
            " WHERE id = :id AND state = 'erasing'")
        .set("at", static_cast<long long>(now))
        .set("level", static_cast<long long>(level))
        .set("generation", static_cast<long long>(generation))
        .set("id", id)
        .execute();
  });
}

}  // namespace vault
