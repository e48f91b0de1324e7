#include "vault/recorder.h"

#include "base/log.h"
#include "vault/customer.h"
#include "vault/intake.h"
#include "vault/role.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::string_view kType = "callvault/v1/recorder";

// Its name may have been edited: it reaches logs only as an account name.
std::string label(const RecorderRow& row) { return valid_account(row.name) ? "recorder " + row.name : "a recorder"; }

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

keys::NoteFields fields_of(const RecorderRow& row, const std::string& by) {
  keys::NoteFields note;
  note.type = kType;
  note.fields = {{"recorder", row.name},
                 {"id", row.id},
                 {"state", row.state},
                 {"key", row.ssh_key},
                 {"class", row.klass},
                 {"customer", or_dash(row.customer)},
                 {"category", or_dash(row.category)},
                 {"by", by},
                 {"at", base::rfc3339(row.signed_at)}};
  return note;
}

Result<void> sign(const keys::NoteSigner& signer, RecorderRow& row) {
  auto statement = signer.sign(fields_of(row, signer.verifier().name()).print());
  if (!statement) return statement.error();
  row.statement = std::move(*statement);
  return {};
}

Result<void> takes_in_for(Vault& vault, const std::string& customer) {
  return customer.empty() ? Result<void>() : check_open(vault, customer);
}

}  // namespace

Result<void> verified_recorder(const Vault& vault, const RecorderRow& row) {
  const Action needed = row.state == "open" ? Action::add_recorder : Action::remove_recorder;
  std::vector<keys::NoteVerifier> signers;
  for (const auto& holder : vault.roster().holders()) {
    if (may(holder.role, needed)) signers.push_back(holder.signing_key);
  }
  auto note = keys::verify_note(row.statement, signers);
  if (!note) return note.error().at("statement of " + label(row));
  // Printed again from the columns, it must be the very text that was signed. What was edited cannot be printed.
  auto fields = keys::NoteFields::parse(note->text, kType);
  if (!fields) return fields.error().at("statement of " + label(row));
  if (fields->fields == fields_of(row, note->signer).fields) return {};
  return Error{Fault::damaged, label(row) + " was changed: its statement says otherwise"};
}

Result<RecorderRow> recorder_signed_anew(const Vault& vault, RecorderRow row, const keys::NoteSigner& successor) {
  if (auto r = verified_recorder(vault, row); !r) return r.error();
  if (auto r = sign(successor, row); !r) return r.error();
  return row;
}

Result<void> add_recorder(Vault& vault, const Actor& actor, const NewRecorder& recorder) {
  if (auto r = may(actor.holder.role, Action::add_recorder); !r) return r;
  if (!valid_account(recorder.name)) return Error{Fault::usage, "a recorder's name is 1 to 32 of a-z, 0-9 and -"};
  if (!recorder.category.empty() && !valid_category(recorder.category))
    return Error{Fault::usage, "a category is 1 to 32 of a-z, 0-9 and -"};
  RecorderRow row;
  row.name = recorder.name;
  row.id = new_id('w');
  row.state = "open";
  row.ssh_key = recorder.key.text();
  row.klass = recorder.klass;
  row.customer = recorder.customer;
  row.category = recorder.category;
  row.signed_at = row.created_at = vault.clock().now();
  if (auto r = sign(actor.signer, row); !r) return r;
  Catalog& catalog = vault.catalog();
  return vault.audit().act([&]() -> Result<void> {
    if (auto r = takes_in_for(vault, row.customer); !r) return r;
    auto taken = catalog.kind_of_account(row.name);
    if (!taken) return taken.error();
    if (!taken->empty()) return Error{Fault::usage, "the name is taken: there is " + *taken + " of this name"};
    if (auto r = catalog.put_recorder(row); !r) return r;
    return vault.audit().note({"recorder.added", actor.holder.name, {row.name, row.id}, ""});
  });
}

Result<void> remove_recorder(Vault& vault, const Actor& actor, const std::string& name) {
  if (auto r = may(actor.holder.role, Action::remove_recorder); !r) return r;
  return vault.audit().act([&]() -> Result<void> {
    auto row = vault.catalog().recorder(name);
    if (!row) return row.error();
    if (!*row || (*row)->state != "open") return Error{Fault::not_found, "no such recorder"};
    if (auto r = verified_recorder(vault, **row); !r) return r;
    (*row)->state = "removed";
    (*row)->signed_at = vault.clock().now();
    if (auto r = sign(actor.signer, **row); !r) return r;
    if (auto r = vault.catalog().put_recorder(**row); !r) return r;
    return vault.audit().note({"recorder.removed", actor.holder.name, {name, (*row)->id}, ""});
  });
}

Result<std::optional<RecorderRow>> recorder_with(Vault& vault, const std::string& account, base::ByteView key) {
  const std::optional<RecorderRow> none;
  const auto parsed = SshKey::from_blob(key);
  if (!parsed) return none;
  auto row = vault.catalog().recorder_with_key(account, parsed->text());
  if (!row) return row.error();
  if (!*row) return none;
  if (auto r = verified_recorder(vault, **row); !r) {
    base::log_error(r.error().what);
    return none;
  }
  return row;
}

Result<void> still_takes(Vault& vault, const RecorderRow& recorder) {
  auto row = vault.catalog().recorder(recorder.name);
  if (!row) return row.error();
  if (!*row || (*row)->statement != recorder.statement)
    return Error{Fault::denied, "the recorder was removed, or changed"};
  return takes_in_for(vault, recorder.customer);
}

}  // namespace vault
