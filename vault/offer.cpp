#include "vault/offer.h"

#include <algorithm>

#include "vault/erase.h"
#include "vault/file_name.h"
#include "vault/folder_entry.h"
#include "vault/restriction.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

Result<Contents> open_contents(Vault& vault, const Actor& actor, const std::vector<std::string>& ids,
                               const std::function<Result<void>(const OpenRecording&)>& allowed) {
  Contents out;
  std::vector<std::string> names;
  for (const auto& id : ids) {
    if (!valid_id(id)) return Error{Fault::usage, "not the id of a recording: " + id};
    auto recording = open_recording(vault, id, actor.identity);
    if (!recording) return recording.error();
    if (auto r = unrestricted(vault, id); !r) return r.error();
    if (auto r = allowed(*recording); !r) return r.error();
    if (!recording->row.quarantine.empty())
      return Error{Fault::denied, id + ": quarantined (" + recording->row.quarantine + ")"};
    names.push_back(recording->metadata.name);
    out.bytes += recording->record.columns.size;
    out.recordings.push_back(std::move(*recording));
  }
  out.names = unique_names(names, {"READ-ME-FIRST.txt", "SHA256SUMS"});
  return out;
}

namespace {

Result<std::uint64_t> new_slot(Vault& vault) {
  std::uint64_t slot = 0;
  auto r = vault.catalog().change([&]() -> Result<void> {
    auto taken = vault.catalog().take_slot(vault.slots().high_water());
    if (!taken) return taken.error();
    slot = *taken;
    return {};
  });
  if (r) r = vault.slots().reserve(slot);
  if (!r) return r.error();
  return slot;
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
  if (!row) return row.error().at(recording.row.columns.recording);
  if (row->columns.slot == recording.row.columns.slot) return {};
  auto secret = vault.slots().read(statement.slot);
  if (!secret) return secret.error();
  if (auto r = open_again(vault, identity, recording); !r) return r;
  auto sealed = seal_one(vault, statement, *secret, recording, name);
  if (!sealed) return sealed.error();
  item = std::move(*sealed);
  return {};
}

AccessRow row_of(const AccessStatement& statement, const std::string& note) {
  AccessRow row;
  row.id = statement.terms.id;
  row.kind = keys::name_of(statement.terms.kind);
  row.account = statement.terms.account;
  row.customer = statement.customer;
  row.not_before = row.created_at = statement.terms.not_before;
  row.expires = statement.terms.expires;
  row.slot = statement.slot;
  row.strict = statement.strict;
  row.any_address = statement.any_address;
  row.takes_in = statement.takes_in;
  row.turn = statement.turn;
  row.statement = note;
  return row;
}

}  // namespace

Result<Offer> prepare_offer(Vault& vault, const Actor& actor, const OfferTerms& wanted, Contents& contents) {
  auto password = keys::Password::generate();
  if (!password) return password.error();
  const base::Seconds now = vault.clock().now();
  const keys::AccessTerms terms{new_id(keys::name_of(wanted.kind)[0]),
                                wanted.account,
                                wanted.kind,
                                now,
                                now + wanted.lasts,
                                base::random_bytes(32)};
  auto key = password->derive(terms);
  if (!key) return key.error();
  auto slot = new_slot(vault);
  if (!slot) return slot.error();
  AccessStatement statement{terms,         key->recipient(),   wanted.customer,   *slot,
                            wanted.strict, wanted.any_address, actor.holder.name, wanted.takes_in,
                            wanted.turn};
  auto note = sign_access(statement, actor.signer);
  if (!note) return note.error();
  auto items = seal_items(vault, statement, contents, actor.identity);
  if (!items) return items.error();
  auto text = password->text();
  if (!text) return text.error();
  return Offer{std::move(statement), std::move(*note), std::move(*items), std::move(*text)};
}

Result<void> add_offer(Vault& vault, const Actor& actor, Offer& offer, Contents& contents) {
  if (auto r = vault.roster_is_newest(); !r) return r;  // the actor still holds the role
  if (auto r = vault.catalog().add_access(row_of(offer.statement, offer.note)); !r) return r;
  for (std::size_t i = 0; i < offer.items.size(); ++i) {
    OpenRecording& recording = contents.recordings[i];
    ItemRow item;
    item.access = offer.statement.terms.id;
    item.position = static_cast<std::uint32_t>(i);
    item.recording = recording.row.columns.recording;
    item.exclusive = offer.statement.terms.kind == keys::AccessKind::delivery;
    if (auto r = unrestricted(vault, item.recording); !r) return r;  // also not since it was opened
    if (auto r = follow_move(vault, offer.statement, actor.identity, recording, contents.names[i], offer.items[i]); !r)
      return r;
    item.entry = offer.items[i].entry;
    item.slot = recording.row.columns.slot;
    if (auto r = vault.catalog().add_item(item, offer.items[i].header); !r) return r;
  }
  return {};
}

Result<void> check_room(Vault& vault, const std::string& account, std::size_t more) {
  auto rows = vault.catalog().accesses_of(account, kMostOpenAccesses);
  if (!rows) return rows.error();
  const auto open = static_cast<std::size_t>(std::ranges::count_if(*rows, running));
  if (open + more <= std::size_t{kMostOpenAccesses}) return {};
  return Error{Fault::busy, account + " has " + std::to_string(open) + " accesses open, of " +
                                std::to_string(kMostOpenAccesses) + " that it can have; revoke some first"};
}

Result<std::string> sign_act(const Vault& vault, const Actor& actor, const std::string& act, const std::string& subject,
                             const std::vector<std::pair<std::string, std::string>>& more) {
  keys::NoteFields note;
  note.type = "callvault/v1/act";
  note.fields = {{"act", act}, {"subject", subject}};
  note.fields.insert(note.fields.end(), more.begin(), more.end());
  note.fields.emplace_back("by", actor.holder.name);
  note.fields.emplace_back("at", base::rfc3339(vault.clock().now()));
  return actor.signer.sign(note.print());
}

Result<void> end_offer(Vault& vault, const Actor& actor, const std::string& id, const std::string& event) {
  auto statement = sign_act(vault, actor, event, id);
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

bool running(const AccessRow& row) { return row.state == "open" || row.state == "claimed"; }

}  // namespace vault
