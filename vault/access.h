// Access: what deliveries, grants and standing log-ins share: a key made from a password, and a statement, signed by
// whoever made it, that binds its terms. A column of an access counts only if the statement says the same.
#pragma once

#include <string>

#include "keys/password.h"
#include "vault/vault.h"

namespace vault {

struct AccessStatement {
  keys::AccessTerms terms;
  keys::Recipient recipient;  // public half of the key that the password makes
  std::string customer;       // empty: none
  std::uint64_t slot = 0;     // of the access's erase secret
  bool strict = false, any_address = false;
  std::string by;             // name of the role holder
  std::string takes_in = {};  // what comes into it as it is sealed (vault/collect.h); empty: nothing
  std::uint64_t turn = 0;     // among the collecting deliveries of its account; else 0
};

base::Result<std::string> sign_access(const AccessStatement& statement, const keys::NoteSigner& signer);

// Verifies the signature against the roster and compares every column. Fault::damaged, Fault::denied.
base::Result<AccessStatement> verified_access(const Vault& vault, const AccessRow& row);
// The work of verified_access() on a statement of nobody's: for each access that an account lacks, so that what a
// log-in costs does not tell how many it has.
base::Result<void> verify_in_vain(const Vault& vault);

// One item of an access: a header for the access's key, and the entry that its folder shows; both sealed, base64.
struct SealedItem {
  std::string header;
  std::string entry;
};
struct ItemToSeal {
  std::string_view recording;
  const base::SecretBytes& recording_secret;
  const base::SecretBytes& file_key;
  base::ByteView entry;  // printed FolderEntry
};
base::Result<SealedItem> seal_item(const AccessStatement& access, const base::SecretBytes& access_secret,
                                   const ItemToSeal& item);

// The age file inside a sealed entry: only the access's password opens it further.
base::Result<base::Bytes> open_entry(std::string_view access, const base::SecretBytes& access_secret,
                                     const std::string& sealed);

// "203.0.113.0/24" or "2001:db8:1:2::/64" of an address as inet_ntop writes it; other text stays as it is.
std::string network_of(const std::string& address);

}  // namespace vault
