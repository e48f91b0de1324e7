// Vault: the door to one vault's folder, for the keeper and for the commands. Owns catalogue, slots, store and service
// key; checks at open that they belong together. One per process and thread; open it after a fork, never before.
//
// DIR: callvault.toml, trust.toml, catalog.db, objects/, slots/, recipients.note, service.key, host.key, run/.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "keys/identity.h"
#include "keys/roster.h"
#include "keys/slots.h"
#include "vault/audit.h"
#include "vault/catalog.h"
#include "vault/config.h"
#include "vault/ends.h"
#include "vault/record.h"
#include "vault/store.h"

namespace vault {

struct Parts;

class Vault {
 public:
  // The first to see a newer roster notes it: an older one is refused from then on. Faults: not_found (no vault there),
  // damaged (signatures, stores or versions that do not fit together).
  static base::Result<Vault> open(const base::Path& folder, const base::Clock& clock,
                                  base::Files& files = base::system_files());
  Vault(Vault&&) noexcept;
  Vault& operator=(Vault&&) noexcept;
  ~Vault();

  const base::Path& folder() const;
  const Config& config() const;
  const Trust& trust() const;
  const keys::Roster& roster() const;
  // Fault::busy when somebody has put in a newer one since this vault was opened: open it again. Inside a transaction
  // the answer holds until its end.
  base::Result<void> roster_is_newest();
  const base::Clock& clock() const;
  Catalog& catalog();
  keys::Slots& slots();
  Store& store();
  Audit& audit();
  Ends& ends();
  const keys::NoteSigner& service() const;
  RecordVerifier& records() const;
  base::Files& files();

  // HMAC under a key that only this vault has; recognises a source file without telling its name.
  std::string source_key(std::string_view path, std::string_view content_sha256) const;

 private:
  explicit Vault(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Somebody with a role, who unlocked an identity file.
struct Actor {
  keys::Identity identity;
  keys::RoleHolder holder;
  keys::NoteSigner signer;
};
// Fault::denied when the identity holds no role in this vault.
base::Result<Actor> recognise(Vault& vault, keys::Identity identity);

// Names of files in a vault's folder.
namespace file {
constexpr const char* kCatalog = "catalog.db";
constexpr const char* kObjects = "objects";
constexpr const char* kRoster = "recipients.note";
constexpr const char* kServiceKey = "service.key";
constexpr const char* kSourceKey = "source.key";  // only after the service key was rotated
constexpr const char* kHostKey = "host.key";
constexpr const char* kNextHostKey = "host.key.next";  // announced, not in use yet
constexpr const char* kRun = "run";
constexpr const char* kAddress = "address";         // in run/: what the running daemon listens on
constexpr const char* kDaemonLock = "daemon.lock";  // in run/
}  // namespace file

}  // namespace vault
