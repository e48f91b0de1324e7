#include "keys/age_stream.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_folder.h"

namespace {

using base::Bytes;
using base::ByteView;
using base::Fault;
using keys::kChunk;
using keys::kSealedChunk;
using testkit::must;
using testkit::pattern;
using testkit::secret_of;

const base::SecretBytes& file_key() {
  static const auto key = secret_of(16, 5);
  return key;
}

constexpr std::size_t kEdges[] = {
    0, 1, 15, 16, 17, kChunk - 1, kChunk, kChunk + 1, 2 * kChunk - 1, 2 * kChunk, 2 * kChunk + 1, 3 * kChunk, 200000};

class StreamFile : public ::testing::Test {
 protected:
  base::Result<keys::StreamReader> open(ByteView payload, std::uint64_t offset = 0) {
    return keys::StreamReader::open(file_key(), file_of(payload), offset);
  }
  base::Fd file_of(ByteView bytes) {
    const base::Path path = folder_ / ("f" + std::to_string(count_++)).c_str();
    testkit::put_file(path, bytes);
    return must(base::open_to_read(path));
  }
  base::Path last_path() const { return folder_ / ("f" + std::to_string(count_ - 1)).c_str(); }

 private:
  testkit::TempFolder folder_;
  int count_ = 0;
};

Bytes read_all(keys::StreamReader& reader) {
  Bytes out(reader.size());
  EXPECT_EQ(must(reader.read(0, out)), out.size());
  return out;
}

// The plaintext that comes out of a damaged payload, read forward a chunk at a time, and that nothing is in the buffer
// of the chunk that fails.
std::size_t released(keys::StreamReader& reader) {
  Bytes out(kChunk);
  for (std::size_t at = 0; at < reader.size(); at += kChunk) {
    std::fill(out.begin(), out.end(), std::byte{0});
    const auto n = reader.read(at, out);
    if (n) continue;
    EXPECT_EQ(n.error().fault, Fault::damaged);
    EXPECT_TRUE(std::all_of(out.begin(), out.end(), [](std::byte b) { return b == std::byte{0}; }));
    EXPECT_FAULT(Fault::damaged, reader.read(0, out)) << "later calls fail too";
    return at;
  }
  return static_cast<std::size_t>(reader.size());
}

TEST(PayloadSize, KnowsEveryEdgeAndItsReverse) {
  EXPECT_EQ(keys::payload_size(0), 32U);
  EXPECT_EQ(keys::payload_size(kChunk), 16 + kSealedChunk);
  EXPECT_EQ(keys::payload_size(kChunk + 1), 16 + kSealedChunk + 17);
  for (const std::size_t size : kEdges) EXPECT_EQ(must(keys::plain_size(keys::payload_size(size))), size);
}

TEST(PayloadSize, SizesThatNoPayloadHasAreDamage) {
  for (std::uint64_t size = 0; size < 32; ++size) EXPECT_FAULT(Fault::damaged, keys::plain_size(size));
  for (std::uint64_t more = 1; more <= 16; ++more)
    for (const std::uint64_t chunks : {1U, 2U})
      EXPECT_FAULT(Fault::damaged, keys::plain_size(16 + chunks * kSealedChunk + more));
}

TEST_F(StreamFile, EverySizeWrittenInEveryStepComesBack) {
  for (const std::size_t size : kEdges)
    for (const std::size_t step : {std::size_t{1000}, kChunk - 1, kChunk, kChunk + 1, 3 * kChunk}) {
      const Bytes plain = pattern(size);
      Bytes payload;
      auto writer = must(keys::StreamWriter::create(file_key(), [&](ByteView part) -> base::Result<void> {
        base::put_raw(payload, part);
        return {};
      }));
      for (std::size_t at = 0; at < size; at += step)
        ASSERT_OK(writer.write(ByteView(plain).subspan(at, std::min(step, size - at))));
      ASSERT_OK(writer.finish());
      EXPECT_EQ(payload.size(), keys::payload_size(size));
      auto reader = must(open(payload));
      EXPECT_EQ(reader.size(), size);
      EXPECT_EQ(read_all(reader), plain);
      EXPECT_EQ(testkit::bytes_of(must(keys::open_payload(file_key(), payload))), plain);
    }
}

TEST_F(StreamFile, PayloadBehindAHeaderIsReadFromItsOffset) {
  const Bytes payload = must(keys::seal_payload(file_key(), pattern(100)));
  auto reader = must(open(base::concat({base::as_bytes("header"), payload}), 6));
  EXPECT_EQ(read_all(reader), pattern(100));
  EXPECT_FAULT(Fault::damaged, open(base::as_bytes("head"), 5));
}

TEST_F(StreamFile, TenThousandRandomReadsEqualThePlaintext) {  // A12
  const Bytes plain = pattern(5 * kChunk + 777);
  auto reader = must(open(must(keys::seal_payload(file_key(), plain))));
  std::mt19937 random(1);
  for (int i = 0; i < 10000; ++i) {
    const std::size_t offset = random() % (plain.size() + 1);
    const std::size_t size = random() % (i % 10 == 0 ? 3 * kChunk : 5000);
    Bytes out(size, std::byte{0xee});
    const auto n = reader.read(offset, out);
    ASSERT_OK(n);
    ASSERT_EQ(*n, std::min(size, plain.size() - offset));
    ASSERT_TRUE(std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*n),
                           plain.begin() + static_cast<std::ptrdiff_t>(offset)));
    ASSERT_TRUE(std::all_of(out.begin() + static_cast<std::ptrdiff_t>(*n), out.end(),
                            [](std::byte b) { return b == std::byte{0xee}; }));
  }
}

TEST_F(StreamFile, AtTheEndNothingIsReadAndBehindItIsAnError) {
  auto reader = must(open(must(keys::seal_payload(file_key(), pattern(10)))));
  Bytes out(5);
  EXPECT_EQ(must(reader.read(10, out)), 0U);
  EXPECT_FAULT(Fault::usage, reader.read(11, out));
  EXPECT_FAULT(Fault::usage, reader.read(~std::uint64_t{0}, out));
}

TEST_F(StreamFile, TwoPayloadsOfOneTextDiffer) {
  EXPECT_NE(must(keys::seal_payload(file_key(), pattern(10))), must(keys::seal_payload(file_key(), pattern(10))));
}

TEST_F(StreamFile, OtherFileKeyIsDamageAtOpen) {
  const Bytes payload = must(keys::seal_payload(file_key(), pattern(10)));
  EXPECT_FAULT(Fault::damaged, keys::StreamReader::open(secret_of(16, 6), file_of(payload)));
}

// A chunk may be read directly (whole) or through the cache (a part): both paths must hold back a bad chunk.
TEST_F(StreamFile, AFlippedBitInAnyChunkOrTagLetsNoByteOfThatChunkOut) {  // A03
  const Bytes good = must(keys::seal_payload(file_key(), pattern(2 * kChunk + 100)));
  for (std::size_t chunk = 0; chunk < 2; ++chunk)
    for (const std::size_t at : {std::size_t{0}, std::size_t{1}, kChunk / 2, kChunk - 1, kChunk, kChunk + 15}) {
      Bytes bad = good;
      bad[16 + chunk * kSealedChunk + at] ^= std::byte{0x10};
      auto whole = must(open(bad));
      EXPECT_EQ(released(whole), chunk * kChunk);
      auto part = must(open(bad));
      Bytes out(100);
      EXPECT_FAULT(Fault::damaged, part.read(chunk * kChunk + 50, out));
      EXPECT_EQ(out, Bytes(100));
    }
}

TEST_F(StreamFile, ABadChunkLeavesTheGoodOnesBeforeItInTheBuffer) {
  const Bytes plain = pattern(2 * kChunk + 100);
  Bytes bad = must(keys::seal_payload(file_key(), plain));
  bad[16 + kSealedChunk] ^= std::byte{1};
  auto reader = must(open(bad));
  Bytes out(plain.size());
  EXPECT_FAULT(Fault::damaged, reader.read(0, out));
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + kChunk, plain.begin()));
  EXPECT_TRUE(std::all_of(out.begin() + kChunk, out.end(), [](std::byte b) { return b == std::byte{0}; }));
}

TEST_F(StreamFile, EveryFlippedBitOfTheLastChunkIsDamageAtOpen) {
  const Bytes good = must(keys::seal_payload(file_key(), pattern(kChunk + 20)));
  for (std::size_t bit = (16 + kSealedChunk) * 8; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    EXPECT_FAULT(Fault::damaged, open(bad)) << bit;
  }
}

TEST_F(StreamFile, EveryFlippedBitOfTheNonceIsDamageAtOpen) {  // A02
  const Bytes good = must(keys::seal_payload(file_key(), pattern(20)));
  for (std::size_t bit = 0; bit < 128; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    EXPECT_FAULT(Fault::damaged, open(bad)) << bit;
  }
}

TEST_F(StreamFile, CutsAreRefusedAtOpen) {  // A04
  const Bytes good = must(keys::seal_payload(file_key(), pattern(2 * kChunk + 500)));
  std::vector<std::size_t> cuts;
  for (std::size_t size = 0; size <= 400; ++size) cuts.push_back(size);
  for (const std::size_t edge : {16 + kSealedChunk, 16 + 2 * kSealedChunk})
    for (std::size_t more = 0; more <= 17; ++more) cuts.push_back(edge + more);
  cuts.push_back(good.size() - 1);
  for (const std::size_t size : cuts) EXPECT_FAULT(Fault::damaged, open(ByteView(good).first(size))) << size;
}

TEST_F(StreamFile, AppendedBytesAreRefusedAtOpen) {  // A05
  for (const std::size_t size : {std::size_t{0}, std::size_t{100}, kChunk}) {
    const Bytes good = must(keys::seal_payload(file_key(), pattern(size)));
    const ByteView last = ByteView(good).subspan(16);
    EXPECT_FAULT(Fault::damaged, open(base::concat({good, Bytes(1)})));
    EXPECT_FAULT(Fault::damaged, open(base::concat({good, Bytes(16)})));
    EXPECT_FAULT(Fault::damaged, open(base::concat({good, Bytes(kSealedChunk)})));
    EXPECT_FAULT(Fault::damaged, open(base::concat({good, last})));
  }
}

TEST_F(StreamFile, SwappedDoubledAndDroppedChunksAreRefused) {  // A06
  const Bytes good = must(keys::seal_payload(file_key(), pattern(2 * kChunk + 100)));
  const ByteView nonce = ByteView(good).first(16);
  const ByteView first = ByteView(good).subspan(16, kSealedChunk);
  const ByteView second = ByteView(good).subspan(16 + kSealedChunk, kSealedChunk);
  const ByteView last = ByteView(good).subspan(16 + 2 * kSealedChunk);
  auto swapped = must(open(base::concat({nonce, second, first, last})));
  EXPECT_EQ(released(swapped), 0U);
  EXPECT_FAULT(Fault::damaged, open(base::concat({nonce, first, first, second, last})));
  EXPECT_FAULT(Fault::damaged, open(base::concat({nonce, second, last})));
  EXPECT_FAULT(Fault::damaged, open(base::concat({nonce, first, second})));
}

TEST_F(StreamFile, AChunkOfAnotherPayloadIsRefused) {
  const Bytes a = must(keys::seal_payload(file_key(), pattern(kChunk + 100)));
  const Bytes b = must(keys::seal_payload(file_key(), pattern(kChunk + 100)));
  auto mixed = must(open(base::concat(
      {ByteView(a).first(16), ByteView(b).subspan(16, kSealedChunk), ByteView(a).subspan(16 + kSealedChunk)})));
  EXPECT_EQ(released(mixed), 0U);
}

TEST_F(StreamFile, AFileThatIsCutWhileOpenIsDamage) {
  auto reader = must(open(must(keys::seal_payload(file_key(), pattern(2 * kChunk + 100)))));
  ASSERT_EQ(::truncate(last_path().c_str(), 16 + kSealedChunk + 10), 0);
  EXPECT_EQ(released(reader), kChunk);
}

TEST_F(StreamFile, OpenPayloadRefusesWhatTheReaderRefuses) {
  const Bytes good = must(keys::seal_payload(file_key(), pattern(kChunk + 100)));
  for (const std::size_t at : {std::size_t{0}, std::size_t{16}, 16 + kSealedChunk, good.size() - 1}) {
    Bytes bad = good;
    bad[at] ^= std::byte{1};
    EXPECT_FAULT(Fault::damaged, keys::open_payload(file_key(), bad));
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{31}, 16 + kSealedChunk, good.size() - 1})
    EXPECT_FAULT(Fault::damaged, keys::open_payload(file_key(), ByteView(good).first(size)));
}

TEST_F(StreamFile, ForwardGivesEachChunkAfterItsTagAndStopsAtTheFirstBadOne) {
  const Bytes plain = pattern(2 * kChunk + 100);
  Bytes payload = must(keys::seal_payload(file_key(), plain));
  const auto forward = [&](ByteView in, std::size_t step) {
    Bytes out;
    const auto r = keys::open_forward(
        file_key(),
        [&](std::span<std::byte> to) -> base::Result<std::size_t> {
          const std::size_t n = std::min(in.size(), to.size());
          std::copy_n(in.begin(), n, to.begin());
          in = in.subspan(n);
          return n;
        },
        [&](ByteView part) -> base::Result<void> {
          EXPECT_LE(part.size(), kChunk);
          base::put_raw(out, part);
          return {};
        });
    EXPECT_EQ(r ? Fault{} : r.error().fault, step == 3 ? Fault{} : Fault::damaged);
    EXPECT_EQ(out,
              Bytes(plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(std::min(step * kChunk, plain.size()))));
  };
  forward(payload, 3);
  forward(ByteView(payload).first(payload.size() - 1), 2);
  forward(ByteView(payload).first(16 + 2 * kSealedChunk), 1);
  forward(ByteView(payload).first(20), 0);
  forward({}, 0);
  forward(base::concat({payload, Bytes(1)}), 2);
  payload[16 + kSealedChunk] ^= std::byte{1};
  forward(payload, 1);
}

TEST(StreamWriter, AfterAFailedSinkEveryLaterCallFails) {
  int calls = 0;
  auto writer = must(keys::StreamWriter::create(secret_of(16, 1), [&](ByteView) -> base::Result<void> {
    if (calls++ == 1) return base::Error{Fault::failed, "disk full"};
    return {};
  }));
  EXPECT_FAULT(Fault::failed, writer.write(pattern(kChunk + 1)));
  EXPECT_FAULT(Fault::failed, writer.write(pattern(1)));
  EXPECT_FAULT(Fault::failed, writer.finish());
  EXPECT_EQ(calls, 2);
}

TEST(StreamWriter, FinishWorksOnce) {
  auto writer = must(keys::StreamWriter::create(secret_of(16, 1), [](ByteView) -> base::Result<void> { return {}; }));
  EXPECT_OK(writer.finish());
  EXPECT_FAULT(Fault::failed, writer.finish());
  EXPECT_FAULT(Fault::failed, writer.write(pattern(1)));
}

TEST(StreamWriter, ASinkThatRefusesTheNonceFailsCreate) {
  EXPECT_FAULT(Fault::busy, keys::StreamWriter::create(secret_of(16, 1), [](ByteView) -> base::Result<void> {
                 return base::Error{Fault::busy, "no"};
               }));
}

}  // namespace
