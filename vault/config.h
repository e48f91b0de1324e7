// Config: callvault.toml (every duration and limit has its key there) and trust.toml (whose signatures count).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "keys/note.h"

namespace vault {

struct Config {
  std::string vault_id;                // random, names the audit log's origin
  std::string operator_name;           // who runs this vault
  std::string region;                  // where its data may lie
  std::string zone = "Europe/London";  // IANA name: local times in recorders' file names, dates given by people

  std::string public_host;  // what letters and --json say; empty: the address the daemon listens on
  int public_port = 0;

  base::Path slots_dir;  // absolute; default DIR/slots
  std::optional<base::Path> slots_mirror;

  base::Seconds ingest_quiet = 5;          // files changed within are left for later
  base::Seconds ingest_quiet_unsure = 60;  // the same, where nobody can tell whether a file is still open for writing
  base::Seconds ingest_side_file = 60;     // watch: so long a voicemail waits for its side file
  base::Seconds ingest_rescan = 60;        // watch: so often everything is looked at, whatever the kernel told

  int drop_uploads = 64;         // files that one recorder's connection uploads at once
  int drop_uploads_total = 128;  // and all of them
  int drop_largest_mib = 4096;   // one file
  int drop_free_mib = 256;       // room that uploads leave on the disk
  int drop_connections = 8;      // of one recorder at once

  base::Seconds delivery_expires = 7 * 86400;
  int collect_most = 10'000;  // recordings in one collecting delivery; more go into the next
  base::Seconds standing_expires = 365 * 86400;
  base::Seconds grant_expires = 7 * 86400;
  base::Seconds claim_idle_after_all = 60;  // all delivered and nothing happens: the claim ends
  base::Seconds claim_unconnected = 12 * 3600;
  base::Seconds claim_longest = 24 * 3600;
  base::Seconds claim_settle = 30;         // rule C: no new OPEN for this long
  base::Seconds claim_without_close = 60;  // rule B: the same, when a connection ended in order without CLOSE
  int claim_connections = 8;

  base::Seconds login_grace = 30;
  int login_tries = 6;
  base::Seconds login_failure = 1;  // a wrong password takes at least this long
  int unauthenticated_total = 20;
  int unauthenticated_per_address = 10;
  int connections_per_minute = 60;
  int connections_burst = 20;
  int connections_total = 200;
  base::Seconds connection_idle = 600;
  std::string session_user;  // of listener and sessions when callvaultd starts as root; empty: callvault-session
};

// Unknown keys, wrong types and values out of range are refused by name: a typing error must not become a default.
base::Result<Config> read_config(const base::Path& vault_folder);
base::Result<void> write_config(const base::Path& vault_folder, const Config& config, base::Files& files);

struct Trust {
  std::vector<keys::NoteVerifier> it_manager;  // may sign the roster
  std::vector<keys::NoteVerifier> recovery;    // may name a new IT Manager
  std::vector<keys::NoteVerifier> service;     // ingest records, checkpoints, certificates; the newest first
};
base::Result<Trust> read_trust(const base::Path& vault_folder);
base::Result<void> write_trust(const base::Path& vault_folder, const Trust& trust, base::Files& files);

}  // namespace vault
