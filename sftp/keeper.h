// Keeper: the one process of the daemon that opens catalogue, objects, key-slot store and service key. One event loop;
// it owns claims, timers and commits. What sessions send is hostile: a message out of order or out of form ends that
// session.
#pragma once

#include <list>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sftp/keeper_claim.h"
#include "sftp/listener.h"
#include "sftp/service_manager.h"
#include "vault/claim.h"

namespace sftp {

// What the vault's configuration says of the listener and its sessions.
ListenerSettings listener_settings(const base::Path& folder, const vault::Config& config);

class Keeper {
 public:
  // `listener`: the socket on which the listener hands over its sessions. `stop`: readable when the daemon shall end;
  // `reload`: a signalfd, readable when it shall read its settings again.
  Keeper(vault::Vault vault, base::Fd listener, base::Fd stop, base::Fd reload = {}, ServiceManager manager = {});

  // Finishes what a crash left; before the first client.
  base::Result<void> start();
  // Serves until `stop`, or until the listener is gone. Returns the process's exit code.
  int run();

 private:
  struct Session {
    base::Fd socket;
    std::string address;
    std::int64_t began_ms = 0;
    int logins = 0;                            // begun
    std::vector<vault::Candidate> candidates;  // while a challenge is open
    std::vector<base::SecretBytes> answers;    // kChallenges of them, in the same order
    KeeperClaim* claim = nullptr;              // after the log-in
    struct OpenFile {
      std::uint32_t item;
      vault::Coverage::Handle handle;
    };
    std::map<std::uint32_t, OpenFile> files;
    std::uint32_t next_file = 1;    // 1: it has not opened any
    std::set<std::uint32_t> noted;  // items whose reading by it the audit log names
    bool over = false;
  };

  void accept_session();
  void serve(Session& session);
  void answer(Session& session, const Ask& request);
  void login(Session& session, const ask::Login& request);
  void check_answer(Session& session, const ask::Answer& request);
  std::variant<KeeperClaim*, Refusal> admit(const vault::Candidate& candidate, const std::string& address);
  void open_file(Session& session, std::uint32_t item);
  base::Result<void> note_reading(Session& session, std::uint32_t item, const std::string& recording);
  void close_file(Session& session, const ask::Close& request);
  bool has_company(const Session& session) const;
  void failed_login(const std::string& address);
  void say(Session& session, const Say& message, const base::Fd* object = nullptr);
  void store_coverage(KeeperClaim& claim);
  void cut(KeeperClaim& claim, Refusal why);
  void end_session(Session& session, bool orderly = false);

  void commit();  // delivered items: mark, destroy keys, delete; changed coverage
  void tick();    // clocks, and what other processes changed
  void reload();
  int wait_ms() const;
  bool delivered_pending() const;

  vault::Vault vault_;
  base::Fd listener_;
  base::Fd stop_;
  base::Fd reload_;
  ServiceManager manager_;
  std::list<Session> sessions_;
  std::map<std::string, KeeperClaim> claims_;
  std::map<std::string, base::Seconds> failed_;  // network -> time of the last audit entry on its failures
  std::int64_t pending_since_ms_ = 0;            // 0: nothing waits for a commit
  std::int64_t retry_ms_ = 0;                    // not before, after a failed commit
  std::int64_t next_tick_ms_ = 0;
  long long seen_version_ = -1;
  bool erased_here_ = false;    // since the last tick: grants may hold what is gone now
  bool log_pending_ = false;    // deleted rows are still in the write-ahead log
  bool erase_pending_ = false;  // ended accesses whose secret must go
};

}  // namespace sftp
