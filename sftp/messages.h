// Messages: what a session and the keeper say to each other over a SOCK_SEQPACKET socketpair, one message a packet.
// Pure. The keeper reads every message as hostile bytes: exact lengths, caps on every string, unknown types refused.
// A session may speak of one access only, the one whose challenge it answered; numbers of items and handles are indices
// into that access, so that another's cannot even be named.
#pragma once

#include <array>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace sftp {

constexpr std::size_t kMaxMessage = std::size_t{64} * 1024;
constexpr std::size_t kMaxAppend = kMaxMessage - 64;  // bytes of an upload in one message
constexpr std::size_t kChallenges = 8;  // always, filled up with dummies: known and unknown accounts cost the same

// Why something was refused; the session turns it into words and an SFTP status.
enum class Refusal : std::uint8_t {
  wrong = 1,  // unknown account or wrong password
  used,
  expired,
  not_yet,
  revoked,
  other_address,
  too_many,
  strict,  // at log-in, only for the right password
  gone,    // already downloaded and deleted
  restricted,
  withdrawn,
  not_found,
  not_allowed,
  damaged,
  full,  // no room for more uploads, or on the disk
  failed,
};
std::string_view words(Refusal refusal);  // for the client, English, no personal data

namespace ask {  // session -> keeper
struct Login {
  std::string account;
};  // up to 64 bytes, may be anything
struct Answer {
  std::uint8_t which;
  std::array<std::byte, 32> proof;
};  // which = 255: none of them opened
struct List {
  std::uint32_t from;
};
struct Open {
  std::uint32_t item;
};
struct Book {
  std::uint32_t handle;
  std::uint64_t offset;
  std::uint32_t length;
  bool eof;
  bool arrived;
};  // no reply: DATA goes to the channel now; or it has arrived, and behind it, with `eof`, the answer EOF
struct Close {
  std::uint32_t handle;
  bool served;  // false: what is stored does not open, or not to its end; prove nothing
};
struct Remove {
  std::uint32_t item;
};
struct End {
  bool orderly;  // the client said so, and its TCP has acknowledged everything
};               // no reply: the connection is over

// A recorder's session says these and End, and nothing else; each is answered by Accepted, Uploading or Refused.
struct Key {
  std::string account;
  base::Bytes key;
  bool proved;  // the client has signed with it: this is its log-in. Before, it asks whether the key would do
};
struct Upload {};  // begin one
struct Append {
  std::uint32_t upload;
  base::Bytes data;
};
struct Hold {
  std::uint32_t upload;
  std::string path;
};  // it is whole, and its number means nothing any more. Accepted: it is durably held, or, under a name that is not
    // finished, waits for Move; refused, it is dropped
struct Drop {
  std::uint32_t upload;
};
// Of all connections of this recorder: some clients upload on one and rename or look on another.
struct Move {
  std::string from, to;
};  // as Hold, of one that waits under `from`
struct Forget {
  std::string path;
};  // one that waits is dropped
struct Look {
  std::string path;
};  // Known: it waits, or was held lately
}  // namespace ask
using Ask = std::variant<ask::Login, ask::Answer, ask::List, ask::Open, ask::Book, ask::Close, ask::Remove, ask::End,
                         ask::Key, ask::Upload, ask::Append, ask::Hold, ask::Drop, ask::Move, ask::Forget, ask::Look>;

namespace say {  // keeper -> session
struct Terms {
  std::string id, kind;
  std::int64_t not_before, expires;
  base::Bytes salt;
  base::Bytes sealed;
};
struct Challenges {
  std::vector<Terms> terms;
};  // kChallenges of them
struct Granted {
  std::string access, kind;
  std::uint32_t items;
  std::int64_t ends;
  bool plain_folder;
  std::string checkpoint;  // of the audit log, when `written`: for the notices
  std::int64_t written;
};
struct Refused {
  Refusal why;
};
struct Entry {
  std::uint32_t item;
  bool gone;
  base::Bytes sealed;
};  // sealed: an age file for the access's key; empty: it does not show
struct Entries {
  std::uint32_t total;
  std::vector<Entry> entries;
};  // a page; the next one starts behind the last
struct Opened {
  std::uint32_t handle;
  std::string recording;
  base::Bytes header;
  base::Bytes commitment;
  std::uint64_t size;
};  // + descriptor
struct Done {
  bool delivered;
};
struct Cut {
  Refusal why;
};  // unasked: end the connection
struct Accepted {};
struct Uploading {
  std::uint32_t upload;
};
struct Known {
  std::uint64_t size;
};
}  // namespace say
using Say = std::variant<say::Challenges, say::Granted, say::Refused, say::Entries, say::Opened, say::Done, say::Cut,
                         say::Accepted, say::Uploading, say::Known>;

base::Bytes encode(const Ask& message);
base::Bytes encode(const Say& message);
base::Result<Ask> decode_ask(base::ByteView packet);  // Fault::damaged
base::Result<Say> decode_say(base::ByteView packet);  // Fault::damaged

}  // namespace sftp
