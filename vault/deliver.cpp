#include "vault/deliver.h"

#include "vault/collect.h"
#include "vault/customer.h"
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

// The one that is replaced has ended when the new delivery begins: in the same transaction, if it runs now.
Result<void> end_replaced(Vault& vault, const Actor& actor, const AccessRow& row, const std::string& by) {
  if (running(row)) {
    auto ended = vault.catalog().end_access(row.id, "revoked", vault.clock().now());
    if (!ended) return ended.error();
    if (*ended == 0) return Error{Fault::busy, row.id + " has just ended"};
  }
  const auto statement = sign_act(vault, actor, "delivery.reissued", row.id, {{"replaced-by", by}});
  if (!statement) return statement.error();
  return vault.audit().note({"delivery.reissued", actor.holder.name, {row.id, by}, *statement});
}

// An offer for each of `wanted`, all in one transaction; the first one has the contents.
Result<std::vector<Delivery>> make(Vault& vault, const Actor& actor, const DeliveryRequest& request,
                                   const Chosen& chosen, const std::vector<OfferTerms>& wanted,
                                   const AccessRow* replaces) {
  auto contents = open_contents(vault, actor, chosen.ids, [&](const OpenRecording& recording) -> Result<void> {
    const Columns& c = recording.row.columns;
    if (c.klass == "customer" && c.customer == request.customer) return {};
    return Error{Fault::usage, c.recording + ": not held for customer " + request.customer};
  });
  if (!contents) return contents.error();
  Contents none;
  const auto contents_of = [&](std::size_t i) -> Contents& { return i == 0 ? *contents : none; };
  std::vector<Offer> offers;
  for (const auto& terms : wanted) {
    auto offer = prepare_offer(vault, actor, terms, contents_of(offers.size()));
    if (!offer) return offer.error();
    offers.push_back(std::move(*offer));
  }
  auto r = vault.audit().act([&]() -> Result<void> {
    if (replaces != nullptr) {
      if (auto ended = end_replaced(vault, actor, *replaces, offers.front().statement.terms.id); !ended) return ended;
    }
    if (auto room = check_room(vault, request.customer, offers.size()); !room) return room;
    for (std::size_t i = 0; i < offers.size(); ++i) {
      if (auto added = add_offer(vault, actor, offers[i], contents_of(i)); !added) return added;
      const std::string& id = offers[i].statement.terms.id;
      if (auto noted = vault.audit().note({"delivery.made", actor.holder.name, {id, request.customer}, ""}); !noted)
        return noted;
    }
    return {};
  });
  if (!r) return r.error();
  if (replaces != nullptr) {
    if (auto erased = finish_erasures(vault); !erased) return erased.error();
  }
  std::vector<Delivery> made;
  for (auto& offer : offers) {
    const Contents& in_it = contents_of(made.size());
    made.push_back({offer.statement.terms.id, request.customer, std::move(offer.password), in_it.recordings.size(),
                    in_it.bytes, offer.statement.terms.expires, made.empty() ? chosen.restricted : 0,
                    !offer.statement.takes_in.empty(), made.size() + 1, offers.size()});
  }
  return made;
}

// What was sealed while the others were opened, and could not come into a collecting delivery yet: now it can. If it
// does not, none of the new deliveries stays.
Result<std::vector<Delivery>> with_late(Vault& vault, const Actor& actor, std::vector<Delivery> made,
                                        const Result<Chosen>& late) {
  auto added = late ? add_held(vault, actor, made.front().id, late->ids) : Result<Added>(late.error());
  if (added) {
    made.front().recordings += added->recordings;
    made.front().bytes += added->bytes;
    return made;
  }
  for (const auto& delivery : made) {
    if (auto r = end_offer(vault, actor, delivery.id, "delivery.revoked"); !r) return r.error();
  }
  return added.error();
}

OfferTerms terms_of(const Vault& vault, const DeliveryRequest& request) {
  OfferTerms terms;
  terms.account = terms.customer = request.customer;
  terms.lasts = request.lasts.value_or(vault.config().delivery_expires);
  terms.strict = request.strict;
  terms.any_address = request.any_address;
  return terms;
}

Result<void> may_deliver(Vault& vault, const Actor& actor, const std::string& id) {
  if (auto r = may(actor.holder.role, Action::deliver); !r) return r.error();
  return check_open(vault, id);
}

}  // namespace

Result<Delivery> deliver(Vault& vault, const Actor& actor, const DeliveryRequest& request) {
  if (auto r = may_deliver(vault, actor, request.customer); !r) return r.error();
  auto chosen = choose(vault, request);
  if (!chosen) return chosen.error();
  if (chosen->ids.empty())
    return Error{Fault::not_found, "nothing to deliver to " + request.customer + left_out(chosen->restricted)};
  auto made = make(vault, actor, request, *chosen, {terms_of(vault, request)}, nullptr);
  if (!made) return made.error();
  return std::move(made->front());
}

Result<std::vector<Delivery>> deliver_collecting(Vault& vault, const Actor& actor, const DeliveryRequest& request,
                                                 std::size_t count) {
  if (auto r = may_deliver(vault, actor, request.customer); !r) return r.error();
  auto chosen = request.only_new ? Result<Chosen>(Chosen()) : choose(vault, request);
  if (!chosen) return chosen.error();
  auto last = vault.catalog().last_turn(request.customer);
  if (!last) return last.error();
  std::vector<OfferTerms> all;
  for (std::size_t i = 1; i <= count; ++i) {
    all.push_back(terms_of(vault, request));
    all.back().lasts *= static_cast<base::Seconds>(i);
    all.back().takes_in = kEverything;
    all.back().turn = *last + i;
  }
  auto made = make(vault, actor, request, *chosen, all, nullptr);
  if (!made || request.only_new || !request.recordings.empty()) return made;
  return with_late(vault, actor, std::move(*made), choose(vault, request));
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
  // Nobody signs what was edited. The statement of one that has ended may be a leaver's, which counts no more.
  const auto statement = verified_access(vault, *row);
  if (!statement && (running(*row) || statement.error().fault == Fault::damaged)) return statement.error();
  const bool collecting = collects(*row) && row->state == "open";
  auto left = left_of(vault, *row);
  if (!left) return left.error();
  if (left->ids.empty() && !collecting)
    return Error{Fault::not_found, "nothing is left of " + id + left_out(left->restricted)};
  DeliveryRequest request;
  request.customer = row->customer;
  request.lasts = lasts;
  request.strict = row->strict;
  request.any_address = statement && row->any_address;
  OfferTerms terms = terms_of(vault, request);
  if (collecting) {
    terms.takes_in = row->takes_in;
    terms.turn = row->turn;
  }
  auto made = make(vault, actor, request, *left, {terms}, &*row);
  if (made && collecting) made = with_late(vault, actor, std::move(*made), left_of(vault, *row));
  if (!made) return made.error();
  return std::move(made->front());
}

}  // namespace vault
