#include "vault/sound.h"

#include "tests/testkit/expect.h"

namespace {

using vault::quarantine_reason;

void put_le(std::string& out, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
}

std::string chunk(std::string_view id, std::string_view content, std::optional<std::uint32_t> length = std::nullopt) {
  std::string out(id);
  put_le(out, length.value_or(static_cast<std::uint32_t>(content.size())), 4);
  return out.append(content);
}

// A whole WAV file around these chunks.
std::string wav(const std::string& chunks) {
  std::string out = "RIFF";
  put_le(out, 4 + chunks.size(), 4);
  return out + "WAVE" + chunks;
}

std::string plain(std::size_t samples) {
  return wav(chunk("fmt ", std::string(16, '\1')) + chunk("data", std::string(samples, 'x')));
}

std::string rf64(std::uint64_t riff, std::uint64_t data, const std::string& samples) {
  std::string ds64;
  put_le(ds64, riff, 8);
  put_le(ds64, data, 8);
  put_le(ds64, 0, 8);
  put_le(ds64, 0, 4);
  std::string out = "RF64";
  put_le(out, 0xFFFFFFFF, 4);
  return out + "WAVE" + chunk("ds64", ds64) + chunk("fmt ", std::string(16, '\1')) + chunk("data", samples, 0xFFFFFFFF);
}

std::string reason(std::string_view name, const std::string& file, std::optional<std::uint64_t> size = std::nullopt) {
  const auto head = base::as_bytes(std::string_view(file).substr(0, 4096));
  return quarantine_reason(name, size.value_or(file.size()), head).value_or("");
}

TEST(Sound, ARecordingIsFine) {
  EXPECT_EQ(reason("a.wav", plain(1)), "");
  EXPECT_EQ(reason("a.wav", plain(100000)), "");
  EXPECT_EQ(reason("A.WAV", plain(4096)), "");
  EXPECT_EQ(reason("noextension", plain(100)), "");
  EXPECT_EQ(reason("a.mp3", std::string(1000, 'm')), "");
  EXPECT_EQ(reason("a.gsm", std::string(33, 'g')), "");
}

TEST(Sound, AnEmptyFileIsNone) {
  EXPECT_EQ(reason("a.wav", ""), "empty file");
  EXPECT_EQ(reason("a.mp3", ""), "empty file");
}

TEST(Sound, ABareHeaderIsNone) {
  EXPECT_NE(reason("a.wav", plain(0)), "");
  EXPECT_NE(reason("noextension", plain(0)), "");
  for (const std::size_t size : {1U, 43U, 44U}) EXPECT_NE(reason("a.WAV", std::string(size, 'x')), "") << size;
}

TEST(Sound, AnEmptyDataChunkIsNoneHoweverLongTheHeader) {
  const auto file =
      wav(chunk("fmt ", std::string(16, '\1')) + chunk("LIST", std::string(200, 'i')) + chunk("data", ""));
  EXPECT_NE(reason("a.wav", file).find("without sound"), std::string::npos);
}

TEST(Sound, ACutFileIsNotWhole) {
  const auto file = plain(1000);
  for (const std::uint64_t size : {std::uint64_t{45}, std::uint64_t{500}, file.size() - 2})
    EXPECT_NE(reason("a.wav", file.substr(0, size)).find("disagree"), std::string::npos) << size;
}

TEST(Sound, AFileThatGrewIsNotWhole) {
  EXPECT_NE(reason("a.wav", plain(1000) + "xx").find("disagree"), std::string::npos);
}

TEST(Sound, SizesThatAreWrittenAtTheEndAreMissing) {
  for (const std::uint32_t unset : {0U, 0xFFFFFFFFU}) {
    std::string file = "RIFF";
    put_le(file, unset, 4);
    file += "WAVE" + chunk("fmt ", std::string(16, '\1')) + chunk("data", std::string(100, 'x'), unset);
    EXPECT_NE(reason("a.wav", file), "") << unset;
  }
}

TEST(Sound, ADataChunkLongerThanTheFileIsNotWhole) {
  const auto file = wav(chunk("fmt ", std::string(16, '\1')) + chunk("data", std::string(100, 'x'), 102));
  EXPECT_NE(reason("a.wav", file).find("disagree"), std::string::npos);
}

TEST(Sound, APaddingByteMayBeThereOrNot) {
  EXPECT_EQ(reason("a.wav", plain(101)), "");
  EXPECT_EQ(reason("a.wav", plain(101) + std::string(1, '\0')), "");
  EXPECT_EQ(reason("a.wav", wav(chunk("data", std::string(101, 'x')) + std::string(1, '\0'))), "");
}

TEST(Sound, DataBehindTheHeadCannotBeSeenAndIsTrusted) {
  EXPECT_EQ(reason("a.wav", wav(chunk("bext", std::string(5000, 'b')) + chunk("data", std::string(10, 'x')))), "");
}

TEST(Sound, AHugeChunkLengthIsRefused) {
  EXPECT_NE(reason("a.wav", wav(chunk("junk", std::string(100, 'j'), 0xFFFFFFF0))), "");
}

TEST(Sound, LongFilesKeepTheirSizesElsewhere) {
  const std::uint64_t five_gib = 5ULL << 30U;
  const auto head = rf64(five_gib + 72, five_gib, "x");
  EXPECT_EQ(reason("a.wav", head, five_gib + 80), "");
  EXPECT_NE(reason("a.wav", head, five_gib), "");
  EXPECT_NE(reason("a.wav", rf64(five_gib + 72, 0, "x"), five_gib + 80), "");
}

TEST(Sound, CapturesAndNotesAreNone) {
  for (const std::string name : {"a.pcap", "a.meta", "a.mcf", "msg0000.txt", "a.json", "a.xml", "Master.csv", "A.PCAP"})
    EXPECT_NE(reason(name, std::string(1000, 'x')), "") << name;
  EXPECT_EQ(reason("atxt", std::string(1000, 'x')), "");
  EXPECT_EQ(reason("a.txt.wav", std::string(1000, 'x')), "");
}

TEST(Sound, EveryShortHeadIsHandled) {
  const auto file = plain(20);
  for (std::size_t size = 0; size <= file.size(); ++size)
    quarantine_reason("a.wav", 100000, base::as_bytes(std::string_view(file).substr(0, size)));
  EXPECT_NE(quarantine_reason("a.wav", 100000, base::as_bytes(std::string_view(file).substr(0, 12))), std::nullopt);
}

}  // namespace
