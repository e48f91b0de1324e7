// Step 4 of 7: deliver. Puts recordings of a customer into a delivery and makes its one-time password.
//
// Needs an unlocked identity: the file keys are unwrapped with it, and wrapped again for the key that the password
// makes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vault/access.h"

namespace vault {

struct DeliveryRequest {
  std::string customer;
  std::vector<std::string> recordings;    // ids; or, when empty, all that the filter finds and that are in no delivery
  std::optional<base::Seconds> from, to;  // call time, both ends included
  std::optional<base::Seconds> lasts;     // until the first log-in must have come; default from the configuration
  bool strict = false, any_address = false;
  bool only_new = false;  // of a collecting delivery: it begins empty, whatever is held
};

struct Delivery {
  std::string id;
  std::string account;
  base::SecretBytes password;  // shown once; in no other place
  std::size_t recordings = 0;
  std::uint64_t bytes = 0;
  base::Seconds expires = 0;
  std::size_t restricted = 0;      // left out of what was chosen by a filter, or of what is reissued
  bool collecting = false;         // takes in what is sealed from now on, until it is claimed
  std::size_t number = 1, of = 1;  // of several that were made together, which open one after the other
};

// Faults: not_found (no such customer or recording, nothing to deliver), denied (role), busy (a recording is in another
// delivery), restricted (a named recording is), damaged (a recording does not agree with its record), usage (a
// recording of another class or customer).
base::Result<Delivery> deliver(Vault& vault, const Actor& actor, const DeliveryRequest& request);

// `count` deliveries that take in what is sealed from now on (vault/collect.h): the first one until it is claimed, then
// the next. Each opens when the one before has ended, and may wait `lasts` longer than that. The first begins with what
// the request chooses, which may be nothing. All of them or none are made. Fault::busy also when the account cannot
// have so many.
base::Result<std::vector<Delivery>> deliver_collecting(Vault& vault, const Actor& actor, const DeliveryRequest& request,
                                                       std::size_t count);

// Ends a delivery before its time: what was not fetched is held again. Signed by the actor.
base::Result<void> revoke_delivery(Vault& vault, const Actor& actor, const std::string& id);

// A new password for what was not fetched of a delivery, which ends if it has not yet; terms as in the old one, expiry
// anew. `lasts` as in deliver(). One that collects goes on collecting, in its turn. Fault::not_found when nothing is
// left of it and it does not collect.
base::Result<Delivery> reissue_delivery(Vault& vault, const Actor& actor, const std::string& id,
                                        std::optional<base::Seconds> lasts);

}  // namespace vault
