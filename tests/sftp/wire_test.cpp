#include "sftp/wire.h"

#include <functional>
#include <limits>

#include "tests/testkit/expect.h"

namespace sftp {
namespace {

using base::Bytes;
using base::Fault;

constexpr std::uint32_t kHuge = std::numeric_limits<std::uint32_t>::max();

// What a client sends: fields in order, then the whole framed.
class Body {
 public:
  Body& u32(std::uint32_t v) { return base::put_u32(bytes_, v), *this; }
  Body& u64(std::uint64_t v) { return base::put_u64(bytes_, v), *this; }
  Body& text(std::string_view v) { return base::put_string(bytes_, v), *this; }
  Body& raw(base::ByteView v) { return base::put_raw(bytes_, v), *this; }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

Bytes framed(base::ByteView packet) {
  Bytes out;
  base::put_string(out, packet);
  return out;
}

Bytes full_attributes() { return Body().u32(15).u64(1234).u32(5).u32(6).u32(0100644).u32(7).u32(8).bytes(); }

// The one packet that a reply is.
Bytes unframed(const Bytes& reply) {
  PacketCutter cutter;
  cutter.add(reply);
  const auto packet = testkit::must(cutter.next());
  EXPECT_TRUE(packet.has_value());
  EXPECT_EQ(cutter.buffered(), 0U);
  return packet ? Bytes(packet->begin(), packet->end()) : Bytes();
}

// ---- cutting

TEST(PacketCutter, CutsPacketsHoweverTheBytesArrive) {
  Bytes stream;
  for (const char* text : {"a", "bcd", "efghij"}) base::put_raw(stream, framed(base::as_bytes(text)));
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    PacketCutter cutter;
    std::vector<std::string> got;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      cutter.add(base::ByteView(stream).subspan(at, std::min(step, stream.size() - at)));
      for (auto packet = testkit::must(cutter.next()); packet; packet = testkit::must(cutter.next()))
        got.push_back(base::to_text(*packet));
    }
    EXPECT_EQ(got, (std::vector<std::string>{"a", "bcd", "efghij"})) << "step " << step;
    EXPECT_EQ(cutter.buffered(), 0U);
  }
}

TEST(PacketCutter, WaitsForAHalfPacket) {
  PacketCutter cutter;
  EXPECT_FALSE(testkit::must(cutter.next()).has_value());
  cutter.add(Body().u32(5).bytes());
  EXPECT_FALSE(testkit::must(cutter.next()).has_value());
  cutter.add(base::as_bytes("1234"));
  EXPECT_FALSE(testkit::must(cutter.next()).has_value());
  EXPECT_EQ(cutter.buffered(), 8U);
  cutter.add(base::as_bytes("5"));
  EXPECT_TRUE(testkit::must(cutter.next()).has_value());
}

TEST(PacketCutter, TakesTheLongestPacket) {
  PacketCutter cutter;
  cutter.add(framed(Bytes(kMaxPacket)));
  EXPECT_EQ(testkit::must(cutter.next())->size(), kMaxPacket);
}

class PacketCutterLength : public testing::TestWithParam<std::uint32_t> {};

TEST_P(PacketCutterLength, IsRefusedForGood) {
  PacketCutter cutter;
  cutter.add(Body().u32(GetParam()).text("what follows").bytes());
  EXPECT_FAULT(Fault::damaged, cutter.next());
  EXPECT_FAULT(Fault::damaged, cutter.next());
}

INSTANTIATE_TEST_SUITE_P(NotAllowed, PacketCutterLength,
                         testing::Values(0U, kMaxPacket + 1, 1U << 28, 0x80000000U, kHuge));

TEST(PacketCutter, IsNotQuadratic) {  // 1,000,000 packets in one piece, then byte by byte behind a long backlog
  Bytes stream;
  for (int i = 0; i < 1'000'000; ++i) base::put_raw(stream, Body().u32(1).bytes()), base::put_u8(stream, 1);
  PacketCutter cutter;
  cutter.add(stream);
  std::size_t packets = 0;
  for (const std::byte b : stream) {
    cutter.add(base::ByteView(&b, 1));
    if (testkit::must(cutter.next())) ++packets;
  }
  while (testkit::must(cutter.next())) ++packets;
  EXPECT_EQ(packets, 2'000'000U);
}

// ---- requests

TEST(Request, HasTypeIdAndBody) {
  const Bytes packet = base::concat({base::as_bytes("\x05"), Body().u32(77).text("x").bytes()});
  const auto request = testkit::must(parse_request(packet));
  EXPECT_EQ(request.type, Packet::read);
  EXPECT_EQ(request.id, 77U);
  EXPECT_EQ(base::to_text(request.body), base::to_text(Body().text("x").bytes()));
}

TEST(Request, OfAnUnknownTypeParses) {
  const auto request = testkit::must(parse_request(base::concat({base::as_bytes("\xc7"), Body().u32(1).bytes()})));
  EXPECT_EQ(static_cast<int>(request.type), 0xc7);
  EXPECT_TRUE(request.body.empty());
}

TEST(Request, ShorterThanItsIdIsDamaged) {
  const Bytes packet(5);
  for (std::size_t size = 0; size < packet.size(); ++size)
    EXPECT_FAULT(Fault::damaged, parse_request(base::ByteView(packet).first(size))) << size;
  EXPECT_OK(parse_request(packet));
}

TEST(Open, RoundTrip) {
  const auto open =
      testkit::must(parse_open(Body().text("/a.wav").u32(open_flag::kRead).raw(full_attributes()).bytes()));
  EXPECT_EQ(open.path, "/a.wav");
  EXPECT_EQ(open.flags, open_flag::kRead);
  EXPECT_EQ(open.attributes.size, 1234U);
  EXPECT_EQ(open.attributes.uid, 5U);
  EXPECT_EQ(open.attributes.gid, 6U);
  EXPECT_EQ(open.attributes.permissions, 0100644U);
  EXPECT_EQ(open.attributes.atime, 7U);
  EXPECT_EQ(open.attributes.mtime, 8U);
}

TEST(Read, RoundTrip) {
  const Bytes body = Body().text("handle").u64(1).u32(2).bytes();
  const auto read = testkit::must(parse_read(body));
  EXPECT_EQ(base::as_text(read.handle), "handle");
  EXPECT_EQ(read.offset, 1U);
  EXPECT_EQ(read.length, 2U);
}

TEST(Read, OfTheLargestLengthAndOffsetParses) {
  const Bytes body = Body().text("h").u64(std::numeric_limits<std::uint64_t>::max()).u32(kHuge).bytes();
  const auto read = testkit::must(parse_read(body));
  EXPECT_EQ(read.offset, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(read.length, kHuge);
}

TEST(Write, WhatRcloneSendsBehindTheDataIsLeftOut) {
  const Bytes body = base::concat({Body().text("h").u64(7).text("data").bytes(), base::as_bytes("and an old buffer")});
  EXPECT_EQ(base::as_text(testkit::must(parse_write(body)).data), "data");
}

TEST(Write, RoundTripAndLimit) {
  const Bytes body = Body().text("h").u64(9).text("data").bytes();
  const auto write = testkit::must(parse_write(body));
  EXPECT_EQ(base::as_text(write.handle), "h");
  EXPECT_EQ(write.offset, 9U);
  EXPECT_EQ(base::as_text(write.data), "data");
  EXPECT_OK(parse_write(Body().text("h").u64(0).text(std::string(kMaxWrite, 'x')).bytes()));
  EXPECT_FAULT(Fault::damaged, parse_write(Body().text("h").u64(0).text(std::string(kMaxWrite + 1, 'x')).bytes()));
}

TEST(Path, RoundTripAndLimit) {
  EXPECT_EQ(testkit::must(parse_path(Body().text("/x").bytes())), "/x");
  EXPECT_EQ(testkit::must(parse_path(Body().text("").bytes())), "");
  EXPECT_EQ(testkit::must(parse_path(Body().text(std::string(kMaxPath, 'x')).bytes())).size(), kMaxPath);
  EXPECT_FAULT(Fault::damaged, parse_path(Body().text(std::string(kMaxPath + 1, 'x')).bytes()));
}

TEST(Handle, RoundTripAndLimit) {
  const Bytes body = Body().text(std::string(kMaxHandle, 'h')).bytes();
  EXPECT_EQ(testkit::must(parse_handle(body)).size(), kMaxHandle);
  EXPECT_FAULT(Fault::damaged, parse_handle(Body().text(std::string(kMaxHandle + 1, 'h')).bytes()));
}

TEST(TwoPaths, RoundTrip) {
  const auto paths = testkit::must(parse_two_paths(Body().text("a.part").text("a.wav").bytes()));
  EXPECT_EQ(paths.first, "a.part");
  EXPECT_EQ(paths.second, "a.wav");
}

TEST(PathAttributes, RoundTrip) {
  const auto got = testkit::must(parse_path_attributes(Body().text("d").raw(full_attributes()).bytes()));
  EXPECT_EQ(got.path, "d");
  EXPECT_EQ(got.attributes.mtime, 8U);
}

TEST(Extended, NameIsReadAndTheRestIsLeftAlone) {
  EXPECT_EQ(testkit::must(parse_extended_name(Body().text("limits@openssh.com").bytes())), "limits@openssh.com");
  EXPECT_EQ(testkit::must(parse_extended_name(Body().text("statvfs@openssh.com").text("/").bytes())),
            "statvfs@openssh.com");
  EXPECT_FAULT(Fault::damaged, parse_extended_name(Body().text(std::string(10'000, 'x')).bytes()));
}

// ---- attributes

TEST(RequestAttributes, EachFlagAloneReadsItsOwnFields) {
  const auto with = [](const Bytes& attributes) {
    return testkit::must(parse_path_attributes(Body().text("p").raw(attributes).bytes())).attributes;
  };
  const auto none = with(Body().u32(0).bytes());
  EXPECT_FALSE(none.size || none.uid || none.gid || none.permissions || none.atime || none.mtime);
  EXPECT_EQ(with(Body().u32(1).u64(3).bytes()).size, 3U);
  EXPECT_EQ(with(Body().u32(2).u32(3).u32(4).bytes()).gid, 4U);
  EXPECT_EQ(with(Body().u32(4).u32(3).bytes()).permissions, 3U);
  EXPECT_EQ(with(Body().u32(8).u32(3).u32(4).bytes()).mtime, 4U);
  EXPECT_FALSE(with(Body().u32(8).u32(3).u32(4).bytes()).size);
}

TEST(RequestAttributes, ExtendedPairsAreSkipped) {
  const Bytes pairs = Body().u32(0x80000004).u32(0644).u32(2).text("a").text("b").text("c").text("").bytes();
  const auto got = testkit::must(parse_path_attributes(Body().text("p").raw(pairs).bytes()));
  EXPECT_EQ(got.attributes.permissions, 0644U);
}

TEST(RequestAttributes, MorePairsThanBytesAreDamaged) {
  const Bytes pairs = Body().u32(0x80000000).u32(kHuge).text("a").text("b").bytes();
  EXPECT_FAULT(Fault::damaged, parse_path_attributes(Body().text("p").raw(pairs).bytes()));
}

TEST(RequestAttributes, UnknownFlagsAreDamaged) {
  for (std::uint32_t bit = 4; bit < 31; ++bit)
    EXPECT_FAULT(Fault::damaged, parse_path_attributes(Body().text("p").u32(1U << bit).bytes())) << bit;
}

// ---- every body: truncated, extended, lying

struct BodyCase {
  const char* name;
  Bytes body;
  std::function<bool(base::ByteView)> parses;
};

std::ostream& operator<<(std::ostream& out, const BodyCase& c) { return out << c.name; }

template <class T>
std::function<bool(base::ByteView)> parser(base::Result<T> (*parse)(base::ByteView)) {
  return [parse](base::ByteView body) {
    const auto result = parse(body);
    EXPECT_TRUE(result || result.error().fault == Fault::damaged);
    return static_cast<bool>(result);
  };
}

class EveryBody : public testing::TestWithParam<BodyCase> {};

TEST_P(EveryBody, CutAtAnyByteIsDamaged) {
  const auto& [name, body, parses] = GetParam();
  EXPECT_TRUE(parses(body));
  for (std::size_t size = 0; size < body.size(); ++size)
    EXPECT_FALSE(parses(base::ByteView(body).first(size))) << name << " cut to " << size;
}

TEST_P(EveryBody, WithATrailingByteIsDamaged) {
  const auto& [name, body, parses] = GetParam();
  EXPECT_EQ(parses(base::concat({body, base::as_bytes("x")})), std::string_view(name) == "write") << name;
}

TEST_P(EveryBody, WithAStringLongerThanItsPacketIsDamaged) {
  const auto& [name, body, parses] = GetParam();
  for (const std::uint32_t length : {static_cast<std::uint32_t>(body.size()), 1U << 28, 0x7fffffffU, kHuge})
    EXPECT_FALSE(parses(base::concat({Body().u32(length).bytes(), base::ByteView(body).subspan(4)}))) << name;
}

INSTANTIATE_TEST_SUITE_P(
    Wire, EveryBody,
    testing::Values(BodyCase{"open", Body().text("/a").u32(1).raw(full_attributes()).bytes(), parser(parse_open)},
                    BodyCase{"read", Body().text("h").u64(1).u32(2).bytes(), parser(parse_read)},
                    BodyCase{"write", Body().text("h").u64(1).text("data").bytes(), parser(parse_write)},
                    BodyCase{"path", Body().text("/a").bytes(), parser(parse_path)},
                    BodyCase{"handle", Body().text("h").bytes(), parser(parse_handle)},
                    BodyCase{"two_paths", Body().text("a").text("b").bytes(), parser(parse_two_paths)},
                    BodyCase{"path_attributes",
                             Body().text("a").u32(0x80000001).u64(1).u32(1).text("k").text("v").bytes(),
                             parser(parse_path_attributes)}),
    [](const auto& test) { return test.param.name; });

// ---- replies

TEST(Reply, VersionIsThreeAndAnnouncesLimits) {
  Bytes out;
  put_version(out);
  EXPECT_EQ(base::to_text(unframed(out)),
            base::to_text(
                base::concat({base::as_bytes("\x02"), Body().u32(3).text("limits@openssh.com").text("1").bytes()})));
}

TEST(Reply, Status) {
  Bytes out;
  put_status(out, 9, Status::eof, "end of file");
  EXPECT_EQ(unframed(out),
            base::concat({base::as_bytes("\x65"), Body().u32(9).u32(1).text("end of file").text("en").bytes()}));
}

TEST(Reply, StatusTextIsBounded) {
  Bytes out;
  put_status(out, 9, Status::failure, std::string(100'000, 'x'));
  EXPECT_LT(out.size(), 300U);
  EXPECT_FALSE(unframed(out).empty());
}

TEST(Reply, Handle) {
  Bytes out;
  put_handle(out, 9, base::as_bytes("hhh"));
  EXPECT_EQ(unframed(out), base::concat({base::as_bytes("\x66"), Body().u32(9).text("hhh").bytes()}));
}

TEST(Reply, AttributesAreWhatAParserReads) {
  Bytes out;
  put_attributes(out, 9, {.size = 1234, .uid = 5, .gid = 6, .permissions = 0100644, .atime = 7, .mtime = 8});
  EXPECT_EQ(unframed(out), base::concat({base::as_bytes("\x69"), Body().u32(9).bytes(), full_attributes()}));
}

TEST(Reply, AttributesThatAreNotSetAreNotSent) {
  Bytes out;
  put_attributes(out, 9, {});
  EXPECT_EQ(unframed(out), base::concat({base::as_bytes("\x69"), Body().u32(9).u32(0).bytes()}));
}

TEST(Reply, Names) {
  Attributes sized;
  sized.size = 1;
  Bytes out;
  put_names(out, 9, {{"a", "long a", sized}, {"b", "long b", {}}});
  EXPECT_EQ(unframed(out), base::concat({base::as_bytes("\x68"), Body().u32(9).u32(2).bytes(),
                                         Body().text("a").text("long a").u32(1).u64(1).bytes(),
                                         Body().text("b").text("long b").u32(0).bytes()}));
}

TEST(Reply, LimitsAreTheTrueOnes) {
  Bytes out;
  put_limits(out, 9);
  EXPECT_EQ(unframed(out),
            base::concat({base::as_bytes("\xc9"), Body().u32(9).u64(262144).u64(261120).u64(261120).u64(256).bytes()}));
}

TEST(Reply, DataHeadFitsTheDataBehindIt) {
  Bytes out;
  put_data_head(out, 9, kMaxRead);
  out.resize(out.size() + kMaxRead);
  const Bytes packet = unframed(out);
  EXPECT_LE(packet.size(), kMaxPacket);
  base::Reader in(packet);
  EXPECT_EQ(in.u8(), 103);
  EXPECT_EQ(in.u32(), 9U);
  EXPECT_EQ(in.string(kMaxRead)->size(), kMaxRead);
  EXPECT_TRUE(in.done());
}

TEST(Reply, SecondOneIsAppendedBehindTheFirst) {
  Bytes out;
  put_status(out, 1, Status::ok, "");
  put_status(out, 2, Status::ok, "");
  PacketCutter cutter;
  cutter.add(out);
  EXPECT_EQ(testkit::must(parse_request(*testkit::must(cutter.next()))).id, 1U);
  EXPECT_EQ(testkit::must(parse_request(*testkit::must(cutter.next()))).id, 2U);
  EXPECT_EQ(cutter.buffered(), 0U);
}

TEST(LongName, LooksLikeALineOfLs) {
  EXPECT_EQ(long_name("a.wav", false, 245760, 1795339815),
            "-r--------    1 0        0              245760 Nov 22  2026 a.wav");
  EXPECT_EQ(long_name(".", true, 0, 0), "dr-x------    1 0        0                   0 Jan  1  1970 .");
}

TEST(LongName, IsBoundedForExtremeValues) {
  for (const std::int64_t time :
       {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()}) {
    const auto line = long_name(std::string(100'000, 'n'), false, std::numeric_limits<std::uint64_t>::max(), time);
    EXPECT_LT(line.size(), 400U);
    EXPECT_NE(line.find("18446744073709551615"), std::string::npos);
  }
}

}  // namespace
}  // namespace sftp
