#include "vault/standing.h"

#include "vault/collect.h"
#include "vault/customer.h"
#include "vault/ingest.h"
#include "vault/intake.h"
#include "vault/offer.h"
#include "vault/restriction.h"
#include "vault/role.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

struct Held {
  std::vector<std::string> ids;
  std::size_t restricted = 0;
};

Result<Held> held(Vault& vault, const StandingRequest& request) {
  RecordingFilter filter;
  filter.state = "sealed";
  filter.customer = request.customer;
  auto rows = vault.catalog().recordings(filter);
  if (!rows) return rows.error();
  Held found;
  for (const auto& row : *rows) {
    const Columns& c = row.columns;
    if (c.category != request.category || !row.quarantine.empty()) continue;
    auto free = unrestricted(vault, c.recording);
    if (!free && free.error().fault != Fault::restricted) return free.error();
    if (free)
      found.ids.push_back(c.recording);
    else
      ++found.restricted;
  }
  return found;
}

Result<void> check(Vault& vault, const StandingRequest& request) {
  if (!valid_category(request.category)) return Error{Fault::usage, "a category is 1 to 32 of a-z, 0-9 and -"};
  return check_open(vault, request.customer);
}

}  // namespace

Result<Standing> add_standing(Vault& vault, const Actor& actor, const StandingRequest& request) {
  if (auto r = may(actor.holder.role, Action::add_standing); !r) return r.error();
  if (auto r = check(vault, request); !r) return r.error();
  OfferTerms terms;
  terms.kind = keys::AccessKind::standing;
  terms.account = terms.customer = request.customer;
  terms.lasts = request.lasts.value_or(vault.config().standing_expires);
  terms.takes_in = request.category;
  Contents none;  // what is held is added below
  auto offer = prepare_offer(vault, actor, terms, none);
  if (!offer) return offer.error();
  const std::string id = offer->statement.terms.id;
  auto r = vault.audit().act([&]() -> Result<void> {
    if (auto room = check_room(vault, request.customer); !room) return room;
    if (auto added = add_offer(vault, actor, *offer, none); !added) return added;
    return vault.audit().note({"standing.added", actor.holder.name, {id, request.customer}, ""});
  });
  if (!r) return r.error();
  // From here on what is sealed comes in by itself. What is held follows: so nothing falls between the two.
  auto old = held(vault, request);
  auto added = old ? add_held(vault, actor, id, old->ids) : Result<Added>(old.error());
  if (!added) {
    if (auto ended = end_offer(vault, actor, id, "standing.revoked"); !ended) return ended.error();
    return added.error();
  }
  return Standing{id,
                  request.customer,
                  std::move(offer->password),
                  added->recordings,
                  added->bytes,
                  offer->statement.terms.expires,
                  old->restricted};
}

Result<void> revoke_standing(Vault& vault, const Actor& actor, const std::string& id) {
  if (auto r = may(actor.holder.role, Action::revoke_standing); !r) return r;
  auto row = vault.catalog().access(id);
  if (!row) return row.error().at(id);
  if (row->kind != "standing") return Error{Fault::not_found, id + " is not a standing log-in"};
  if (!running(*row)) return Error{Fault::not_found, id + " is " + row->state + " already"};
  return end_offer(vault, actor, id, "standing.revoked");
}

}  // namespace vault
