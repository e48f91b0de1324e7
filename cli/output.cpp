#include "cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>

#include "base/files.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

struct Character {
  char32_t code = 0;
  std::size_t size = 0;  // 0: not UTF-8
};

// The character at the start of `text`; overlong forms, surrogates and what lies beyond Unicode are not UTF-8.
Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
  auto code = static_cast<char32_t>(lead & (0xff >> (size + 1)));
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return {};
    code = (code << 6) | (next & 0x3f);
  }
  constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {};
  return {code, size};
}

// Shows nothing, or changes what stands beside it: controls, direction marks, line separators, byte order mark.
bool disturbs(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0xad || code == 0x61c ||
         (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2060 && code <= 0x206f) || code == 0xfeff;
}

void add_byte(std::string& out, char byte) {
  const auto value = static_cast<unsigned char>(byte);
  out += "\\x";
  out += kHexDigits[value >> 4];
  out += kHexDigits[value & 15];
}

void add_code(std::string& out, char32_t code) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "\\u{%x}", static_cast<unsigned>(code));
  out += text.data();
}

Result<void> write_all(int fd, base::ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{Fault::failed, std::string("cannot write to stdout: ") + std::strerror(errno)};
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

void say(std::string_view kind, std::string_view what) {
  const std::string line = "callvault: " + std::string(kind) + ": " + escaped(what) + "\n";
  (void)write_all(STDERR_FILENO, base::as_bytes(line));  // nowhere is left to complain to
}

// Characters, as a terminal counts them nearly always.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::string escaped(std::string_view foreign) {
  std::string out;
  while (!foreign.empty()) {
    const Character c = first_character(foreign);
    if (c.size == 0) {
      add_byte(out, foreign[0]);
    } else if (c.code == '\n') {
      out += "\\n";
    } else if (c.code == '\\') {
      out += "\\\\";
    } else if (!disturbs(c.code)) {
      out += foreign.substr(0, c.size);
    } else if (c.size == 1) {
      add_byte(out, foreign[0]);
    } else {
      add_code(out, c.code);
    }
    foreign.remove_prefix(std::max<std::size_t>(c.size, 1));
  }
  return out;
}

Result<void> print(std::string_view text) { return write_all(STDOUT_FILENO, base::as_bytes(text)); }

namespace {

Result<void> with_secrets(std::string_view text, const std::vector<const base::SecretBytes*>& secrets,
                          const std::function<Result<void>(base::ByteView)>& sink) {
  for (const auto* secret : secrets) {
    const auto mark = text.find(kSecretMark);
    if (mark == std::string_view::npos) std::abort();  // a mark for each secret: our own mistake
    if (auto r = sink(base::as_bytes(text.substr(0, mark))); !r) return r;
    if (auto r = sink(secret->reveal()); !r) return r;
    text.remove_prefix(mark + kSecretMark.size());
  }
  return sink(base::as_bytes(text));
}

}  // namespace

Result<void> print_with_secrets(std::string_view text, const std::vector<const base::SecretBytes*>& secrets) {
  return with_secrets(text, secrets, [](base::ByteView bytes) { return write_all(STDOUT_FILENO, bytes); });
}

Result<void> write_new_file(const base::Path& path, std::string_view text,
                            const std::vector<const base::SecretBytes*>& secrets) {
  base::Files& files = base::system_files();
  auto fd = files.create(path);
  if (!fd) return fd.error();
  auto done = with_secrets(text, secrets, [&](base::ByteView bytes) { return files.append(fd->get(), bytes); });
  if (done) done = files.sync(fd->get());
  if (!done) (void)files.remove(path);  // at the end of a failure: there is no one to tell
  return done;
}

void say_error(std::string_view what) { say("error", what); }
void say_hint(std::string_view what) { say("hint", what); }
void say_warning(std::string_view what) { say("warning", what); }
void say_note(std::string_view what) { say("note", what); }

std::string table(const std::vector<std::string>& headings, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> lines{headings};
  for (const auto& row : rows) {
    lines.emplace_back();
    for (const auto& cell : row) lines.back().push_back(escaped(cell));
  }
  std::vector<std::size_t> widths(headings.size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], width(line.at(i)));
  }
  std::string out;
  for (const auto& line : lines) {
    std::string text;
    for (std::size_t i = 0; i < widths.size(); ++i) text += line[i] + std::string(widths[i] - width(line[i]) + 2, ' ');
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
  return out;
}

std::string human_size(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  constexpr std::array<const char*, 5> kUnits{"KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", value, kUnits[unit]);
  return text.data();
}

std::string time_or_dash(base::Seconds time) { return time == 0 ? "-" : base::rfc3339(time); }

Progress::Progress(std::string_view unit, std::size_t total)
    : unit_(unit), total_(total), terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (terminal_ && shown_ms_ != 0) (void)write_all(STDERR_FILENO, base::as_bytes("\r\x1b[K"));
}

void Progress::step() {
  ++done_;
  show();
}

void Progress::at(std::size_t done, std::size_t total) {
  done_ = done;
  total_ = total;
  show();
}

void Progress::show() {
  const std::int64_t now = base::monotonic_ms();
  if (!terminal_ || now - shown_ms_ < 200) return;
  shown_ms_ = now;
  const std::string total = total_ == 0 ? "" : " of " + std::to_string(total_);
  const std::string line = "\r\x1b[K" + std::to_string(done_) + total + " " + unit_;
  (void)write_all(STDERR_FILENO, base::as_bytes(line));
}

}  // namespace cli
