// The part of Catalog that knows restrictions.
#include "vault/catalog.h"
#include "vault/catalog_state.h"

namespace vault {

using base::Result;
using soci::into;
using soci::use;

Result<void> Catalog::add_restriction(const RestrictionRow& row) {
  return guarded("add restriction", [&]() -> Result<void> {
    const long long opened = row.opened_at;
    state_->sql << "INSERT INTO restriction (id, recording, opened_at, opening)"
                   " VALUES (:id, :recording, :opened, :opening)",
        use(row.id, "id"), use(row.recording, "recording"), use(opened, "opened"), use(row.opening, "opening");
    return {};
  });
}

Result<void> Catalog::close_restriction(const std::string& id, base::Seconds now, const std::string& release) {
  return guarded("close restriction", [&]() -> Result<void> {
    const long long at = now;
    state_->sql << "UPDATE restriction SET closed_at = :at, release = :release WHERE id = :id", use(at, "at"),
        use(release, "release"), use(id, "id");
    return {};
  });
}

Result<std::vector<RestrictionRow>> Catalog::restrictions(const std::optional<std::string>& recording) {
  return guarded("list restrictions", [&]() -> Result<std::vector<RestrictionRow>> {
    std::vector<RestrictionRow> all;
    if (recording) {  // asked for each download: nearly always there is none
      state_->kept("SELECT COUNT(*) FROM restriction WHERE recording = :recording")
          .set("recording", *recording)
          .into(state_->number)
          .fetch();
      if (state_->number == 0) return all;
    }
    RestrictionRow row;
    long long opened = 0;
    long long closed = 0;
    soci::statement st(state_->sql);
    if (recording) st.exchange(use(*recording, "recording"));
    st.exchange(into(row.id));
    st.exchange(into(row.recording));
    st.exchange(into(opened));
    st.exchange(into(closed));
    st.exchange(into(row.opening));
    st.exchange(into(row.release));
    st.alloc();
    st.prepare(std::string("SELECT id, recording, opened_at, closed_at, opening, release FROM restriction") +
               (recording ? " WHERE recording = :recording" : "") + " ORDER BY opened_at, id");
    st.define_and_bind();
    st.execute();
    while (st.fetch()) {
      row.opened_at = opened;
      row.closed_at = closed;
      all.push_back(row);
    }
    return all;
  });
}

}  // namespace vault
