// Admission: who may connect now. Counts connections by address and how often each address comes. Pure: times are
// milliseconds of base::monotonic_ms() and come from the caller.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "sftp/listener.h"

namespace sftp {

class Admission {
 public:
  using Id = std::int64_t;  // of a connection: the session's process
  explicit Admission(const ListenerSettings& settings) : settings_(settings) {}

  // Spends one of the address's arrivals, also when it is refused.
  struct Verdict {
    bool admitted;
    std::optional<Id> give_way{};  // this unauthenticated connection must be ended first
  };
  Verdict arrive(const std::string& address, std::int64_t now_ms);

  void change(const ListenerSettings& settings) { settings_ = settings; }  // for who comes from now on
  void opened(Id id, std::string address);
  void logged_in(Id id);
  void closed(Id id);
  std::size_t count() const { return connections_.size(); }

 private:
  struct Connection {
    std::string address;
    bool logged_in = false;
    std::uint64_t order;
  };
  struct Bucket {
    double tokens;
    std::int64_t at_ms;
  };
  bool spend(const std::string& address, std::int64_t now_ms);
  void drop_full_buckets(std::int64_t now_ms);
  double refilled(const Bucket& bucket, std::int64_t now_ms) const;

  ListenerSettings settings_;
  std::map<Id, Connection> connections_;
  std::map<std::string, Bucket> buckets_;
  std::uint64_t next_ = 0;
};

}  // namespace sftp
