// Offer: what deliveries and grants share. Recordings are opened, compared, and wrapped for the key that a new password
// makes; the access that holds them begins in the transaction of the act, and a role holder can end it in another.
#pragma once

#include <functional>

#include "vault/access.h"
#include "vault/open_recording.h"

namespace vault {

constexpr int kMostOpenAccesses = 8;  // of one account: as many as a log-in can choose from

struct Contents {
  std::vector<OpenRecording> recordings;
  std::vector<std::string> names;  // what the folder shows, beside them
  std::uint64_t bytes = 0;
};

// Faults: usage (no id of a recording), not_found, denied (no header for the actor, or quarantined), restricted,
// damaged, and whatever `allowed` says.
base::Result<Contents> open_contents(Vault& vault, const Actor& actor, const std::vector<std::string>& ids,
                                     const std::function<base::Result<void>(const OpenRecording&)>& allowed);

struct OfferTerms {
  keys::AccessKind kind = keys::AccessKind::delivery;
  std::string account;
  std::string customer;  // empty: none
  base::Seconds lasts = 0;
  bool strict = false, any_address = false;
  std::string takes_in = {};  // vault/collect.h; empty: nothing
  std::uint64_t turn = 0;
};

struct Offer {
  AccessStatement statement;
  std::string note;               // the statement, signed
  std::vector<SealedItem> items;  // of the contents, in their order
  base::SecretBytes password;     // its text; in no other place
};

// All that needs no transaction, which shall be short: password, erase secret, signature, sealing. When nothing comes
// of it, a slot stays unused.
base::Result<Offer> prepare_offer(Vault& vault, const Actor& actor, const OfferTerms& terms, Contents& contents);

// Inside the transaction of the act: the access begins. Items of a delivery are exclusive. A recording that was moved
// to another slot since it was opened is opened and sealed once more. Faults: busy (a recording is in another delivery,
// or who holds which role was changed), restricted and not_found (since it was opened).
base::Result<void> add_offer(Vault& vault, const Actor& actor, Offer& offer, Contents& contents);

// Before it: Fault::busy when the account cannot have so many open accesses more.
base::Result<void> check_room(Vault& vault, const std::string& account, std::size_t more = 1);

// The signed note of an act that has no format of its own: what was done, to which access, and `more`.
base::Result<std::string> sign_act(const Vault& vault, const Actor& actor, const std::string& act,
                                   const std::string& subject,
                                   const std::vector<std::pair<std::string, std::string>>& more = {});

// Ends an access under a statement of the actor, noted as `event`, and destroys its erase secret. Fault::not_found: it
// has ended already.
base::Result<void> end_offer(Vault& vault, const Actor& actor, const std::string& id, const std::string& event);

bool running(const AccessRow& row);  // open or claimed

}  // namespace vault
