#include "vault/restriction.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "vault/erase.h"
#include "vault/role.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::string_view kType = "callvault/v1/restriction";
constexpr std::size_t kMaxReason = 4096;

enum class Act { opening, release };

// It names the restriction: the release of an earlier one of the same recording does not close this one.
keys::NoteFields fields_of(const RestrictionRow& row, Act act, const std::string& by) {
  keys::NoteFields note;
  note.type = kType;
  note.fields = {{"act", act == Act::opening ? "restrict" : "release"},
                 {"restriction", row.id},
                 {"recording", row.recording},
                 {"by", by},
                 {"at", base::rfc3339(act == Act::opening ? row.opened_at : row.closed_at)}};
  return note;
}

Result<void> verified(const Vault& vault, const RestrictionRow& row, Act act) {
  const Action needed = act == Act::opening ? Action::restrict_recording : Action::release_recording;
  std::vector<keys::NoteVerifier> signers;
  for (const auto& holder : vault.roster().holders()) {
    if (may(holder.role, needed)) signers.push_back(holder.signing_key);
  }
  auto note = keys::verify_note(act == Act::opening ? row.opening : row.release, signers);
  if (!note) return note.error().at("statement of restriction " + row.id);
  // Printed again from the columns, it must be the very text that was signed.
  if (fields_of(row, act, note->signer).print() == note->text) return {};
  return Error{Fault::damaged, "restriction " + row.id + " was changed: its statement says otherwise"};
}

bool holds(const Vault& vault, const RestrictionRow& row) {
  return row.closed_at == 0 || !verified(vault, row, Act::release);
}

// Who asked, and why, may be personal data.
std::string details_of(const std::string& reason) {
  if (reason.empty()) return "";
  return nlohmann::json{{"reason", reason}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<void> check_reason(const std::string& reason) {
  if (reason.size() <= kMaxReason) return {};
  return Error{Fault::usage, "a reason has at most " + std::to_string(kMaxReason) + " bytes"};
}

}  // namespace

Result<void> verified_restriction(const Vault& vault, const RestrictionRow& row) {
  if (auto r = verified(vault, row, Act::opening); !r) return r;
  if (row.closed_at != 0) return verified(vault, row, Act::release);
  if (row.release.empty()) return {};
  return Error{Fault::damaged, "restriction " + row.id + " is open, but holds a release"};
}

Result<RestrictionRow> restriction_signed_anew(const Vault& vault, const RestrictionRow& row,
                                               const std::vector<keys::NoteVerifier>& signers,
                                               const keys::NoteSigner& signer) {
  RestrictionRow out = row;
  for (const Act act : {Act::opening, Act::release}) {
    std::string& statement = act == Act::opening ? out.opening : out.release;
    if (!keys::verify_note(statement, signers)) continue;
    if (auto r = verified(vault, row, act); !r) return r.error();
    auto anew = signer.sign(fields_of(row, act, signer.verifier().name()).print());
    if (!anew) return anew.error();
    statement = std::move(*anew);
  }
  return out;
}

Result<void> unrestricted(Vault& vault, const std::string& recording) {
  auto rows = vault.catalog().restrictions(recording);
  if (!rows) return rows.error();
  if (std::ranges::none_of(*rows, [&](const RestrictionRow& row) { return holds(vault, row); })) return {};
  return Error{Fault::restricted, recording + ": its processing is restricted"};
}

Result<void> restrict_recording(Vault& vault, const Actor& actor, const std::string& id, const std::string& reason) {
  if (auto r = may(actor.holder.role, Action::restrict_recording); !r) return r;
  if (auto r = check_reason(reason); !r) return r;
  if (!valid_id(id)) return Error{Fault::not_found, "no such recording"};
  Catalog& catalog = vault.catalog();
  RestrictionRow row;
  row.id = new_id('x');
  row.recording = id;
  row.opened_at = vault.clock().now();
  auto statement = actor.signer.sign(fields_of(row, Act::opening, actor.holder.name).print());
  if (!statement) return statement.error();
  row.opening = std::move(*statement);
  // One transaction decides between this and a download or an erasure of the same moment: whichever comes first.
  return vault.audit().act([&]() -> Result<void> {
    auto recording = catalog.recording(id);
    if (!recording) return recording.error().at(id);
    if (auto r = unrestricted(vault, id); !r)
      return r.error().fault == Fault::restricted ? Error{Fault::not_found, id + " is restricted already"} : r;
    if (recording->state == "erasing") {
      auto held = catalog.hold_again(id);
      if (!held) return held.error();
      if (*held == 0) return Error{Fault::not_found, id + ": erased (" + recording->reason + ")"};
    } else if (recording->state != "sealed") {
      return Error{Fault::not_found, id + ": " + recording->state};
    }
    if (auto r = catalog.add_restriction(row); !r) return r;
    return vault.audit().note({"recording.restricted", actor.holder.name, {id, row.id}, details_of(reason)});
  });
}

Result<Released> release_recording(Vault& vault, const Actor& actor, const std::string& id, const std::string& reason) {
  if (auto r = may(actor.holder.role, Action::release_recording); !r) return r.error();
  if (auto r = check_reason(reason); !r) return r.error();
  if (!valid_id(id)) return Error{Fault::not_found, "no such recording"};
  Catalog& catalog = vault.catalog();
  bool erasing = false;
  auto r = vault.audit().act([&]() -> Result<void> {
    auto recording = catalog.recording(id);
    if (!recording) return recording.error().at(id);
    auto rows = catalog.restrictions(id);
    if (!rows) return rows.error();
    std::erase_if(*rows, [&](const RestrictionRow& row) { return !holds(vault, row); });
    if (rows->empty()) return Error{Fault::not_found, id + " is not restricted"};
    for (auto& row : *rows) {
      row.closed_at = vault.clock().now();
      auto statement = actor.signer.sign(fields_of(row, Act::release, actor.holder.name).print());
      if (!statement) return statement.error();
      if (auto closed = catalog.close_restriction(row.id, row.closed_at, *statement); !closed) return closed;
      if (auto noted = vault.audit().note({"recording.released", actor.holder.name, {id, row.id}, details_of(reason)});
          !noted)
        return noted;
    }
    // Downloaded before or during the restriction: the first step of its erasure, which the restriction had stopped.
    auto delivered = catalog.delivered_in(id);
    if (!delivered) return delivered.error();
    if (!*delivered) return {};
    auto marked = catalog.mark_erasing(id, "delivered", recording->linger_until);
    if (!marked) return marked.error();
    erasing = *marked != 0;
    return erasing ? vault.audit().note({"erasure.begun", "service", {"1"}, ""}) : Result<void>();
  });
  if (!r) return r.error();
  if (!erasing) return Released::to_be_delivered;
  if (auto erased = finish_erasures(vault); !erased) return erased.error().at("released, but not erased yet");
  return Released::to_be_erased;
}

}  // namespace vault
