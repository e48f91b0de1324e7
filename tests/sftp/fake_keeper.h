// FakeKeeper: the keeper's side of the session protocol for tests, with a small vault of one access in a temporary
// folder. Forks a listener in front of itself and answers its sessions on a thread; notes everything that they ask.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "keys/password.h"
#include "sftp/listener.h"
#include "sftp/messages.h"
#include "tests/testkit/temp_folder.h"

namespace sftp {

class FakeKeeper {
 public:
  struct Recording {
    std::string name;
    base::Bytes plain;
    bool gone = false;
    bool restricted = false;
    base::Path object{};
    std::string id{};
    base::Bytes header{}, commitment{}, sealed_entry{};
  };

  FakeKeeper();
  ~FakeKeeper();  // ends the listener and its sessions
  FakeKeeper(const FakeKeeper&) = delete;
  FakeKeeper& operator=(const FakeKeeper&) = delete;

  // Before start().
  void add(std::string name, base::Bytes plain);
  Recording& recording(const std::string& name);
  base::Path object_path(const std::string& name) { return recording(name).object; }
  ListenerSettings settings;
  bool plain_folder = false;
  std::optional<Refusal> refuse_login;  // even the right password
  void start();

  int port() const { return port_; }
  std::string account() const { return "acme"; }
  std::string password() const { return password_text_; }
  pid_t listener() const { return listener_; }

  // What sessions did. A handle belongs to one OPEN of one recording.
  struct Handle {
    std::string name;
    std::map<std::uint64_t, std::uint64_t> booked;  // begin -> end, joined
    bool closed = false, served = false;
    std::size_t eofs = 0;     // answers EOF that were booked
    std::uint64_t sent = 0;   // bytes that were handed over
    std::uint64_t bytes = 0;  // of all bookings of what arrived
    bool covers(std::uint64_t size) const;
  };
  std::vector<Handle> handles(const std::string& name);
  std::size_t logins(bool granted);
  std::vector<std::string> addresses();
  std::vector<bool> ends();                      // `orderly` of each End that came
  std::size_t wait_for_ends(std::size_t count);  // until so many sessions have ended, 10 s at most; returns how many
  void set_gone(const std::string& name);
  void cut(Refusal why);  // all sessions that are open now

 private:
  struct Session {
    int fd;
    std::vector<base::SecretBytes> answers;
    bool logged_in = false;
    bool ended = false;
  };
  void run();
  bool serve(Session& session);
  void answer(Session& session, const Ask& asked);
  void open(Session& session, std::uint32_t item);

  testkit::TempFolder folder_;
  std::optional<keys::Password> password_;
  std::string password_text_;
  keys::AccessTerms terms_;
  std::optional<keys::Identity> identity_;
  std::vector<Recording> recordings_;
  int port_ = 0;
  pid_t listener_ = -1;
  int control_ = -1;
  std::array<int, 2> wake_{-1, -1};
  std::thread thread_;

  std::mutex mutex_;
  std::map<int, Session> sessions_;
  std::vector<Handle> handles_;
  std::vector<std::string> addresses_;
  std::vector<bool> ends_;
  std::size_t ended_sessions_ = 0, granted_ = 0, refused_ = 0;
};

}  // namespace sftp
