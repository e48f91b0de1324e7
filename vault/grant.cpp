#include "vault/grant.h"

#include <nlohmann/json.hpp>
#include <set>

#include "vault/customer.h"
#include "vault/erase.h"
#include "vault/offer.h"
#include "vault/role.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

Result<void> check_account(const std::string& account) {
  if (valid_account(account)) return {};
  return Error{Fault::usage, "an account is 1 to 32 of a-z, 0-9 and -, and does not begin with -"};
}

// Inside the transaction: customers may be added meanwhile.
Result<void> no_customer(Vault& vault, const std::string& account) {
  auto customer = vault.catalog().customer(account);
  if (customer) return Error{Fault::usage, account + " is a customer: a grantee needs an account of its own"};
  if (customer.error().fault != Fault::not_found) return customer.error();
  return {};
}

Result<Contents> open_all(Vault& vault, const Actor& actor, const std::vector<std::string>& ids) {
  if (std::set<std::string>(ids.begin(), ids.end()).size() != ids.size())
    return Error{Fault::usage, "a recording is named twice"};
  return open_contents(vault, actor, ids, [](const OpenRecording&) -> Result<void> { return {}; });
}

// The account can be a person's name: into the sealed details only.
std::string details_of(const std::string& account) { return nlohmann::json{{"account", account}}.dump(); }

Result<void> note_recordings(Vault& vault, const Actor& actor, const std::string& id, const Contents& contents) {
  for (const auto& recording : contents.recordings) {
    const Event event{"recording.granted", actor.holder.name, {recording.row.columns.recording, id}, ""};
    if (auto r = vault.audit().note(event); !r) return r;
  }
  return {};
}

// header || payload: a whole age file with a file key of its own.
Result<void> write_age_file(Vault& vault, const OpenRecording& recording, const base::SecretBytes& password,
                            const keys::StreamWriter::Sink& out, unsigned log_n) {
  auto file_key = base::SecretBytes::random(keys::kFileKey);
  if (!file_key) return file_key.error();
  auto stanza = keys::wrap_with_passphrase(password, *file_key, log_n);
  if (!stanza) return stanza.error();
  auto header = keys::make_age_header(*file_key, {*stanza});
  if (!header) return header.error();
  if (auto r = out(*header); !r) return r;
  auto writer = keys::StreamWriter::create(*file_key, out);
  if (!writer) return writer.error();
  auto reader = open_audio(vault, recording);
  if (!reader) return reader.error();
  if (auto r = copy_audio(recording, *reader, [&](base::ByteView bytes) { return writer->write(bytes); }); !r) return r;
  return writer->finish();
}

}  // namespace

Result<Grant> grant(Vault& vault, const Actor& actor, const GrantRequest& request) {
  if (auto r = may(actor.holder.role, Action::grant); !r) return r.error();
  if (auto r = check_account(request.account); !r) return r.error();
  if (request.recordings.empty()) return Error{Fault::usage, "no recording is named"};
  auto contents = open_all(vault, actor, request.recordings);
  if (!contents) return contents.error();
  OfferTerms terms;
  terms.kind = keys::AccessKind::grant;
  terms.account = request.account;
  terms.lasts = request.lasts.value_or(vault.config().grant_expires);
  auto offer = prepare_offer(vault, actor, terms, *contents);
  if (!offer) return offer.error();
  const std::string& id = offer->statement.terms.id;
  auto r = vault.audit().act([&]() -> Result<void> {
    if (auto free = no_customer(vault, request.account); !free) return free;
    if (auto room = check_room(vault, request.account); !room) return room;
    if (auto added = add_offer(vault, *offer, *contents); !added) return added;
    if (auto noted = vault.audit().note({"grant.made", actor.holder.name, {id}, details_of(request.account)}); !noted)
      return noted;
    return note_recordings(vault, actor, id, *contents);
  });
  if (!r) return r.error();
  return Grant{id,
               request.account,
               std::move(offer->password),
               contents->recordings.size(),
               contents->bytes,
               offer->statement.terms.expires};
}

// Its access begins and ends in one transaction: what stays is its row, so that it is listed, and no password logs in.
Result<Grant> grant_file(Vault& vault, const Actor& actor, const std::string& recording, const std::string& account,
                         const keys::StreamWriter::Sink& out, unsigned log_n) {
  if (auto r = may(actor.holder.role, Action::grant); !r) return r.error();
  if (auto r = check_account(account); !r) return r.error();
  auto contents = open_all(vault, actor, {recording});
  if (!contents) return contents.error();
  OfferTerms terms;
  terms.kind = keys::AccessKind::grant;
  terms.account = account;
  auto offer = prepare_offer(vault, actor, terms, *contents);
  if (!offer) return offer.error();
  const std::string& id = offer->statement.terms.id;
  auto statement = sign_act(vault, actor, "grant.exported", id, {{"recording", recording}, {"account", account}});
  if (!statement) return statement.error();
  if (auto free = no_customer(vault, account); !free) return free.error();  // before all the work
  if (auto r = write_age_file(vault, contents->recordings[0], offer->password, out, log_n); !r) return r.error();
  auto r = vault.audit().act([&]() -> Result<void> {
    if (auto free = no_customer(vault, account); !free) return free;
    if (auto added = add_offer(vault, *offer, *contents); !added) return added;
    if (auto ended = vault.catalog().end_access(id, "finished", vault.clock().now()); !ended) return ended.error();
    if (auto noted = vault.audit().note({"grant.exported", actor.holder.name, {id}, *statement}); !noted) return noted;
    return note_recordings(vault, actor, id, *contents);
  });
  if (!r) return r.error();
  if (auto erased = finish_erasures(vault); !erased) return erased.error().at("the file is given");
  return Grant{id, account, std::move(offer->password), 1, contents->bytes, 0};
}

Result<void> revoke_grant(Vault& vault, const Actor& actor, const std::string& id) {
  if (auto r = may(actor.holder.role, Action::revoke_grant); !r) return r;
  auto row = vault.catalog().access(id);
  if (!row) return row.error().at(id);
  if (row->kind != "grant") return Error{Fault::not_found, id + " is not a grant"};
  if (was_file(*row)) return Error{Fault::not_found, id + " was given as a file, which cannot be recalled"};
  if (!running(*row)) return Error{Fault::not_found, id + " is " + row->state + " already"};
  return end_offer(vault, actor, id, "grant.revoked");
}

bool was_file(const AccessRow& grant) { return grant.kind == "grant" && grant.state == "finished"; }

}  // namespace vault
