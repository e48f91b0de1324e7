#include "vault/deliver.h"

#include "vault/erase.h"
#include "vault/offer.h"
#include "vault/restriction.h"
#include "vault/role.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

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

// `replaces`, if any, has ended when the new delivery begins: in the same transaction, if it runs now.
Result<Delivery> make(Vault& vault, const Actor& actor, const DeliveryRequest& request, const Chosen& chosen,
                      const AccessRow* replaces) {
  auto contents = open_contents(vault, actor, chosen.ids, [&](const OpenRecording& recording) -> Result<void> {
    const Columns& c = recording.row.columns;
    if (c.klass == "customer" && c.customer == request.customer) return {};
    return Error{Fault::usage, c.recording + ": not held for customer " + request.customer};
  });
  if (!contents) return contents.error();
  const OfferTerms terms{keys::AccessKind::delivery,
                         request.customer,
                         request.customer,
                         request.lasts.value_or(vault.config().delivery_expires),
                         request.strict,
                         request.any_address};
  auto offer = prepare_offer(vault, actor, terms, *contents);
  if (!offer) return offer.error();
  const std::string& id = offer->statement.terms.id;
  auto r = vault.audit().act([&]() -> Result<void> {
    if (replaces != nullptr) {
      if (running(*replaces)) {
        auto ended = vault.catalog().end_access(replaces->id, "revoked", vault.clock().now());
        if (!ended) return ended.error();
        if (*ended == 0) return Error{Fault::busy, replaces->id + " has just ended"};
      }
      if (auto noted = vault.audit().note({"delivery.reissued", actor.holder.name, {replaces->id, id}, ""}); !noted)
        return noted;
    }
    if (auto room = check_room(vault, request.customer); !room) return room;
    if (auto added = add_offer(vault, actor, *offer, *contents); !added) return added;
    return vault.audit().note({"delivery.made", actor.holder.name, {id, request.customer}, ""});
  });
  if (!r) return r.error();
  if (replaces != nullptr) {
    if (auto erased = finish_erasures(vault); !erased) return erased.error();
  }
  return Delivery{id,
                  request.customer,
                  std::move(offer->password),
                  contents->recordings.size(),
                  contents->bytes,
                  offer->statement.terms.expires,
                  chosen.restricted};
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

}  // namespace

Result<void> revoke_delivery(Vault& vault, const Actor& actor, const std::string& id) {
  if (auto r = may(actor.holder.role, Action::revoke_delivery); !r) return r;
  auto row = find_delivery(vault, id);
  if (!row) return row.error();
  if (!running(*row)) return Error{Fault::not_found, id + " is " + row->state + " already"};
  return end_offer(vault, actor, id, "delivery.revoked");
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
