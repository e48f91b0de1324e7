#include "vault/customer.h"

#include <algorithm>

#include "vault/collect.h"
#include "vault/erase.h"
#include "vault/offer.h"
#include "vault/role.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

bool valid_account(std::string_view id) {
  return !id.empty() && id.size() <= 32 &&
         id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos && id.front() != '-';
}

namespace {

constexpr std::string_view kType = "callvault/v1/customer";

keys::NoteFields fields_of(const CustomerRow& row, const std::string& by, const std::string& at) {
  keys::NoteFields note;
  note.type = kType;
  note.fields = {{"customer", row.id},
                 {"state", row.state},
                 {"linger", std::to_string(row.linger)},
                 {"plain-folder", row.plain_folder ? "yes" : "no"},
                 {"by", by},
                 {"at", at}};
  return note;
}

Result<std::string> sign(const keys::NoteSigner& signer, const CustomerRow& row, base::Seconds now) {
  return signer.sign(fields_of(row, signer.verifier().name(), base::rfc3339(now)).print());
}

Result<std::string> seal_name(base::ByteView name, const std::vector<keys::RoleHolder>& holders) {
  std::vector<keys::Recipient> to;
  for (const auto& holder : holders) to.push_back(holder.recipient);
  auto sealed = keys::seal_to(to, name);
  if (!sealed) return sealed.error();
  return base::base64(*sealed);
}

}  // namespace

Result<void> verified_customer(const Vault& vault, const CustomerRow& row) {
  std::vector<keys::NoteVerifier> signers;
  for (const auto& holder : vault.roster().holders()) {
    if (may(holder.role, Action::change_customer)) signers.push_back(holder.signing_key);
  }
  auto note = keys::verify_note(row.statement, signers);
  if (!note) return note.error().at("statement of customer " + row.id);
  auto fields = keys::NoteFields::parse(note->text, kType);
  if (!fields) return fields.error().at("statement of customer " + row.id);
  auto at = fields->get("at");
  if (!at) return at.error();
  // Printed again from the columns, it must be the very text that was signed.
  if (fields_of(row, note->signer, *at).print() == note->text) return {};
  return Error{Fault::damaged, "customer " + row.id + " was changed: its statement says otherwise"};
}

Result<void> check_open(Vault& vault, const std::string& id) {
  auto row = vault.catalog().customer(id);
  if (!row) return row.error().at("customer " + id);
  if (auto r = verified_customer(vault, *row); !r) return r;
  if (row->state != "open") return Error{Fault::denied, "customer " + id + " is closed"};
  return {};
}

Result<void> add_customer(Vault& vault, const Actor& actor, const std::string& id, const std::string& name,
                          long long linger_minutes) {
  if (auto r = may(actor.holder.role, Action::add_customer); !r) return r;
  if (!valid_account(id)) return Error{Fault::usage, "a customer's id is 1 to 32 of a-z, 0-9 and -"};
  if (linger_minutes < 0 || linger_minutes > 1440) return Error{Fault::usage, "linger is 0 to 1440 minutes"};
  CustomerRow row;
  row.id = id;
  row.state = "open";
  row.created_at = vault.clock().now();
  row.linger = linger_minutes;
  if (!name.empty()) {
    auto sealed = seal_name(base::as_bytes(name), vault.roster().holders());
    if (!sealed) return sealed.error();
    row.name = std::move(*sealed);
  }
  auto note = sign(actor.signer, row, row.created_at);
  if (!note) return note.error();
  row.statement = *note;
  return vault.audit().act([&]() -> Result<void> {
    auto taken = vault.catalog().kind_of_account(id);
    if (!taken) return taken.error();
    if (!taken->empty()) return Error{Fault::usage, "the id is taken: there is " + *taken + " of this name"};
    if (auto r = vault.catalog().add_customer(row); !r) return r;
    return vault.audit().note({"customer.added", actor.holder.name, {id}, ""});
  });
}

namespace {

// The end of the service: standing log-ins, and collecting deliveries that nothing came into. What was collected can
// still be fetched, as any other delivery.
Result<void> end_taking_in(Vault& vault, const Actor& actor, const std::string& customer) {
  auto ids = vault.catalog().taking_in(customer);
  if (!ids) return ids.error();
  for (const auto& id : *ids) {
    auto row = vault.catalog().access(id);
    if (!row) return row.error();
    const auto statement = verified_access(vault, *row);
    if (!statement || statement->customer != customer)
      continue;  // an edited one: it lets nobody in, and check names it
    auto items = vault.catalog().next_position(id);
    if (!items) return items.error();
    if (collects(*row) && *items != 0) continue;
    const auto act = sign_act(vault, actor, "access.revoked", id, {{"closed", customer}});
    if (!act) return act.error();
    auto ended = vault.catalog().end_access(id, "revoked", vault.clock().now());
    if (!ended) return ended.error();
    if (auto r = vault.audit().note({"access.revoked", actor.holder.name, {id}, *act}); !r) return r;
  }
  return {};
}

}  // namespace

Result<void> close_customer(Vault& vault, const Actor& actor, const std::string& id) {
  if (auto r = may(actor.holder.role, Action::change_customer); !r) return r;
  auto row = vault.catalog().customer(id);
  if (!row) return row.error();
  if (row->state == "closed") return Error{Fault::not_found, "customer " + id + " is closed already"};
  if (auto r = verified_customer(vault, *row); !r) return r;  // nobody signs what was edited
  row->state = "closed";
  auto note = sign(actor.signer, *row, vault.clock().now());
  if (!note) return note.error();
  auto r = vault.audit().act([&]() -> Result<void> {
    if (auto closed = vault.catalog().close_customer(id, *note); !closed) return closed;
    if (auto noted = vault.audit().note({"customer.closed", actor.holder.name, {id}, ""}); !noted) return noted;
    return end_taking_in(vault, actor, id);
  });
  if (!r) return r;
  if (auto erased = finish_erasures(vault); !erased)
    return erased.error().at("closed, but not everything is erased yet");
  return {};
}

Result<std::string> customer_signed_anew(const Vault& vault, const CustomerRow& row, const keys::NoteSigner& signer) {
  if (auto r = verified_customer(vault, row); !r) return r.error();
  return sign(signer, row, vault.clock().now());
}

Result<std::size_t> seal_names_anew(Vault& vault, const keys::Identity& opener,
                                    const std::vector<keys::RoleHolder>& holders) {
  auto rows = vault.catalog().customers();
  if (!rows) return rows.error();
  std::size_t left = 0;
  for (const auto& row : *rows) {
    if (row.name.empty()) continue;
    auto name = customer_name(row, opener);
    if (!name) {
      ++left;
      continue;
    }
    auto sealed = seal_name(base::as_bytes(*name), holders);
    if (!sealed) return sealed.error();
    if (auto r = vault.catalog().set_customer_name(row.id, *sealed); !r) return r.error();
  }
  return left;
}

Result<std::string> customer_name(const CustomerRow& row, const keys::Identity& identity) {
  if (row.name.empty()) return std::string();
  auto sealed = base::unbase64(row.name);
  if (!sealed) return sealed.error().at("customer's name");
  auto name = keys::open_sealed(identity, *sealed);
  if (!name) return name.error().at("customer's name");
  return base::to_text(name->reveal());
}

}  // namespace vault
