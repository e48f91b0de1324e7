// The part of Catalog that knows how headers are brought in agreement with the roster (rewrap.h): what is held, its
// move to another slot, and the slots that are left behind.
#include "vault/catalog.h"
#include "vault/catalog_state.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;
using soci::into;
using soci::use;

Result<std::uint64_t> Catalog::count_held() {
  return guarded("count recordings", [&]() -> Result<std::uint64_t> {
    long long count = 0;
    state_->sql << "SELECT COUNT(*) FROM recording WHERE state = 'sealed' OR (state = 'erasing' AND linger_until <> 0)",
        into(count);
    return static_cast<std::uint64_t>(count);
  });
}

Result<std::vector<Catalog::Held>> Catalog::held(long long first, long long last, std::size_t limit) {
  return guarded("list headers", [&]() -> Result<std::vector<Held>> {
    std::vector<Held> all;
    std::string id;
    std::string metadata;
    const auto most = static_cast<long long>(limit);
    // The plus keeps the index of states out, which would find all recordings each time.
    soci::statement ids = (state_->sql.prepare << "SELECT r.id, COALESCE(m.payload, '') FROM recording r"
                                                  " LEFT JOIN metadata m ON m.recording = r.id"
                                                  " WHERE r.slot BETWEEN :first AND :last AND (+r.state = 'sealed'"
                                                  " OR (+r.state = 'erasing' AND r.linger_until <> 0))"
                                                  " ORDER BY r.slot LIMIT :most",
                           use(first, "first"), use(last, "last"), use(most, "most"), into(id), into(metadata));
    ids.execute();
    while (ids.fetch()) {
      auto row = recording(id);
      if (!row) return row.error();
      all.push_back({std::move(*row), {}, metadata});
    }
    Header header;
    soci::statement headers =
        (state_->sql.prepare << "SELECT recipient, sealed FROM header WHERE recording = :recording ORDER BY recipient",
         use(id, "recording"), into(header.recipient), into(header.sealed));
    for (Held& held : all) {
      id = held.row.columns.recording;
      headers.execute();
      while (headers.fetch()) held.headers.push_back(header);
    }
    return all;
  });
}

Result<void> Catalog::add_header(const std::string& recording, const Header& header) {
  return guarded("add header", [&]() -> Result<void> {
    state_->kept("INSERT INTO header (recording, recipient, sealed) VALUES (:recording, :recipient, :sealed)")
        .set("recording", recording)
        .set("recipient", header.recipient)
        .set("sealed", header.sealed)
        .execute();
    return {};
  });
}

Result<void> Catalog::move_recording(const OldSlot& old, std::uint64_t slot, const std::string& record,
                                     const std::vector<Header>& headers) {
  return guarded("move recording", [&]() -> Result<void> {
    const int changed =
        state_->kept("UPDATE recording SET slot = :slot, record = :record WHERE id = :id AND slot = :old")
            .set("slot", static_cast<long long>(slot))
            .set("record", record)
            .set("id", old.recording)
            .set("old", static_cast<long long>(old.slot))
            .execute();
    if (changed != 1) return Error{Fault::not_found, "the recording is in another slot"};
    state_->kept("DELETE FROM header WHERE recording = :id").set("id", old.recording).execute();
    for (const Header& header : headers)
      if (auto r = add_header(old.recording, header); !r) return r;
    state_->kept("INSERT INTO old_slot (slot, recording, record) VALUES (:slot, :recording, :record)")
        .set("slot", static_cast<long long>(old.slot))
        .set("recording", old.recording)
        .set("record", old.record)
        .execute();
    return {};
  });
}

Result<std::vector<OldSlot>> Catalog::old_slots() {
  return guarded("list old slots", [&]() -> Result<std::vector<OldSlot>> {
    std::vector<OldSlot> all;
    OldSlot row;
    long long slot = 0;
    soci::statement st =
        (state_->sql.prepare << "SELECT slot, recording, record FROM old_slot WHERE slot >= 0 ORDER BY slot",
         into(slot), into(row.recording), into(row.record));
    st.execute();
    while (st.fetch()) {
      row.slot = static_cast<std::uint64_t>(slot);
      all.push_back(row);
    }
    return all;
  });
}

Result<int> Catalog::drop_old_slot(std::uint64_t slot) {
  return guarded("drop old slot", [&]() -> Result<int> {
    return state_->kept("DELETE FROM old_slot WHERE slot = :slot").set("slot", static_cast<long long>(slot)).execute();
  });
}

Result<std::optional<std::string>> Catalog::user_of_slot(std::uint64_t slot) {
  return guarded("look for slot", [&]() -> Result<std::optional<std::string>> {
    const bool found = state_
                           ->kept(
                               "SELECT id FROM recording WHERE slot = :slot UNION ALL SELECT id FROM access WHERE"
                               " slot = :slot2 UNION ALL SELECT month FROM audit_month WHERE slot = :slot3")
                           .set("slot", static_cast<long long>(slot))
                           .set("slot2", static_cast<long long>(slot))
                           .set("slot3", static_cast<long long>(slot))
                           .into(state_->text)
                           .fetch();
    return found ? std::optional(state_->text) : std::nullopt;
  });
}

}  // namespace vault
