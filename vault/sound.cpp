#include "vault/sound.h"

#include <algorithm>

namespace vault {

namespace {

constexpr std::uint64_t kBareHeader = 44;              // RIFF, fmt and data headers without a sample
constexpr std::uint32_t kSizeElsewhere = 0xFFFFFFFF;   // RF64: the true sizes stand in the ds64 chunk
constexpr std::size_t kLongRiff = 20, kLongData = 28;  // ... at these offsets, when ds64 comes first as it must

bool has_extension(std::string_view name, std::string_view extension) {
  if (name.size() < extension.size()) return false;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(name.substr(name.size() - extension.size()), extension, {}, lower);
}

// Little-endian number at `at`; nullopt beyond the end.
template <class T>
std::optional<T> little(base::ByteView head, std::size_t at) {
  if (at > head.size() || head.size() - at < sizeof(T)) return std::nullopt;
  T value = 0;
  for (std::size_t i = sizeof(T); i-- > 0;) value = static_cast<T>(value << 8U | static_cast<T>(head[at + i]));
  return value;
}

std::string_view tag(base::ByteView head, std::size_t at) {
  return at <= head.size() && head.size() - at >= 4 ? base::as_text(head.subspan(at, 4)) : std::string_view();
}

// The file is RIFF or RF64: do its own sizes agree with the file's?
std::optional<std::string> sizes_disagree(std::uint64_t size, base::ByteView head) {
  const bool long_form = tag(head, 0) != "RIFF" && tag(head, 12) == "ds64";
  const auto length_at = [&](std::size_t at, std::size_t long_at) -> std::optional<std::uint64_t> {
    const auto value = little<std::uint32_t>(head, at);
    if (value && *value == kSizeElsewhere && long_form) return little<std::uint64_t>(head, long_at);
    return value;
  };
  const std::string reason = "the WAV sizes disagree with the file's size: cut, or still being written";
  const auto riff = length_at(4, kLongRiff);
  // A last chunk of odd length may come with or without its padding byte, counted or not.
  if (!riff || *riff > size || size - *riff < 7 || size - *riff > 9) return reason;
  std::uint64_t at = 12;
  while (at + 8 <= head.size()) {
    const auto here = static_cast<std::size_t>(at);
    const bool data = tag(head, here) == "data";
    const auto length = length_at(here + 4, kLongData);
    if (data && length == 0) return "bare WAV header without sound";
    if (!length || *length > size - at - 8) return reason;
    if (data) return std::nullopt;
    at += 8 + *length + *length % 2;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> quarantine_reason(std::string_view file_name, std::uint64_t size, base::ByteView head) {
  for (const std::string_view other : {".pcap", ".meta", ".mcf", ".txt", ".json", ".xml", ".csv"})
    if (has_extension(file_name, other)) return "a " + std::string(other.substr(1)) + " file is no audio";
  if (size == 0) return "empty file";
  const auto magic = tag(head, 0);
  const bool riff = (magic == "RIFF" || magic == "RF64" || magic == "BW64") && tag(head, 8) == "WAVE";
  if (size <= kBareHeader && (riff || has_extension(file_name, ".wav"))) return "bare WAV header without sound";
  if (riff) return sizes_disagree(size, head);
  return std::nullopt;
}

}  // namespace vault
