#include "vault/schema.h"

namespace vault {

// Clear columns are only what policy needs without a key. Sealed and signed values are base64 or text, so that a second
// database engine can hold the same rows. Times are seconds since 1970.
const std::vector<std::vector<std::string>>& migrations() {
  static const std::vector<std::vector<std::string>> all{
      {
          "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",

          "CREATE TABLE customer (id TEXT PRIMARY KEY, state TEXT NOT NULL CHECK (state IN ('open', 'closed')),"
          " created_at INTEGER NOT NULL, linger INTEGER NOT NULL DEFAULT 0, plain_folder INTEGER NOT NULL DEFAULT 0,"
          " name TEXT NOT NULL, statement TEXT NOT NULL) STRICT",

          "CREATE TABLE recording (id TEXT PRIMARY KEY, class TEXT NOT NULL CHECK (class IN ('own', 'customer')),"
          " customer TEXT REFERENCES customer (id), category TEXT NOT NULL, call_time INTEGER NOT NULL,"
          " size INTEGER NOT NULL, slot INTEGER NOT NULL UNIQUE,"
          " state TEXT NOT NULL CHECK (state IN ('writing', 'sealed', 'erasing', 'erased')),"
          " quarantine TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', received_at INTEGER NOT NULL,"
          " ended_at INTEGER NOT NULL DEFAULT 0, due_at INTEGER NOT NULL DEFAULT 0, source_key TEXT,"
          " record TEXT NOT NULL DEFAULT '', level INTEGER NOT NULL DEFAULT 0, generation INTEGER NOT NULL DEFAULT 0,"
          " CHECK ((class = 'customer') = (customer IS NOT NULL))) STRICT",
          "CREATE INDEX recording_by_state ON recording (state, call_time)",
          "CREATE INDEX recording_by_customer ON recording (customer, state, call_time)",
          "CREATE UNIQUE INDEX recording_by_source ON recording (source_key) WHERE source_key IS NOT NULL",

          // A row per recipient: the header, sealed under erase secrets (keys/sealed_header.h).
          "CREATE TABLE header (recording TEXT NOT NULL REFERENCES recording (id), recipient TEXT NOT NULL,"
          " sealed TEXT NOT NULL, PRIMARY KEY (recording, recipient)) STRICT, WITHOUT ROWID",
          "CREATE INDEX header_by_recipient ON header (recipient)",
          "CREATE TABLE metadata (recording TEXT PRIMARY KEY REFERENCES recording (id), version INTEGER NOT NULL,"
          " payload TEXT NOT NULL) STRICT, WITHOUT ROWID",

          "CREATE TABLE access (id TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('delivery', 'grant', "
          "'standing')),"
          " account TEXT NOT NULL, customer TEXT REFERENCES customer (id),"
          " state TEXT NOT NULL CHECK (state IN ('open', 'claimed', 'finished', 'expired', 'revoked')),"
          " not_before INTEGER NOT NULL, expires INTEGER NOT NULL, slot INTEGER NOT NULL UNIQUE,"
          " strict INTEGER NOT NULL, any_address INTEGER NOT NULL, statement TEXT NOT NULL, created_at INTEGER NOT "
          "NULL,"
          " attempt TEXT NOT NULL DEFAULT '', claimed_at INTEGER NOT NULL DEFAULT 0, seen_at INTEGER NOT NULL DEFAULT "
          "0,"
          " network TEXT NOT NULL DEFAULT '', ended_at INTEGER NOT NULL DEFAULT 0,"
          " secret_gone INTEGER NOT NULL DEFAULT 0) STRICT",
          "CREATE INDEX access_by_account ON access (account, state, created_at)",
          "CREATE INDEX access_by_state ON access (state)",
          "CREATE INDEX access_to_erase ON access (id) WHERE secret_gone = 0 AND state IN ('finished', 'expired', "
          "'revoked')",

          "CREATE TABLE item (access TEXT NOT NULL REFERENCES access (id), position INTEGER NOT NULL,"
          " recording TEXT NOT NULL REFERENCES recording (id), exclusive INTEGER NOT NULL,"
          " state TEXT NOT NULL CHECK (state IN ('offered', 'delivered', 'withdrawn')),"
          " entry TEXT NOT NULL, coverage TEXT NOT NULL DEFAULT '', sent INTEGER NOT NULL DEFAULT 0,"
          " delivered_at INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (access, position)) STRICT, WITHOUT ROWID",
          "CREATE INDEX item_by_recording ON item (recording)",
          // A recording is in at most one delivery that is open or claimed.
          "CREATE UNIQUE INDEX item_once ON item (recording) WHERE exclusive = 1 AND state = 'offered'",

          "CREATE TABLE audit (seq INTEGER PRIMARY KEY, leaf TEXT NOT NULL, details TEXT NOT NULL) STRICT",
          "CREATE TABLE audit_month (month TEXT PRIMARY KEY, slot INTEGER NOT NULL UNIQUE) STRICT",
      },
      {
          // Of a recording that is erasing: not before, since its customer may open it again until then (linger).
          "ALTER TABLE recording ADD COLUMN linger_until INTEGER NOT NULL DEFAULT 0",
      },
      {
          // Opening and release under a signed statement each. A closed one stays: it says who let the recording go.
          "CREATE TABLE restriction (id TEXT PRIMARY KEY, recording TEXT NOT NULL REFERENCES recording (id),"
          " opened_at INTEGER NOT NULL, closed_at INTEGER NOT NULL DEFAULT 0, opening TEXT NOT NULL,"
          " release TEXT NOT NULL DEFAULT '') STRICT",
          "CREATE INDEX restriction_by_recording ON restriction (recording)",
          "CREATE UNIQUE INDEX restriction_once ON restriction (recording) WHERE closed_at = 0",
      },
      {
          // Slots that recordings lay in before they were moved, until their erase secrets are destroyed. `record`: the
          // signed record of then, so that no row made by hand destroys the secret of anything else.
          "CREATE TABLE old_slot (slot INTEGER PRIMARY KEY CHECK (slot >= 0), recording TEXT NOT NULL REFERENCES "
          "recording (id),"
          " record TEXT NOT NULL) STRICT",
      },
      {
          // Who brings recordings in over SFTP. One that was removed keeps its row, and can be added again.
          "CREATE TABLE recorder (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
          " state TEXT NOT NULL CHECK (state IN ('open', 'removed')), ssh_key TEXT NOT NULL,"
          " class TEXT NOT NULL CHECK (class IN ('own', 'customer')), customer TEXT REFERENCES customer (id),"
          " category TEXT NOT NULL, created_at INTEGER NOT NULL, signed_at INTEGER NOT NULL, statement TEXT NOT NULL,"
          " CHECK ((class = 'customer') = (customer IS NOT NULL))) STRICT",
          "CREATE INDEX recorder_by_key ON recorder (ssh_key)",
      },
      {
          // What comes into an access as it is sealed: '*' for a collecting delivery, a category for a standing log-in.
          // Collecting deliveries of one account have turns.
          "ALTER TABLE access ADD COLUMN takes_in TEXT NOT NULL DEFAULT ''",
          "ALTER TABLE access ADD COLUMN turn INTEGER NOT NULL DEFAULT 0",
          "CREATE INDEX access_taking_in ON access (customer) WHERE takes_in <> '' AND state = 'open'",
      },
  };
  return all;
}

const std::vector<std::string>& connection_settings() {
  static const std::vector<std::string> all{
      "PRAGMA journal_mode = WAL",   "PRAGMA synchronous = FULL",  "PRAGMA secure_delete = ON",
      "PRAGMA foreign_keys = ON",    "PRAGMA temp_store = MEMORY", "PRAGMA trusted_schema = OFF",
      "PRAGMA cell_size_check = ON", "PRAGMA cache_size = -4096",
  };
  return all;
}

}  // namespace vault
