#include "vault/erase.h"

#include <algorithm>

#include "base/log.h"
#include "vault/access.h"
#include "vault/open_recording.h"
#include "vault/restriction.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

// A slot that was edited would destroy somebody else's secret and certify what was not done: rows that disagree with
// what was signed are left as they are, for `check` to name.
template <class Row, class Verify>
void keep_verified(std::vector<Row>& rows, Verify verify) {
  std::erase_if(rows, [&](const Row& row) {
    const auto r = verify(row);
    if (!r) base::log_error("not erased: " + r.error().what);
    return !r;
  });
}

}  // namespace

Result<void> mark_delivered(Vault& vault, const std::vector<DeliveredItem>& items) {
  Catalog& catalog = vault.catalog();
  return vault.audit().act([&]() -> Result<void> {
    std::size_t begun = 0;
    for (const auto& item : items) {
      auto delivered = catalog.set_delivered(item.access, item.position, vault.clock().now());
      if (!delivered) return delivered.error();
      if (*delivered == 0) continue;
      const auto free = unrestricted(vault, item.recording);
      if (free) {
        auto marked = catalog.mark_erasing(item.recording, "delivered", item.linger_until);
        if (!marked) return marked.error();
        ++begun;
      } else if (free.error().fault == Fault::restricted) {  // its release goes on from here
        if (auto r = catalog.set_linger(item.recording, item.linger_until); !r) return r;
      } else {
        return free;
      }
      if (auto r = vault.audit().note({"recording.delivered", "customer", {item.recording, item.access}, ""}); !r)
        return r;
    }
    return vault.audit().note({"erasure.begun", "service", {std::to_string(begun)}, ""});
  });
}

Result<void> end_linger(Vault& vault, const std::string& access, const std::string& recording) {
  return vault.audit().act([&]() -> Result<void> {
    if (auto r = vault.catalog().set_linger(recording, 0); !r) return r;
    return vault.audit().note({"recording.acknowledged", "customer", {recording, access}, ""});
  });
}

namespace {

// Every erasing recording that does not linger. A time to linger that is over is ended in a transaction first: until
// then the recording can still be restricted, and from then on not any more.
Result<std::vector<RecordingRow>> due_recordings(Vault& vault) {
  Catalog& catalog = vault.catalog();
  RecordingFilter filter;
  filter.state = "erasing";
  auto rows = catalog.recordings(filter);
  if (!rows) return rows;
  const base::Seconds now = vault.clock().now();
  const auto over = [now](const RecordingRow& row) { return row.linger_until != 0 && row.linger_until <= now; };
  if (std::ranges::any_of(*rows, over)) {
    if (auto r = catalog.change([&] { return catalog.end_due_lingers(now); }); !r) return r.error();
    rows = catalog.recordings(filter);
    if (!rows) return rows;
  }
  std::erase_if(*rows, [](const RecordingRow& row) { return row.linger_until != 0; });
  return rows;
}

// The audit log knows why.
Result<void> has_ended(const std::set<std::string>& unknown, const std::string& id) {
  if (!unknown.contains(id)) return {};
  return Error{Fault::damaged, id + ": the audit log does not know its end"};
}

Result<void> may_be_erased(Vault& vault, const RecordingRow& row) {
  if (auto record = verified_record(vault, row); !record) return record.error();
  return unrestricted(vault, row.columns.recording);
}

// Nothing is erased for a state that somebody wrote by hand.
Result<void> keep_ended(Vault& vault, std::vector<RecordingRow>& recordings, std::vector<AccessRow>& accesses) {
  std::set<std::string> ids;
  for (const auto& row : recordings) ids.insert(row.columns.recording);
  for (const auto& row : accesses) ids.insert(row.id);
  const auto unknown = vault.ends().unknown(std::move(ids));
  if (!unknown) return unknown.error();
  keep_verified(recordings, [&](const RecordingRow& row) { return has_ended(*unknown, row.columns.recording); });
  keep_verified(accesses, [&](const AccessRow& row) { return has_ended(*unknown, row.id); });
  return {};
}

}  // namespace

Result<void> verified_old_slot(Vault& vault, const OldSlot& old) {
  const auto refused = [&](const std::string& why) {
    return Error{Fault::damaged, "old slot " + std::to_string(old.slot) + ": " + why};
  };
  auto then = vault.records().verify(old.record);
  if (!then) return refused(then.error().what);
  if (then->columns.recording != old.recording || then->columns.slot != old.slot)
    return refused("its record names another recording or slot");
  auto row = vault.catalog().recording(old.recording);
  if (!row) return refused(row.error().what);
  auto now = verified_record(vault, *row);
  if (!now) return refused(now.error().what);
  // Slot numbers only rise: with an older record put back, the slot that rules is not the old one of its past.
  if (now->columns.slot <= old.slot) return refused(old.recording + " was not moved out of it");
  auto user = vault.catalog().user_of_slot(old.slot);
  if (!user) return user.error();
  if (*user) return refused("it is in use by " + **user);
  return {};
}

Result<Erased> finish_erasures(Vault& vault) {
  Catalog& catalog = vault.catalog();
  auto recordings = due_recordings(vault);
  if (!recordings) return recordings.error();
  auto accesses = catalog.accesses_to_erase();
  if (!accesses) return accesses.error();
  keep_verified(*recordings, [&](const RecordingRow& row) { return may_be_erased(vault, row); });
  keep_verified(*accesses, [&](const AccessRow& row) { return verified_access(vault, row); });
  if (auto r = keep_ended(vault, *recordings, *accesses); !r) return r.error();
  auto old_slots = catalog.old_slots();
  if (!old_slots) return old_slots.error();
  keep_verified(*old_slots, [&](const OldSlot& old) { return verified_old_slot(vault, old); });
  if (recordings->empty() && accesses->empty() && old_slots->empty()) return Erased{};

  std::set<keys::SlotId> slots;
  std::set<std::string> objects;
  for (const auto& row : *recordings) {
    slots.insert(row.columns.slot);
    objects.insert(row.columns.recording);
  }
  for (const auto& row : *accesses) slots.insert(row.slot);
  for (const auto& old : *old_slots) slots.insert(old.slot);
  auto generation = vault.slots().erase(slots);
  if (!generation) return generation.error().at("destroy the erase secrets");
  const auto level = vault.slots().level();
  if (auto r = vault.store().remove(objects); !r) return r.error().at("remove the objects");

  Erased erased;
  auto r = vault.audit().act([&]() -> Result<void> {
    for (const auto& row : *recordings) {
      const std::string& id = row.columns.recording;
      if (auto dropped = catalog.drop_keys_of(id); !dropped) return dropped;
      auto changed = catalog.set_erased(id, vault.clock().now(), level.level, *generation);
      if (!changed) return changed.error();
      if (*changed == 0) continue;  // another process was faster
      ++erased.recordings;
      if (auto noted = vault.audit().note(
              {"recording.erased",
               "service",
               {id, row.reason, "level-" + std::to_string(level.level), "generation-" + std::to_string(*generation)},
               ""});
          !noted)
        return noted;
    }
    for (const auto& row : *accesses) {
      if (auto marked = catalog.set_secret_gone(row.id); !marked) return marked;
      ++erased.accesses;
    }
    for (const auto& old : *old_slots) {
      auto dropped = catalog.drop_old_slot(old.slot);
      if (!dropped) return dropped.error();
      erased.old_slots += static_cast<std::size_t>(*dropped);
    }
    if (auto set = catalog.set_setting("slots_generation", std::to_string(*generation)); !set) return set;
    return vault.audit().note(
        {"erasure.done",
         "service",
         {std::to_string(erased.recordings), std::to_string(erased.accesses), std::to_string(erased.old_slots)},
         ""});
  });
  if (!r) return r.error();
  // Deleted rows leave the write-ahead log too. Readers may be in the way: no proof rests on it, and it is tried again.
  auto left = catalog.empty_log();
  if (!left) base::log_warning(left.error().what);
  erased.log_emptied = left && *left == 0;
  return erased;
}

}  // namespace vault
