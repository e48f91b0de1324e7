#include "sftp/wire.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <limits>

namespace sftp {

namespace {

constexpr std::uint32_t kVersion = 3;
constexpr std::string_view kLimits = "limits@openssh.com";
constexpr std::size_t kMaxText = 256;   // of a status
constexpr std::size_t kMaxShown = 255;  // of a name in a long name
constexpr std::size_t kLengthField = 4;

namespace attribute_flag {
constexpr std::uint32_t kSize = 1, kOwner = 2, kPermissions = 4, kTimes = 8, kExtended = 0x80000000;
constexpr std::uint32_t kAll = kSize | kOwner | kPermissions | kTimes | kExtended;
}  // namespace attribute_flag

base::Error bad(const char* what) { return {base::Fault::damaged, what}; }

}  // namespace

// What was taken is dropped only once it is the larger part, so that each byte is moved less than once on average.
void PacketCutter::add(base::ByteView bytes) {
  if (at_ > buffered()) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
  }
  base::put_raw(buffer_, bytes);
}

base::Result<std::optional<base::ByteView>> PacketCutter::next() {
  base::Reader in(base::ByteView(buffer_).subspan(at_));
  const auto size = in.u32();
  if (!size) return std::optional<base::ByteView>();
  if (*size == 0 || *size > kMaxPacket) return bad("a packet of no allowed length");
  const auto packet = in.raw(*size);
  if (packet) at_ += kLengthField + *size;
  return packet;
}

base::Result<Request> parse_request(base::ByteView packet) {
  base::Reader in(packet);
  const auto type = in.u8();
  const auto id = in.u32();
  if (!type || !id) return bad("a request without type and id");
  return Request{static_cast<Packet>(*type), *id, *in.raw(in.left())};
}

namespace {

std::optional<Attributes> take_attributes(base::Reader& in) {
  const auto flags = in.u32();
  if (!flags || (*flags & ~attribute_flag::kAll) != 0) return std::nullopt;
  const auto has = [&](std::uint32_t flag) { return (*flags & flag) != 0; };
  Attributes out;
  bool whole = true;
  const auto take = [&](auto& field, auto value) {
    field = value;
    whole = whole && value.has_value();
  };
  if (has(attribute_flag::kSize)) take(out.size, in.u64());
  if (has(attribute_flag::kOwner)) take(out.uid, in.u32()), take(out.gid, in.u32());
  if (has(attribute_flag::kPermissions)) take(out.permissions, in.u32());
  if (has(attribute_flag::kTimes)) take(out.atime, in.u32()), take(out.mtime, in.u32());
  if (has(attribute_flag::kExtended)) {  // pairs of strings, not looked at; the first missing one ends the loop
    const auto pairs = in.u32();
    whole = whole && pairs;
    for (std::uint32_t i = 0; whole && i < *pairs; ++i) whole = in.string(kMaxPacket) && in.string(kMaxPacket);
  }
  if (!whole) return std::nullopt;
  return out;
}

}  // namespace

base::Result<OpenRequest> parse_open(base::ByteView body) {
  base::Reader in(body);
  const auto path = in.text(kMaxPath);
  const auto flags = in.u32();
  const auto attributes = take_attributes(in);
  if (!path || !flags || !attributes || !in.done()) return bad("malformed OPEN");
  return OpenRequest{*path, *flags, *attributes};
}

base::Result<ReadRequest> parse_read(base::ByteView body) {
  base::Reader in(body);
  const auto handle = in.string(kMaxHandle);
  const auto offset = in.u64();
  const auto length = in.u32();
  if (!handle || !offset || !length || !in.done()) return bad("malformed READ");
  return ReadRequest{*handle, *offset, *length};
}

base::Result<WriteRequest> parse_write(base::ByteView body) {
  base::Reader in(body);
  const auto handle = in.string(kMaxHandle);
  const auto offset = in.u64();
  const auto data = in.string(kMaxWrite);
  if (!handle || !offset || !data) return bad("malformed WRITE");
  return WriteRequest{*handle, *offset, *data};
}

base::Result<std::string> parse_path(base::ByteView body) {
  base::Reader in(body);
  const auto path = in.text(kMaxPath);
  if (!path || !in.done()) return bad("malformed path");
  return *path;
}

base::Result<base::ByteView> parse_handle(base::ByteView body) {
  base::Reader in(body);
  const auto handle = in.string(kMaxHandle);
  if (!handle || !in.done()) return bad("malformed handle");
  return *handle;
}

base::Result<TwoPaths> parse_two_paths(base::ByteView body) {
  base::Reader in(body);
  const auto first = in.text(kMaxPath);
  const auto second = in.text(kMaxPath);
  if (!first || !second || !in.done()) return bad("malformed pair of paths");
  return TwoPaths{*first, *second};
}

base::Result<PathAttributes> parse_path_attributes(base::ByteView body) {
  base::Reader in(body);
  const auto path = in.text(kMaxPath);
  const auto attributes = take_attributes(in);
  if (!path || !attributes || !in.done()) return bad("malformed path and attributes");
  return PathAttributes{*path, *attributes};
}

base::Result<std::string> parse_extended_name(base::ByteView body) {
  const auto name = base::Reader(body).text(kMaxText);
  if (!name) return bad("malformed extended request");
  return *name;
}

base::Result<TwoPaths> parse_extended_two_paths(base::ByteView body) {
  base::Reader in(body);
  (void)in.text(kMaxText);
  return parse_two_paths(in.raw(in.left()).value_or(base::ByteView()));
}

namespace {

// One packet: the length field is filled in when it goes out of scope.
class Frame {
 public:
  Frame(base::Bytes& out, Packet type, std::uint32_t id) : out_(out), start_(out.size()) {
    base::put_u32(out, 0);
    base::put_u8(out, static_cast<std::uint8_t>(type));
    base::put_u32(out, id);
  }
  ~Frame() {
    base::Bytes length;
    base::put_u32(length, static_cast<std::uint32_t>(out_.size() - start_ - kLengthField));
    std::copy(length.begin(), length.end(), out_.begin() + static_cast<std::ptrdiff_t>(start_));
  }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

 private:
  base::Bytes& out_;
  std::size_t start_;
};

void put_fields(base::Bytes& out, const Attributes& attributes) {
  const bool owner = attributes.uid || attributes.gid;
  const bool times = attributes.atime || attributes.mtime;
  base::put_u32(out, (attributes.size ? attribute_flag::kSize : 0) | (owner ? attribute_flag::kOwner : 0) |
                         (attributes.permissions ? attribute_flag::kPermissions : 0) |
                         (times ? attribute_flag::kTimes : 0));
  if (attributes.size) base::put_u64(out, *attributes.size);
  if (owner) base::put_u32(out, attributes.uid.value_or(0)), base::put_u32(out, attributes.gid.value_or(0));
  if (attributes.permissions) base::put_u32(out, *attributes.permissions);
  if (times) base::put_u32(out, attributes.atime.value_or(0)), base::put_u32(out, attributes.mtime.value_or(0));
}

}  // namespace

void put_version(base::Bytes& out) {
  const Frame frame(out, Packet::version, kVersion);
  base::put_string(out, kLimits);
  base::put_string(out, "1");
}

void put_status(base::Bytes& out, std::uint32_t id, Status status, std::string_view text) {
  const Frame frame(out, Packet::status, id);
  base::put_u32(out, static_cast<std::uint32_t>(status));
  base::put_string(out, text.substr(0, kMaxText));
  base::put_string(out, "en");
}

void put_handle(base::Bytes& out, std::uint32_t id, base::ByteView handle) {
  const Frame frame(out, Packet::handle, id);
  base::put_string(out, handle);
}

void put_attributes(base::Bytes& out, std::uint32_t id, const Attributes& attributes) {
  const Frame frame(out, Packet::attrs, id);
  put_fields(out, attributes);
}

void put_names(base::Bytes& out, std::uint32_t id, const std::vector<NameEntry>& entries) {
  const Frame frame(out, Packet::name, id);
  base::put_u32(out, static_cast<std::uint32_t>(entries.size()));
  for (const NameEntry& entry : entries) {
    base::put_string(out, entry.name);
    base::put_string(out, entry.long_name);
    put_fields(out, entry.attributes);
  }
}

void put_limits(base::Bytes& out, std::uint32_t id) {
  const Frame frame(out, Packet::extended_reply, id);
  for (const std::uint32_t limit : {kMaxPacket, kMaxRead, kMaxWrite, kMaxHandles}) base::put_u64(out, limit);
}

void put_data_head(base::Bytes& out, std::uint32_t id, std::uint32_t length) {
  base::put_u32(out, 1 + 4 + 4 + length);
  base::put_u8(out, static_cast<std::uint8_t>(Packet::data));
  base::put_u32(out, id);
  base::put_u32(out, length);
}

std::string long_name(std::string_view name, bool folder, std::uint64_t size, std::int64_t mtime) {
  constexpr std::array months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};  // whatever the locale says
  const std::time_t shown = std::clamp<std::int64_t>(mtime, 0, std::numeric_limits<std::uint32_t>::max());
  std::tm date{};
  gmtime_r(&shown, &date);
  std::array<char, 128> head{};
  std::snprintf(head.data(), head.size(), "%s    1 0        0        %12llu %s %2d  %d ",
                folder ? "dr-x------" : "-r--------", static_cast<unsigned long long>(size),
                months[static_cast<std::size_t>(date.tm_mon)], date.tm_mday, date.tm_year + 1900);
  return head.data() + std::string(name.substr(0, kMaxShown));
}

}  // namespace sftp
