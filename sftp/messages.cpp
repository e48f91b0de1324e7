#include "sftp/messages.h"

#include <algorithm>
#include <concepts>
#include <type_traits>
#include <utility>

namespace sftp {

// A packet is one type byte and the message's fields. The type is the message's place in its variant, behind the first
// type of the variant. fields() names the fields of a message in their order, once for writing and reading.

namespace {

constexpr std::uint8_t kFirstAsk = 1;
constexpr std::uint8_t kFirstSay = 101;

constexpr std::size_t kMaxAccount = 64;
constexpr std::size_t kMaxId = 64;
constexpr std::size_t kMaxKind = 16;
constexpr std::size_t kMaxSmall = 256;  // salts, commitments, sealed challenges
constexpr std::size_t kMaxHeader = 4096;
constexpr std::size_t kMaxSealedEntry = 4096;
constexpr std::size_t kMaxCheckpoint = 8192;
constexpr std::size_t kMaxKey = 2112;         // vault/ssh_key.h
constexpr std::size_t kMaxUploadPath = 4096;  // sftp/wire.h
constexpr std::uint8_t kNoneOpened = 255;

class Writer {
 public:
  explicit Writer(base::Bytes& out) : out_(out) {}
  void flag(bool v) { base::put_u8(out_, v ? 1 : 0); }
  void which(std::uint8_t v) { base::put_u8(out_, v); }
  void refusal(Refusal v) { base::put_u8(out_, static_cast<std::uint8_t>(v)); }
  void number(std::uint32_t v) { base::put_u32(out_, v); }
  void number(std::uint64_t v) { base::put_u64(out_, v); }
  void time(std::int64_t v) { base::put_u64(out_, static_cast<std::uint64_t>(v)); }
  void raw(base::ByteView v) { base::put_raw(out_, v); }
  void bytes(base::ByteView v, std::size_t) { base::put_string(out_, v); }
  void text(std::string_view v, std::size_t) { base::put_string(out_, v); }
  template <class List>
  void list(List& items) {
    base::put_u32(out_, static_cast<std::uint32_t>(items.size()));
    for (auto& item : items) fields(*this, item);
  }

 private:
  base::Bytes& out_;
};

// Every value has one encoding. After the first bad field done() is false for good.
class Taker {
 public:
  explicit Taker(base::ByteView in) : in_(in) {}
  bool done() const { return good_ && in_.done(); }
  void flag(bool& v) {
    const auto got = in_.u8();
    good_ = good_ && got && *got <= 1;
    v = got && *got == 1;
  }
  void which(std::uint8_t& v) {
    take(v, in_.u8());
    good_ = good_ && (v < kChallenges || v == kNoneOpened);
  }
  void refusal(Refusal& v) {
    std::uint8_t got = 0;
    take(got, in_.u8());
    good_ =
        good_ && got >= static_cast<std::uint8_t>(Refusal::wrong) && got <= static_cast<std::uint8_t>(Refusal::failed);
    if (good_) v = static_cast<Refusal>(got);
  }
  void number(std::uint32_t& v) { take(v, in_.u32()); }
  void number(std::uint64_t& v) { take(v, in_.u64()); }
  void time(std::int64_t& v) {
    std::uint64_t got = 0;
    take(got, in_.u64());
    v = static_cast<std::int64_t>(got);
  }
  void raw(std::span<std::byte> v) {
    if (const auto got = in_.raw(v.size())) std::ranges::copy(*got, v.begin());
  }
  void bytes(base::Bytes& v, std::size_t max) {
    if (const auto got = in_.string(max)) v.assign(got->begin(), got->end());
  }
  void text(std::string& v, std::size_t max) { take(v, in_.text(max)); }
  template <class List>
  void list(List& items) {  // grows with the bytes that are there, not with the count
    std::uint32_t count = 0;
    take(count, in_.u32());
    for (std::uint32_t i = 0; i < count && in_.left() > 0; ++i) fields(*this, items.emplace_back());
    good_ = good_ && items.size() == count;
  }

 private:
  template <class T>
  void take(T& v, std::optional<T> got) {
    if (got) v = *std::move(got);
  }

  base::Reader in_;
  bool good_ = true;
};

template <class T, class Message>
concept Is = std::same_as<std::remove_const_t<T>, Message>;

void fields(auto& io, Is<ask::Login> auto& m) { io.text(m.account, kMaxAccount); }
void fields(auto& io, Is<ask::Answer> auto& m) {
  io.which(m.which);
  io.raw(m.proof);
}
void fields(auto& io, Is<ask::List> auto& m) { io.number(m.from); }
void fields(auto& io, Is<ask::Open> auto& m) { io.number(m.item); }
void fields(auto& io, Is<ask::Book> auto& m) {
  io.number(m.handle);
  io.number(m.offset);
  io.number(m.length);
  io.flag(m.eof);
  io.flag(m.arrived);
}
void fields(auto& io, Is<ask::Close> auto& m) {
  io.number(m.handle);
  io.flag(m.served);
}
void fields(auto& io, Is<ask::Remove> auto& m) { io.number(m.item); }
void fields(auto& io, Is<ask::End> auto& m) { io.flag(m.orderly); }
void fields(auto& io, Is<ask::Key> auto& m) {
  io.text(m.account, kMaxAccount);
  io.bytes(m.key, kMaxKey);
  io.flag(m.proved);
}
void fields(auto&, Is<ask::Upload> auto&) {}
void fields(auto& io, Is<ask::Append> auto& m) {
  io.number(m.upload);
  io.bytes(m.data, kMaxAppend);
}
void fields(auto& io, Is<ask::Hold> auto& m) {
  io.number(m.upload);
  io.text(m.path, kMaxUploadPath);
}
void fields(auto& io, Is<ask::Drop> auto& m) { io.number(m.upload); }
void fields(auto& io, Is<ask::Move> auto& m) {
  io.text(m.from, kMaxUploadPath);
  io.text(m.to, kMaxUploadPath);
}
void fields(auto& io, Is<ask::Forget> auto& m) { io.text(m.path, kMaxUploadPath); }
void fields(auto& io, Is<ask::Look> auto& m) { io.text(m.path, kMaxUploadPath); }

void fields(auto& io, Is<say::Terms> auto& m) {
  io.text(m.id, kMaxId);
  io.text(m.kind, kMaxKind);
  io.time(m.not_before);
  io.time(m.expires);
  io.bytes(m.salt, kMaxSmall);
  io.bytes(m.sealed, kMaxSmall);
}
void fields(auto& io, Is<say::Challenges> auto& m) { io.list(m.terms); }
void fields(auto& io, Is<say::Granted> auto& m) {
  io.text(m.access, kMaxId);
  io.text(m.kind, kMaxKind);
  io.number(m.items);
  io.time(m.ends);
  io.flag(m.plain_folder);
  io.text(m.checkpoint, kMaxCheckpoint);
  io.time(m.written);
}
void fields(auto& io, Is<say::Refused> auto& m) { io.refusal(m.why); }
void fields(auto& io, Is<say::Entry> auto& m) {
  io.number(m.item);
  io.flag(m.gone);
  io.bytes(m.sealed, kMaxSealedEntry);
}
void fields(auto& io, Is<say::Entries> auto& m) {
  io.number(m.total);
  io.list(m.entries);
}
void fields(auto& io, Is<say::Opened> auto& m) {
  io.number(m.handle);
  io.text(m.recording, kMaxId);
  io.bytes(m.header, kMaxHeader);
  io.bytes(m.commitment, kMaxSmall);
  io.number(m.size);
}
void fields(auto& io, Is<say::Done> auto& m) { io.flag(m.delivered); }
void fields(auto& io, Is<say::Cut> auto& m) { io.refusal(m.why); }
void fields(auto&, Is<say::Accepted> auto&) {}
void fields(auto& io, Is<say::Uploading> auto& m) { io.number(m.upload); }
void fields(auto& io, Is<say::Known> auto& m) { io.number(m.size); }

template <class Variant>
base::Bytes encode_any(std::uint8_t first, const Variant& message) {
  base::Bytes out;
  base::put_u8(out, static_cast<std::uint8_t>(first + message.index()));
  Writer io(out);
  std::visit([&](const auto& m) { fields(io, m); }, message);
  return out;
}

template <class Variant>
base::Result<Variant> decode_any(std::uint8_t first, base::ByteView packet) {
  const base::Error bad{base::Fault::damaged, "malformed message"};
  if (packet.empty() || packet.size() > kMaxMessage) return bad;
  const auto type = static_cast<std::size_t>(packet.front());
  Taker io(packet.subspan(1));
  Variant message;
  bool known = false;
  const auto read_as = [&]<std::size_t Place>() {
    if (type != first + Place) return;
    known = true;
    fields(io, message.template emplace<Place>());
  };
  [&]<std::size_t... Place>(std::index_sequence<Place...>) { (read_as.template operator()<Place>(), ...); }
  (std::make_index_sequence<std::variant_size_v<Variant>>());
  if (!known || !io.done()) return bad;
  return message;
}

}  // namespace

base::Bytes encode(const Ask& message) { return encode_any(kFirstAsk, message); }

base::Bytes encode(const Say& message) { return encode_any(kFirstSay, message); }

base::Result<Ask> decode_ask(base::ByteView packet) { return decode_any<Ask>(kFirstAsk, packet); }

base::Result<Say> decode_say(base::ByteView packet) {
  auto message = decode_any<Say>(kFirstSay, packet);
  if (!message) return message;
  const auto* challenges = std::get_if<say::Challenges>(&*message);
  if (challenges && challenges->terms.size() != kChallenges)
    return base::Error{base::Fault::damaged, "a log-in with a wrong number of challenges"};
  return message;
}

std::string_view words(Refusal refusal) {
  switch (refusal) {
    case Refusal::wrong: return "unknown account or wrong password";
    case Refusal::used: return "password already used";
    case Refusal::expired: return "password expired";
    case Refusal::not_yet: return "password not valid yet";
    case Refusal::revoked: return "access revoked";
    case Refusal::other_address: return "this download was started from another address";
    case Refusal::too_many: return "too many connections or tries, please wait";
    case Refusal::strict: return "this password allows one connection only";
    case Refusal::gone: return "already downloaded and deleted";
    case Refusal::restricted: return "processing of this recording is restricted";
    case Refusal::withdrawn: return "not held for this password any more";
    case Refusal::not_found: return "no such file";
    case Refusal::not_allowed: return "not allowed";
    case Refusal::damaged: return "the stored recording is damaged";
    case Refusal::full: return "the server has no room for this upload now";
    case Refusal::failed: return "the server could not do that";
  }
  return "refused";
}

}  // namespace sftp
