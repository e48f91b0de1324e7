#include "vault/collect.h"

#include <utility>

#include "vault/file_name.h"
#include "vault/folder_entry.h"
#include "vault/open_recording.h"
#include "vault/restriction.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::size_t kAtOnce = 100;  // recordings that are added in one act

bool is_delivery(const AccessRow& row) { return row.kind == keys::name_of(keys::AccessKind::delivery); }

bool wants(const AccessRow& row, const Columns& recording, base::Seconds now) {
  if (now < row.not_before || now >= row.expires) return false;
  return is_delivery(row) || row.takes_in == recording.category;
}

Result<AccessStatement> verified_taker(const Vault& vault, const AccessRow& row, const Columns& recording) {
  auto statement = verified_access(vault, row);
  if (!statement) return statement;
  const bool terms =
      is_delivery(row) ? row.takes_in == kEverything : statement->terms.kind == keys::AccessKind::standing;
  if (terms && statement->customer == recording.customer && statement->terms.account == recording.customer)
    return statement;
  return Error{Fault::damaged, row.id + " takes in what its statement does not name"};
}

struct Arrival {
  const Columns& columns;
  const Metadata& metadata;
  const base::SecretBytes& file_key;
  const base::SecretBytes& recording_secret;
};

// Inside an act.
Result<void> add(Vault& vault, const AccessStatement& access, const Arrival& arrival, const std::string& by) {
  auto access_secret = vault.slots().read(access.slot);
  if (!access_secret) return Error{Fault::damaged, access.terms.id + ": its erase secret is gone"};
  auto position = vault.catalog().next_position(access.terms.id);
  if (!position) return position.error();
  const bool delivery = access.terms.kind == keys::AccessKind::delivery;
  const Columns& c = arrival.columns;
  // Names of a delivery that are equal are told apart by the session, which alone can read them (sftp/contents).
  const std::string& original = arrival.metadata.name;
  const auto entry = print_entry({delivery ? safe_name(original) : numbered_name(*position, original), c.size,
                                  c.call_time, arrival.metadata.sha256});
  auto item = seal_item(access, *access_secret, {c.recording, arrival.recording_secret, arrival.file_key, entry});
  if (!item) return item.error();
  ItemRow row;
  row.access = access.terms.id;
  row.position = *position;
  row.recording = c.recording;
  row.exclusive = delivery;
  row.slot = c.slot;
  row.entry = std::move(item->entry);
  if (auto r = vault.catalog().add_item(row, item->header); !r) return r;
  return vault.audit().note({"recording.collected", by, {c.recording, access.terms.id}, ""});
}

}  // namespace

bool collects(const AccessRow& row) { return is_delivery(row) && !row.takes_in.empty(); }

std::string numbered_name(std::uint32_t position, const std::string& original) {
  const std::string number = std::to_string(position + 1);
  const std::string zeros(number.size() < 5 ? 5 - number.size() : 0, '0');
  return safe_name(zeros + number + "-" + safe_name(original));
}

Result<std::vector<std::string>> collect(Vault& vault, const Sealed& sealed) {
  std::vector<std::string> left_out;
  if (sealed.columns.klass != "customer") return left_out;
  auto ids = vault.catalog().taking_in(sealed.columns.customer);
  if (!ids) return ids.error();
  bool delivered = false;
  for (const auto& id : *ids) {
    auto row = vault.catalog().access(id);
    if (!row) return row.error();
    if ((is_delivery(*row) && delivered) || !wants(*row, sealed.columns, vault.clock().now())) continue;
    if (is_delivery(*row)) {
      auto items = vault.catalog().next_position(id);
      if (!items) return items.error();
      if (*items >= static_cast<std::uint32_t>(vault.config().collect_most)) continue;
    }
    delivered = delivered || is_delivery(*row);  // also one that is refused: the next one's turn has not come
    auto secret = vault.slots().read(sealed.columns.slot);
    if (!secret) return secret.error();
    auto statement = verified_taker(vault, *row, sealed.columns);
    const Arrival arrival{sealed.columns, sealed.metadata, sealed.file_key, *secret};
    auto added = statement ? add(vault, *statement, arrival, "service") : statement.error();
    if (added) continue;
    if (added.error().fault != Fault::damaged && added.error().fault != Fault::denied) return added.error();
    left_out.push_back(added.error().what);
  }
  return left_out;
}

namespace {

// Not in there yet, in no other delivery, and not restricted.
Result<void> is_free(Vault& vault, const std::string& id, const AccessRow& access) {
  auto header = vault.catalog().header(id, access.id);
  if (!header) return header.error();
  auto other = vault.catalog().delivery_of(id);
  if (!other) return other.error();
  if (*header || (is_delivery(access) && *other)) return Error{Fault::busy, id + " is in a delivery"};
  return unrestricted(vault, id);
}

// One act for all of them; when none is free, there is none.
Result<Added> add_some(Vault& vault, const Actor& actor, const std::string& access,
                       const std::vector<OpenRecording>& recordings) {
  Added added;
  bool none = false;
  auto r = vault.audit().act([&]() -> Result<void> {
    auto row = vault.catalog().access(access);
    if (!row) return row.error().at(access);
    if (row->state != "open") return Error{Fault::not_found, access + " is " + row->state + " already"};
    for (const auto& recording : recordings) {
      const Columns& c = recording.row.columns;
      auto free = is_free(vault, c.recording, *row);
      if (!free && (free.error().fault == Fault::busy || free.error().fault == Fault::restricted)) continue;
      if (!free) return free;
      auto statement = verified_taker(vault, *row, c);
      if (!statement) return statement.error();
      auto now = vault.catalog().recording(c.recording);
      if (!now) return now.error().at(c.recording);
      if (now->state != "sealed") continue;  // fetched since it was opened
      auto secret = vault.slots().read(now->columns.slot);
      if (!secret) return secret.error().at(c.recording);
      if (auto done = add(vault, *statement, {now->columns, recording.metadata, recording.file_key, *secret},
                          actor.holder.name);  // it may have been moved to another slot
          !done)
        return done;
      ++added.recordings;
      added.bytes += c.size;
    }
    none = added.recordings == 0;
    return none ? Error{Fault::not_found, "nothing of it is free"} : Result<void>();
  });
  if (!r && !none) return r.error();
  return added;
}

}  // namespace

Result<Added> add_held(Vault& vault, const Actor& actor, const std::string& access,
                       const std::vector<std::string>& recordings) {
  Added all;
  std::vector<OpenRecording> opened;
  for (std::size_t i = 0; i < recordings.size(); ++i) {
    auto recording = open_recording(vault, recordings[i], actor.identity);
    if (!recording && recording.error().fault != Fault::not_found) return recording.error();
    if (recording) opened.push_back(std::move(*recording));  // else it was fetched meanwhile
    if (opened.empty() || (opened.size() < kAtOnce && i + 1 < recordings.size())) continue;
    auto added = add_some(vault, actor, access, std::exchange(opened, {}));
    if (!added) return added.error();
    all.recordings += added->recordings;
    all.bytes += added->bytes;
  }
  return all;
}

Result<void> its_turn(Vault& vault, const AccessRow& row) {
  auto ahead = vault.catalog().ahead_of(row, vault.clock().now());
  if (!ahead) return ahead.error();
  if (*ahead) return Error{Fault::denied, "delivery " + **ahead + " comes first"};
  auto items = vault.catalog().next_position(row.id);
  if (!items) return items.error();
  if (*items == 0) return Error{Fault::denied, "nothing is in it yet"};
  return {};
}

}  // namespace vault
