#include "vault/audit.h"

#include <algorithm>

#include "keys/aead.h"
#include "keys/kdf.h"
#include "vault/checkpoint.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr const char* kFrontier = "audit_frontier";
constexpr const char* kCheckpoint = "audit_checkpoint";
constexpr std::string_view kLeafType = "callvault/v1/audit";

struct Leaf {
  base::Seconds time = 0;
  std::string name, actor;
  std::vector<std::string> subjects;
  std::string commitment;  // base64 of HMAC-SHA256(salt, details), or "-"
};

std::string print_leaf(const Leaf& leaf) {
  keys::NoteFields note;
  note.type = kLeafType;
  note.fields = {{"time", base::rfc3339(leaf.time)}, {"event", leaf.name}, {"actor", leaf.actor}};
  for (const auto& subject : leaf.subjects) note.fields.emplace_back("subject", subject);
  note.fields.emplace_back("details", leaf.commitment);
  return note.print();
}

Result<Leaf> parse_leaf(const std::string& text) {
  auto note = keys::NoteFields::parse(text, kLeafType);
  if (!note) return note.error();
  auto time = note->get("time");
  auto name = note->get("event");
  auto actor = note->get("actor");
  auto details = note->get("details");
  if (!time || !name || !actor || !details) return Error{Fault::damaged, "an audit entry lacks a field"};
  auto seconds = base::parse_rfc3339(*time);
  if (!seconds) return Error{Fault::damaged, "an audit entry has no valid time"};
  return Leaf{*seconds, *name, *actor, note->all("subject"), *details};
}

base::Bytes details_ad(const std::string& month) {
  auto ad = base::to_bytes(keys::label::kDetails);
  base::put_string(ad, month);
  return ad;
}

}  // namespace

// The tree as it stands inside one act.
struct Audit::Open {
  Frontier frontier;
  std::size_t noted = 0;
};

Result<void> Audit::act(const std::function<Result<void>()>& work) {
  return catalog_->change([&]() -> Result<void> {
    auto newest = catalog_->number(kRosterVersion);
    if (!newest) return newest.error();
    if (newest->value_or(0) > keys_.roster)
      return Error{Fault::busy, "roles were changed meanwhile; repeat the command"};
    Open open;
    auto stored = catalog_->setting(kFrontier);
    if (!stored) return stored.error();
    if (*stored) {
      auto bytes = base::unbase64(**stored);
      if (!bytes) return bytes.error().at("audit log");
      auto frontier = Frontier::parse(*bytes);
      if (!frontier) return frontier.error().at("audit log");
      open.frontier = std::move(*frontier);
    }
    open_ = &open;
    auto done = work();
    open_ = nullptr;
    if (!done) return done;
    if (open.noted == 0) std::abort();  // no audit, no act
    const Checkpoint checkpoint{keys_.origin, {open.frontier.size(), open.frontier.root()}};
    auto signed_note = sign_checkpoint(checkpoint, *keys_.service);
    if (!signed_note) return signed_note.error().at("audit log");
    if (auto r = catalog_->set_setting(kFrontier, base::base64(open.frontier.print())); !r) return r;
    return catalog_->set_setting(kCheckpoint, *signed_note);
  });
}

Result<std::string> Audit::seal_details(const std::string& month, base::ByteView text) {
  auto slot = catalog_->audit_month(month);
  if (!slot) return slot.error();
  if (!*slot) {
    auto taken = catalog_->take_slot(slots_->high_water());
    if (!taken) return taken.error();
    if (auto r = slots_->reserve(*taken); !r) return r.error();
    if (auto r = catalog_->add_audit_month(month, *taken); !r) return r.error();
    *slot = *taken;
  }
  auto secret = slots_->read(**slot);
  if (!secret) return secret.error().at("secret of the audit month");
  auto file = keys::seal_to(keys_.details_to, text);
  if (!file) return file.error();
  auto sealed = keys::xchacha_seal(*secret, details_ad(month), *file);
  if (!sealed) return sealed.error();
  return base::base64(*sealed);
}

Result<void> Audit::note(const Event& event) {
  if (open_ == nullptr) std::abort();
  Leaf leaf{clock_->now(), event.name, event.actor, event.subjects, "-"};
  AuditRow row;
  row.seq = open_->frontier.size();
  if (!event.details.empty()) {
    auto salt = base::SecretBytes::random(32);
    if (!salt) return salt.error();
    leaf.commitment = base::base64(keys::hmac_sha256(*salt, base::as_bytes(event.details)));
    const std::string text = base::base64(salt->reveal()) + "\n" + event.details;
    auto sealed = seal_details(base::rfc3339(leaf.time).substr(0, 7), base::as_bytes(text));
    if (!sealed) return sealed.error().at("seal audit details");
    row.details = std::move(*sealed);
  }
  row.leaf = print_leaf(leaf);
  open_->frontier.append(leaf_hash(base::as_bytes(row.leaf)));
  ++open_->noted;
  return catalog_->add_audit(row);
}

Result<std::string> Audit::checkpoint() {
  auto text = catalog_->setting(kCheckpoint);
  if (!text) return text.error();
  if (!*text) return Error{Fault::damaged, "the audit log has no checkpoint"};
  return **text;
}

Result<std::uint64_t> Audit::verify(const std::vector<keys::NoteVerifier>& service,
                                    const std::string& outside_checkpoint) {
  const auto head_of = [&](const std::string& text) -> Result<TreeHead> {
    Error last{Fault::denied, "no service key is trusted"};
    for (const auto& key : service) {
      auto checkpoint = verify_checkpoint(text, key);
      if (checkpoint) return checkpoint->tree;
      last = checkpoint.error();
    }
    return last;
  };
  std::string newest;
  std::vector<TreeHash> hashes;
  auto r = catalog_->read([&]() -> Result<void> {
    auto text = checkpoint();
    if (!text) return text.error();
    newest = *text;
    for (std::uint64_t next = 0;;) {
      auto rows = catalog_->audit(next, 4096);
      if (!rows) return rows.error();
      if (rows->empty()) return {};
      for (const auto& row : *rows) {
        if (row.seq != next) return Error{Fault::damaged, "audit entry " + std::to_string(next) + " is missing"};
        if (auto leaf = parse_leaf(row.leaf); !leaf) return leaf.error().at("audit entry " + std::to_string(next));
        hashes.push_back(leaf_hash(base::as_bytes(row.leaf)));
        ++next;
      }
    }
  });
  if (!r) return r.error();
  const auto head = head_of(newest);
  if (!head) return head.error().at("newest checkpoint");
  if (hashes.size() < head->size)
    return Error{Fault::damaged, "the audit log was cut: " + std::to_string(hashes.size()) + " entries, " +
                                     std::to_string(head->size) + " signed"};
  if (hashes.size() > head->size) return Error{Fault::damaged, "the audit log has entries that nobody signed"};
  if (tree_root(hashes) != head->root)
    return Error{Fault::damaged, "the audit log was changed: its root is not the signed one"};
  if (!outside_checkpoint.empty()) {
    const auto older = head_of(outside_checkpoint);
    if (!older) return older.error().at("checkpoint from outside");
    if (older->size > hashes.size())
      return Error{Fault::damaged, "the audit log was cut behind the checkpoint from outside"};
    if (tree_root(std::span(hashes).first(older->size)) != older->root)
      return Error{Fault::damaged, "the audit log was rewritten: the checkpoint from outside does not fit"};
  }
  return std::uint64_t{hashes.size()};
}

Result<std::vector<Audit::Entry>> Audit::entries(std::uint64_t from, std::size_t limit,
                                                 const keys::Identity* identity) {
  auto rows = catalog_->audit(from, limit);
  if (!rows) return rows.error();
  std::vector<Entry> all;
  for (const auto& row : *rows) {
    auto leaf = parse_leaf(row.leaf);
    if (!leaf) return leaf.error().at("audit entry " + std::to_string(row.seq));
    Entry entry{row.seq, leaf->time, leaf->name, leaf->actor, leaf->subjects, ""};
    if (identity != nullptr && !row.details.empty()) {
      const std::string month = base::rfc3339(leaf->time).substr(0, 7);
      auto slot = catalog_->audit_month(month);
      if (!slot) return slot.error();
      auto secret = *slot ? slots_->read(**slot) : Result<base::SecretBytes>(Error{Fault::not_found, "month erased"});
      auto sealed = base::unbase64(row.details);
      if (!sealed) return sealed.error().at("audit details");
      if (secret) {
        auto file = keys::xchacha_open(*secret, details_ad(month), *sealed);
        if (!file) return file.error().at("audit details of entry " + std::to_string(row.seq));
        auto text = keys::open_sealed(*identity, file->reveal());
        if (!text && text.error().fault == Fault::denied) {  // from before this identity had its role
          all.push_back(std::move(entry));
          continue;
        }
        if (!text) return text.error().at("audit details of entry " + std::to_string(row.seq));
        const auto plain = base::as_text(text->reveal());
        const auto line = plain.find('\n');
        if (line == std::string_view::npos) return Error{Fault::damaged, "audit details have no salt"};
        auto salt_bytes = base::unbase64(plain.substr(0, line));
        if (!salt_bytes) return salt_bytes.error().at("audit details");
        auto salt = base::SecretBytes::take(std::span(*salt_bytes));
        if (!salt) return salt.error();
        entry.details = std::string(plain.substr(line + 1));
        if (base::base64(keys::hmac_sha256(*salt, base::as_bytes(entry.details))) != leaf->commitment)
          return Error{Fault::damaged,
                       "audit details of entry " + std::to_string(row.seq) + " are not what was committed to"};
      }
    }
    all.push_back(std::move(entry));
  }
  return all;
}

}  // namespace vault
