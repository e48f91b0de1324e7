#include "vault/claim.h"

#include "base/log.h"
#include "keys/kdf.h"
#include "vault/collect.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

// Under the access's own erase secret: worthless once the access has ended.
Result<std::string> hashed_network(Vault& vault, const AccessRow& row, const std::string& address) {
  auto secret = vault.slots().read(row.slot);
  if (!secret) return secret.error().at("erase secret of " + row.id);
  return base::base64(keys::hmac_sha256(*secret, base::as_bytes("network " + network_of(address))));
}

Result<Entrance> open_claim(Vault& vault, const AccessRow& row, const std::string& network,
                            const std::string& address) {
  bool lost = false;
  bool early = false;
  auto r = vault.audit().act([&]() -> Result<void> {
    if (auto turn = collects(row) ? its_turn(vault, row) : Result<void>(); !turn) {
      early = turn.error().fault == Fault::denied;
      return turn;
    }
    const std::string attempt = base::hex(base::random_bytes(16));
    if (auto claimed = vault.catalog().claim(row.id, attempt, network, vault.clock().now()); !claimed) {
      lost = claimed.error().fault == Fault::denied;
      return claimed;
    }
    return vault.audit().note({"delivery.claimed", "customer", {row.id}, "{\"address\":\"" + address + "\"}"});
  });
  if (early) return Entrance::not_yet;
  if (!r && lost) return Entrance::used;
  if (!r) return r.error();
  return Entrance::claimed;
}

// Each log-in leaves a trace; nothing else changes but the time of the last one.
Result<Entrance> open_to_read(Vault& vault, const AccessRow& row, const std::string& address) {
  auto noted = vault.audit().act([&]() -> Result<void> {
    if (auto r = vault.catalog().saw(row.id, vault.clock().now()); !r) return r;
    return vault.audit().note(
        {row.kind + ".opened", reader_of(row.kind), {row.id}, "{\"address\":\"" + address + "\"}"});
  });
  if (!noted) return noted.error();
  return Entrance::reading;
}

}  // namespace

const char* reader_of(std::string_view kind) {
  return kind == keys::name_of(keys::AccessKind::grant) ? "grantee" : "customer";
}

Result<std::vector<Candidate>> candidates(Vault& vault, const std::string& account, std::size_t limit) {
  auto rows = vault.catalog().accesses_of(account, static_cast<int>(limit));
  if (!rows) return rows.error();
  std::vector<Candidate> out;
  for (auto& row : *rows) {
    auto statement = verified_access(vault, row);
    if (!statement) {
      base::log_error(statement.error().what);
      continue;
    }
    out.push_back({std::move(row), std::move(*statement)});
  }
  for (std::size_t i = rows->size(); i < limit; ++i)
    if (auto r = verify_in_vain(vault); !r) return r.error();
  return out;
}

Result<Entrance> enter(Vault& vault, const Candidate& candidate, const std::string& address, int connections) {
  auto row = vault.catalog().access(candidate.row.id);
  if (!row) return row.error();
  if (row->statement != candidate.row.statement) return Error{Fault::damaged, "the access changed during the log-in"};
  const base::Seconds now = vault.clock().now();
  if (row->state == "finished") return Entrance::used;
  if (row->state == "expired") return Entrance::expired;
  if (row->state == "revoked") return Entrance::revoked;
  const bool only_read = row->kind != keys::name_of(keys::AccessKind::delivery);  // whatever its state says
  if ((row->state == "open" || only_read) && now < row->not_before) return Entrance::not_yet;
  if ((row->state == "open" || only_read) && now >= row->expires) return Entrance::expired;
  const bool too_many = connections >= vault.config().claim_connections;
  if (only_read) return too_many ? Entrance::too_many : open_to_read(vault, *row, address);
  auto network = hashed_network(vault, *row, address);
  if (!network) return network.error();
  if (row->state == "open") return open_claim(vault, *row, *network, address);
  if (now - row->claimed_at > vault.config().claim_longest) return Entrance::used;
  if (!row->any_address && row->network != *network) return Entrance::other_address;
  if (row->strict && connections > 0) return Entrance::strict;
  if (too_many) return Entrance::too_many;
  auto joined = vault.audit().act([&]() -> Result<void> {
    if (auto r = vault.catalog().saw(row->id, now); !r) return r;
    return vault.audit().note({"delivery.joined", "customer", {row->id}, "{\"address\":\"" + address + "\"}"});
  });
  if (!joined) return joined.error();
  return Entrance::joined;
}

Result<void> end_access(Vault& vault, const std::string& access, const std::string& state, const std::string& actor) {
  return vault.audit().act([&]() -> Result<void> {
    auto changed = vault.catalog().end_access(access, state, vault.clock().now());
    if (!changed) return changed.error();
    if (*changed == 0) return Error{Fault::not_found, access + " has ended already"};
    return vault.audit().note({"access." + state, actor, {access}, ""});
  });
}

Result<std::vector<std::string>> end_overdue(Vault& vault, const std::function<bool(const std::string&)>& connected) {
  const base::Seconds now = vault.clock().now();
  std::vector<std::pair<std::string, const char*>> over;
  auto overdue = vault.catalog().overdue_accesses(now);
  if (!overdue) return overdue.error();
  for (const auto& row : *overdue) over.emplace_back(row.id, "expired");
  auto claimed = vault.catalog().claimed_accesses();
  if (!claimed) return claimed.error();
  for (const auto& row : *claimed) {
    const bool too_long = now - row.claimed_at > vault.config().claim_longest;
    const bool deserted = !connected(row.id) && now - row.seen_at > vault.config().claim_unconnected;
    if (too_long || deserted) over.emplace_back(row.id, "finished");
  }
  std::vector<std::string> ended;
  for (const auto& [id, state] : over) {
    if (auto r = end_access(vault, id, state, "service"); !r && r.error().fault != Fault::not_found) {
      base::log_error(r.error().at("end " + id).what);  // the others end all the same; this one is tried again
      continue;
    }
    ended.push_back(id);
  }
  return ended;
}

}  // namespace vault
