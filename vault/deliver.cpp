#include "vault/deliver.h"

#include <algorithm>

#include "vault/erase.h"
#include "vault/file_name.h"
#include "vault/folder_entry.h"
#include "vault/open_recording.h"
#include "vault/restriction.h"
#include "vault/role.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr int kMostOpenAccesses = 8;  // of one account: as many as a log-in can choose from

// What is not named but found, without what is restricted.
struct Chosen {
  std::vector<std::string> ids;
  std::size_t restricted = 0;  // left out

  Result<void> add(Vault& vault, const std::string& id) {
    auto r = unrestricted(vault, id);
    if (r) ids.push_back(id);
    if (r || r.error().fault != Fault::restricted) return r;
    ++restricted;
    return {};
  }
};

std::string left_out(std::size_t restricted) {
  return restricted == 0 ? "" : "; left out because restricted: " + std::to_string(restricted);
}

Result<Chosen> choose(Vault& vault, const DeliveryRequest& request) {
  if (!request.recordings.empty()) return Chosen{request.recordings, 0};
  RecordingFilter filter;
  filter.state = "sealed";
  filter.customer = request.customer;
  filter.from = request.from;
  filter.to = request.to;
  auto rows = vault.catalog().recordings(filter);
  if (!rows) return rows.error();
  Chosen chosen;
  for (const auto& row : *rows) {
    if (!row.quarantine.empty()) continue;
    auto other = vault.catalog().delivery_of(row.columns.recording);
    if (!other) return other.error();
    if (*other) continue;
    if (auto r = chosen.add(vault, row.columns.recording); !r) return r.error();
  }
  return chosen;
}

Result<void> check_deliverable(const OpenRecording& recording, const std::string& customer) {
  const Columns& c = recording.row.columns;
  if (c.klass != "customer" || c.customer != customer)
    return Error{Fault::usage, c.recording + ": not held for customer " + customer};
  if (!recording.row.quarantine.empty())
    return Error{Fault::denied, c.recording + ": quarantined (" + recording.row.quarantine + ")"};
  return {};
}

// What goes into a delivery, opened and compared, with the names that the customer will see.
struct Contents {
  std::vector<OpenRecording> recordings;
  std::vector<std::string> names;
  std::uint64_t bytes = 0;
};

Result<Contents> open_contents(Vault& vault, const Actor& actor, const std::string& customer,
                               const std::vector<std::string>& ids) {
  Contents out;
  std::vector<std::string> names;
  for (const auto& id : ids) {
    if (!valid_id(id)) return Error{Fault::usage, "not the id of a recording: " + id};
    auto recording = open_recording(vault, id, actor.identity);
    if (!recording) return recording.error();
    if (auto r = unrestricted(vault, id); !r) return r.error();
    if (auto r = check_deliverable(*recording, customer); !r) return r.error();
    names.push_back(recording->metadata.name);
    out.bytes += recording->record.columns.size;
    out.recordings.push_back(std::move(*recording));
  }
  out.names = unique_names(names, {"READ-ME-FIRST.txt", "SHA256SUMS"});
  return out;
}

Result<void> check_room(Vault& vault, const std::string& account) {
  auto rows = vault.catalog().accesses_of(account, kMostOpenAccesses);
  if (!rows) return rows.error();
  const auto open = std::count_if(rows->begin(), rows->end(),
                                  [](const AccessRow& r) { return r.state == "open" || r.state == "claimed"; });
  if (open < kMostOpenAccesses) return {};
  return Error{Fault::busy, account + " has " + std::to_string(open) + " deliveries open; revoke one first"};
}

Result<void> open_again(Vault& vault, const keys::Identity& identity, OpenRecording& recording) {
  auto opened = open_recording(vault, recording.row.columns.recording, identity);
  if (!opened) return opened.error();
  recording = std::move(*opened);
  return {};
}

Result<SealedItem> seal_one(Vault& vault, const AccessStatement& statement, const base::SecretBytes& access_secret,
                            const OpenRecording& recording, const std::string& name) {
  const Columns& c = recording.record.columns;
  auto recording_secret = vault.slots().read(c.slot);
  if (!recording_secret) return recording_secret.error().at(c.recording);
  const auto entry = print_entry({name, c.size, c.call_time, recording.metadata.sha256});
  auto sealed = seal_item(statement, access_secret, {c.recording, *recording_secret, recording.file_key, entry});
  if (!sealed) return sealed.error().at(c.recording);
  return sealed;
}

Result<std::vector<SealedItem>> seal_items(Vault& vault, const AccessStatement& statement, Contents& contents,
                                           const keys::Identity& identity) {
  auto secret = vault.slots().read(statement.slot);
  if (!secret) return secret.error();
  std::vector<SealedItem> out;
  for (std::size_t i = 0; i < contents.recordings.size(); ++i) {
    OpenRecording& recording = contents.recordings[i];
    auto sealed = seal_one(vault, statement, *secret, recording, contents.names[i]);
    if (!sealed && sealed.error().fault == Fault::not_found) {  // moved, and its old secret is gone
      if (auto r = open_again(vault, identity, recording); !r) return r.error();
      sealed = seal_one(vault, statement, *secret, recording, contents.names[i]);
    }
    if (!sealed) return sealed.error();
    out.push_back(std::move(*sealed));
  }
  return out;
}

// In the transaction: what was moved to another slot since it was sealed for this access is sealed once more.
Result<void> follow_move(Vault& vault, const AccessStatement& statement, const keys::Identity& identity,
                         OpenRecording& recording, const std::string& name, SealedItem& item) {
  auto row = vault.catalog().recording(recording.row.columns.recording);
  if (!row) return row.error();
  if (row->columns.slot == recording.row.columns.slot) return {};
  auto secret = vault.slots().read(statement.slot);
  if (!secret) return secret.error();
  if (auto r = open_again(vault, identity, recording); !r) return r;
  auto sealed = seal_one(vault, statement, *secret, recording, name);
  if (!sealed) return sealed.error();
  item = std::move(*sealed);
  return {};
}

bool running(const AccessRow& row) { return row.state == "open" || row.state == "claimed"; }

// `replaces`, if any, has ended when the new delivery begins: in the same transaction, if it runs now.
Result<Delivery> make(Vault& vault, const Actor& actor, const DeliveryRequest& request, const Chosen& chosen,
                      const AccessRow* replaces) {
  auto contents = open_contents(vault, actor, request.customer, chosen.ids);
  if (!contents) return contents.error();
  auto password = keys::Password::generate();
  if (!password) return password.error();
  const base::Seconds now = vault.clock().now();
  const keys::AccessTerms terms{new_id('d'),
                                request.customer,
                                keys::AccessKind::delivery,
                                now,
                                now + request.lasts.value_or(vault.config().delivery_expires),
                                base::random_bytes(32)};
  auto key = password->derive(terms);
  if (!key) return key.error();

  // All the sealing comes before the transaction, which shall be short; a slot that stays unused costs nothing.
  std::uint64_t slot = 0;
  if (auto r = vault.catalog().change([&]() -> Result<void> {
        auto taken = vault.catalog().take_slot(vault.slots().high_water());
        if (!taken) return taken.error();
        slot = *taken;
        return {};
      });
      !r)
    return r.error();
  if (auto r = vault.slots().reserve(slot); !r) return r.error();
  const AccessStatement statement{terms,          key->recipient(),    request.customer, slot,
                                  request.strict, request.any_address, actor.holder.name};
  auto note = sign_access(statement, actor.signer);
  if (!note) return note.error();
  auto items = seal_items(vault, statement, *contents, actor.identity);
  if (!items) return items.error();

  AccessRow row;
  row.id = terms.id;
  row.kind = "delivery";
  row.account = terms.account;
  row.customer = request.customer;
  row.not_before = terms.not_before;
  row.expires = terms.expires;
  row.slot = slot;
  row.strict = request.strict;
  row.any_address = request.any_address;
  row.statement = *note;
  row.created_at = now;
  auto r = vault.audit().act([&]() -> Result<void> {
    if (auto newest = vault.roster_is_newest(); !newest) return newest;  // the actor still holds the role
    if (replaces != nullptr) {
      if (running(*replaces)) {
        auto ended = vault.catalog().end_access(replaces->id, "revoked", now);
        if (!ended) return ended.error();
        if (*ended == 0) return Error{Fault::busy, replaces->id + " has just ended"};
      }
      if (auto noted = vault.audit().note({"delivery.reissued", actor.holder.name, {replaces->id, terms.id}, ""});
          !noted)
        return noted;
    }
    if (auto room = check_room(vault, terms.account); !room) return room;
    if (auto added = vault.catalog().add_access(row); !added) return added;
    for (std::size_t i = 0; i < items->size(); ++i) {
      ItemRow item;
      item.access = terms.id;
      item.position = static_cast<std::uint32_t>(i);
      item.recording = contents->recordings[i].row.columns.recording;
      if (auto free = unrestricted(vault, item.recording); !free) return free;  // also not since it was opened
      OpenRecording& recording = contents->recordings[i];
      if (auto followed = follow_move(vault, statement, actor.identity, recording, contents->names[i], (*items)[i]);
          !followed)
        return followed;
      item.entry = (*items)[i].entry;
      item.slot = recording.row.columns.slot;
      if (auto added = vault.catalog().add_item(item, (*items)[i].header); !added) return added;
    }
    return vault.audit().note({"delivery.made", actor.holder.name, {terms.id, request.customer}, ""});
  });
  if (!r) return r.error();
  if (replaces != nullptr) {
    if (auto erased = finish_erasures(vault); !erased) return erased.error();
  }
  auto text = password->text();
  if (!text) return text.error();
  return Delivery{terms.id,        terms.account, std::move(*text), items->size(),
                  contents->bytes, terms.expires, chosen.restricted};
}

}  // namespace

Result<Delivery> deliver(Vault& vault, const Actor& actor, const DeliveryRequest& request) {
  if (auto r = may(actor.holder.role, Action::deliver); !r) return r.error();
  auto customer = vault.catalog().customer(request.customer);
  if (!customer) return customer.error().at("customer " + request.customer);
  if (customer->state != "open") return Error{Fault::denied, "customer " + request.customer + " is closed"};
  auto chosen = choose(vault, request);
  if (!chosen) return chosen.error();
  if (chosen->ids.empty())
    return Error{Fault::not_found, "nothing to deliver to " + request.customer + left_out(chosen->restricted)};
  return make(vault, actor, request, *chosen, nullptr);
}

namespace {

Result<AccessRow> find_delivery(Vault& vault, const std::string& id) {
  auto row = vault.catalog().access(id);
  if (!row) return row.error().at(id);
  if (row->kind != "delivery") return Error{Fault::not_found, id + " is not a delivery"};
  return row;
}

// The recordings of a delivery that were not fetched, are still there, and were not put into another one since.
Result<Chosen> left_of(Vault& vault, const AccessRow& delivery) {
  auto items = vault.catalog().items(delivery.id);
  if (!items) return items.error();
  Chosen left;
  for (const auto& item : *items) {
    if (item.state == "delivered" || item.recording_state != "sealed") continue;
    auto now_in = vault.catalog().delivery_of(item.recording);
    if (!now_in) return now_in.error();
    if (*now_in && **now_in != delivery.id) continue;
    if (auto r = left.add(vault, item.recording); !r) return r.error();
  }
  return left;
}

// Ends it under a statement of the actor, and destroys its erase secret.
Result<void> end_by(Vault& vault, const Actor& actor, const std::string& id) {
  const std::string event = "delivery.revoked";
  keys::NoteFields note;
  note.type = "callvault/v1/act";
  note.fields = {
      {"act", event}, {"subject", id}, {"by", actor.holder.name}, {"at", base::rfc3339(vault.clock().now())}};
  auto statement = actor.signer.sign(note.print());
  if (!statement) return statement.error();
  auto r = vault.audit().act([&]() -> Result<void> {
    auto changed = vault.catalog().end_access(id, "revoked", vault.clock().now());
    if (!changed) return changed.error();
    if (*changed == 0) return Error{Fault::not_found, id + " has ended already"};
    return vault.audit().note({event, actor.holder.name, {id}, *statement});
  });
  if (!r) return r;
  auto erased = finish_erasures(vault);
  if (!erased) return erased.error();
  return {};
}

}  // namespace

Result<void> revoke_delivery(Vault& vault, const Actor& actor, const std::string& id) {
  if (auto r = may(actor.holder.role, Action::revoke_delivery); !r) return r;
  auto row = find_delivery(vault, id);
  if (!row) return row.error();
  if (!running(*row)) return Error{Fault::not_found, id + " is " + row->state + " already"};
  return end_by(vault, actor, id);
}

Result<Delivery> reissue_delivery(Vault& vault, const Actor& actor, const std::string& id,
                                  std::optional<base::Seconds> lasts) {
  if (auto r = may(actor.holder.role, Action::reissue_delivery); !r) return r.error();
  auto row = find_delivery(vault, id);
  if (!row) return row.error();
  auto left = left_of(vault, *row);
  if (!left) return left.error();
  if (left->ids.empty()) return Error{Fault::not_found, "nothing is left of " + id + left_out(left->restricted)};
  DeliveryRequest request;
  request.customer = row->customer;
  request.lasts = lasts;
  request.strict = row->strict;
  request.any_address = row->any_address;
  return make(vault, actor, request, *left, &*row);
}

}  // namespace vault
