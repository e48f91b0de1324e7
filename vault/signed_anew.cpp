#include "vault/signed_anew.h"

#include "vault/access.h"
#include "vault/customer.h"
#include "vault/noted.h"
#include "vault/recorder.h"
#include "vault/restriction.h"

namespace vault {

using base::Fault;
using base::Result;

namespace {

struct Pass {
  Vault& vault;
  const std::vector<keys::NoteVerifier>& leavers;
  const keys::NoteSigner& successor;
  Noted noted;  // what is not in the log was signed by nobody's act, and is not signed anew
  SignedAnew done;

  bool is_theirs(const std::string& statement) const {
    return static_cast<bool>(keys::verify_note(statement, leavers));
  }
  // What is damaged stays as it is; every other fault ends the act.
  Result<void> leave(const base::Error& error) {
    if (error.fault != Fault::damaged && error.fault != Fault::denied) return error;
    ++done.left;
    return {};
  }

  Result<void> customers() {
    auto rows = vault.catalog().customers();
    if (!rows) return rows.error();
    for (const auto& row : *rows) {
      if (!is_theirs(row.statement)) continue;
      const bool closed = noted.closed.contains(row.id);
      if (!noted.customers.contains(row.id) || closed != (row.state == "closed")) {
        ++done.left;
        continue;
      }
      auto anew = customer_signed_anew(vault, row, successor);
      if (!anew) {
        if (auto r = leave(anew.error()); !r) return r;
        continue;
      }
      if (auto r = vault.catalog().set_customer_statement(row.id, *anew); !r) return r;
      ++done.statements;
    }
    return {};
  }

  Result<void> recorders() {
    auto rows = vault.catalog().recorders();
    if (!rows) return rows.error();
    for (const auto& row : *rows) {
      if (!is_theirs(row.statement)) continue;
      if (noted.recorders.contains(row.id) != (row.state == "open")) {
        ++done.left;
        continue;
      }
      auto anew = recorder_signed_anew(vault, row, successor);
      if (!anew) {
        if (auto r = leave(anew.error()); !r) return r;
        continue;
      }
      if (auto r = vault.catalog().put_recorder(*anew); !r) return r;
      ++done.statements;
      if (row.state == "open") done.running.push_back({"recorder", row.name, row.customer});
    }
    return {};
  }

  Result<void> access(const AccessRow& row) {
    if (!is_theirs(row.statement)) return {};
    if (!noted.accesses.contains(row.id)) {
      ++done.left;
      return {};
    }
    auto statement = verified_access(vault, row);
    if (!statement) return leave(statement.error());
    statement->by = successor.verifier().name();
    auto anew = sign_access(*statement, successor);
    if (!anew) return anew.error();
    ++done.statements;
    if (row.state == "open" || row.state == "claimed") done.running.push_back({row.kind, row.id, row.account});
    return vault.catalog().set_access_statement(row.id, *anew);
  }

  Result<void> accesses() {
    auto rows = vault.catalog().accesses(std::nullopt);
    if (!rows) return rows.error();
    std::erase_if(*rows, [](const AccessRow& row) { return row.state != "open" && row.state != "claimed"; });
    auto to_erase = vault.catalog().accesses_to_erase();
    if (!to_erase) return to_erase.error();
    for (const auto* list : {&*rows, &*to_erase}) {
      for (const auto& row : *list) {
        if (auto r = access(row); !r) return r;
      }
    }
    return {};
  }

  Result<void> restrictions() {
    auto rows = vault.catalog().restrictions(std::nullopt);
    if (!rows) return rows.error();
    for (const auto& row : *rows) {
      auto anew = restriction_signed_anew(vault, row, leavers, successor);
      if (!anew) {
        if (auto r = leave(anew.error()); !r) return r;
        continue;
      }
      const std::size_t changed = (anew->opening != row.opening ? 1U : 0U) + (anew->release != row.release ? 1U : 0U);
      if (changed == 0) continue;
      if (auto r = vault.catalog().set_restriction_statements(*anew); !r) return r;
      done.statements += changed;
    }
    return {};
  }
};

}  // namespace

Result<SignedAnew> sign_anew(Vault& vault, const std::vector<keys::NoteVerifier>& leavers,
                             const keys::NoteSigner& successor) {
  Pass pass{vault, leavers, successor, {}, {}};
  if (leavers.empty()) return pass.done;
  const auto whole = vault.audit().verify(vault.trust().service, "");
  if (!whole && whole.error().fault != Fault::damaged) return whole.error();
  if (whole) {  // a damaged log vouches for nothing
    auto said = noted(vault);
    if (!said) return said.error();
    pass.noted = std::move(*said);
  }
  for (const auto step : {&Pass::customers, &Pass::recorders, &Pass::accesses, &Pass::restrictions}) {
    if (auto r = (pass.*step)(); !r) return r.error();
  }
  return pass.done;
}

}  // namespace vault
