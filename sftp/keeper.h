// Keeper: the one process of the daemon that opens catalogue, objects, key-slot store and service key. One event loop;
// it owns claims, timers and commits. What sessions send is hostile: a message out of order or out of form ends that
// session.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/service_manager.h"
#include "sftp/keeper_claim.h"
#include "sftp/listener.h"
#include "vault/claim.h"
#include "vault/upload.h"

namespace sftp {

// What the vault's configuration says of the listener and its sessions.
ListenerSettings listener_settings(const base::Path& folder, const vault::Config& config);

class Keeper {
 public:
  // `listener`: the socket on which the listener hands over its sessions. `stop`: readable when the daemon shall end;
  // `reload`: a signalfd, readable when it shall read its settings again.
  Keeper(vault::Vault vault, base::Fd listener, base::Fd stop, base::Fd reload = {}, base::ServiceManager manager = {});

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
    std::uint32_t next_file = 1;                 // 1: it has not opened any
    int keys = 0;                                // offered
    bool refused = false;                        // its last log-in was, and it has not tried again
    std::optional<vault::RecorderRow> recorder;  // after a log-in with a key, instead of a claim
    std::map<std::uint32_t, vault::Upload> uploads;
    std::uint32_t next_upload = 0;
    std::set<std::uint32_t> noted;  // items whose reading by it the audit log names
    bool over = false;
  };

  // What a recorder's connections share, as long as it has any.
  struct Brought {
    std::map<std::string, vault::Upload> waiting;  // whole, under names that are not finished
    std::map<std::string, std::uint64_t> sizes;    // of those, and of what was held lately
    std::deque<std::string> held;                  // the oldest first
  };

  void accept_session();
  void serve(Session& session);
  void answer(Session& session, const Ask& request);
  void login(Session& session, const ask::Login& request);
  void check_answer(Session& session, const ask::Answer& request);
  std::variant<KeeperClaim*, Refusal> admit(const vault::Candidate& candidate, const std::string& address);
  void key(Session& session, const ask::Key& request);
  void answer_recorder(Session& session, const Ask& request);
  void begin_upload(Session& session);
  void answer_name(Session& session, const Ask& request);
  void finish_upload(Session& session, vault::Upload upload, const std::string& path);
  void forget_recorder(const std::string& name);
  void open_file(Session& session, std::uint32_t item);
  base::Result<void> note_reading(Session& session, std::uint32_t item, const std::string& recording);
  void close_file(Session& session, const ask::Close& request);
  void note_break(const Session& session);
  bool has_company(const Session& session) const;
  void failed_login(const std::string& address);
  void refused_login(const std::string& address, const vault::AccessRow& row, Refusal why);
  bool noted_lately(const std::string& what);  // within a minute; from now on it was
  void note_damage(const Session& session, std::uint32_t item);
  void say(Session& session, const Say& message, const base::Fd* object = nullptr);
  void store_coverage(KeeperClaim& claim);
  base::Result<void> saw(const std::function<bool(const KeeperClaim&)>& which);  // its client is there
  void cut(KeeperClaim& claim, Refusal why);
  void cut_recorders();  // those that may not any more
  void end_session(Session& session, bool orderly = false);

  void commit();  // delivered items: mark, destroy keys, delete; changed coverage
  void tick();    // clocks, and what other processes changed
  void reload();
  base::Result<void> open_anew();
  bool follow_roles();  // true: roles were changed, and the vault was opened anew for them
  std::optional<base::FileInfo> trust_file() const;
  void follow_trust();  // the same for trust.toml: a service key was rotated
  int wait_ms() const;
  bool delivered_pending() const;

  vault::Vault vault_;
  base::Fd listener_;
  base::Fd stop_;
  base::Fd reload_;
  base::ServiceManager manager_;
  std::list<Session> sessions_;
  std::map<std::string, KeeperClaim> claims_;
  std::map<std::string, Brought> brought_;       // by the recorder's name
  std::map<std::string, base::Seconds> failed_;  // network, with the access if it was its password -> last audit entry
  std::map<std::string, std::int64_t> broke_;    // network -> when a connection broke last before its log-in
  std::int64_t pending_since_ms_ = 0;            // 0: nothing waits for a commit
  std::int64_t retry_ms_ = 0;                    // not before, after a failed commit
  std::int64_t next_tick_ms_ = 0;
  std::int64_t follow_ms_ = 0;           // not before, after the vault did not open
  std::int64_t seen_ms_ = 0;             // when the catalogue was last told who is connected
  std::optional<base::FileInfo> trust_;  // trust.toml, as this vault was opened with it
  long long seen_version_ = -1;
  bool erased_here_ = false;    // since the last tick: grants may hold what is gone now
  bool log_pending_ = false;    // deleted rows are still in the write-ahead log
  bool erase_pending_ = false;  // ended accesses whose secret must go
};

}  // namespace sftp
