#include "keys/age_file.h"

#include <algorithm>
#include <optional>

#include "keys/age_stream.h"

namespace keys {
namespace {

using base::ByteView;
using base::Error;
using base::Fault;

constexpr std::string_view kIntro = "age-encryption.org/";
constexpr std::string_view kBegin = "-----BEGIN AGE ENCRYPTED FILE-----";
constexpr std::string_view kEnd = "-----END AGE ENCRYPTED FILE-----";
constexpr std::string_view kSpace = " \t\r\n";
constexpr std::size_t kColumns = 64;
constexpr std::size_t kLongestHeader = std::size_t{1024} * 1024;

Error damaged(const char* what) { return {Fault::damaged, what}; }

// The bytes of a file from its start to its end.
class FileBytes {
 public:
  explicit FileBytes(int fd) : fd_(fd) {}
  base::Result<std::size_t> read(std::span<std::byte> out) {
    const auto n = base::read_at(fd_, at_, out);
    if (n) at_ += *n;
    return n;
  }

 private:
  int fd_;
  std::uint64_t at_ = 0;
};

// The bytes inside ASCII armor (strict PEM): lines of 64 columns, the last may be shorter; LF or CRLF; nothing but
// white space before and after.
class ArmorBytes {
 public:
  explicit ArmorBytes(int fd) : file_(fd) {}

  base::Result<std::size_t> read(std::span<std::byte> out) {
    std::size_t done = 0;
    while (done < out.size()) {
      if (used_ == decoded_.size()) {
        if (ended_) break;
        if (auto r = next_line(); !r) return r.error();
        continue;
      }
      const std::size_t n = std::min(out.size() - done, decoded_.size() - used_);
      std::copy_n(decoded_.data() + used_, n, out.data() + done);
      done += n;
      used_ += n;
    }
    return done;
  }

 private:
  // A character, or nothing at the end of the file.
  base::Result<std::optional<char>> next_char() {
    if (at_ == buffer_.size()) {
      buffer_.resize(kChunk);
      const auto n = file_.read(buffer_);
      if (!n) return n.error();
      buffer_.resize(*n);
      at_ = 0;
      if (*n == 0) return std::optional<char>();
    }
    return std::optional(static_cast<char>(buffer_[at_++]));
  }

  // A line without its end; longer ones than any of ours are cut, and match nothing.
  base::Result<std::string> line(bool skip_space) {
    std::string out;
    while (out.size() <= kColumns + 1) {
      const auto c = next_char();
      if (!c) return c.error();
      if (!*c || (**c == '\n' && !skip_space)) break;
      if (skip_space && kSpace.find(**c) != std::string_view::npos) continue;
      skip_space = false;
      out.push_back(**c);
    }
    if (out.ends_with('\r')) out.pop_back();
    return out;
  }

  base::Result<void> next_line() {
    auto text = line(!begun_);
    if (text && !begun_) {
      if (*text != kBegin) return damaged("not an age file");
      begun_ = true;
      text = line(false);
    }
    if (!text) return text.error();
    if (*text == kEnd) return only_space_follows();
    if (short_ || text->empty() || text->size() > kColumns) return damaged("bad line in armor");
    auto bytes = base::unbase64(*text);
    if (!bytes) return bytes.error().at("armor");
    decoded_ = std::move(*bytes);
    used_ = 0;
    short_ = decoded_.size() < kColumns / 4 * 3;
    return {};
  }

  base::Result<void> only_space_follows() {
    const auto rest = line(true);
    if (!rest) return rest.error();
    if (!rest->empty()) return damaged("bytes behind the armor");
    ended_ = true;
    return {};
  }

  FileBytes file_;
  base::Bytes buffer_;
  std::size_t at_ = 0;
  base::Bytes decoded_;
  std::size_t used_ = 0;
  bool begun_ = false;
  bool short_ = false;  // the short line was there: only the end may follow
  bool ended_ = false;
};

base::Result<base::SecretBytes> unwrap(const OpenWith& with, ByteView in, const ParsedHeader& parsed) {
  const auto scrypt = [](const Stanza& s) { return s.args[0] == "scrypt"; };
  const auto& stanzas = parsed.header.stanzas;
  if (std::any_of(stanzas.begin(), stanzas.end(), scrypt)) {
    if (stanzas.size() != 1) return damaged("scrypt stanza beside others");
    if (!with.ask) return Error{Fault::denied, "needs a passphrase"};
    const auto passphrase = with.ask();
    if (!passphrase) return passphrase.error();
    return unwrap_with_passphrase(*passphrase, in, parsed);
  }
  if (with.identity == nullptr) return Error{Fault::denied, "needs an identity"};
  return with.identity->unwrap(in, parsed);
}

base::Result<void> open_from(const Source& source, const OpenWith& with, const StreamWriter::Sink& sink) {
  base::Bytes head(kLongestHeader);
  const auto size = source(head);
  if (!size) return size.error();
  head.resize(*size);
  const auto parsed = parse_age_header(head);
  if (!parsed) return parsed.error();
  const auto file_key = unwrap(with, head, *parsed);
  if (!file_key) return file_key.error();
  ByteView rest = ByteView(head).subspan(parsed->size);
  const auto payload = [&](std::span<std::byte> out) -> base::Result<std::size_t> {
    const std::size_t n = std::min(rest.size(), out.size());
    std::copy_n(rest.begin(), n, out.begin());
    rest = rest.subspan(n);
    if (n == out.size()) return n;
    const auto more = source(out.subspan(n));
    if (!more) return more;
    return n + *more;
  };
  return open_forward(*file_key, payload, sink);
}

}  // namespace

bool is_age_file(ByteView start) {
  std::string_view text = base::as_text(start);
  if (text.starts_with(kIntro)) return true;
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.starts_with(kBegin);
}

base::Result<void> open_age_file(const base::Fd& file, const OpenWith& with,
                                 const std::function<base::Result<void>(ByteView)>& sink) {
  std::array<std::byte, kIntro.size()> start{};
  const auto n = base::read_at(file.get(), 0, start);
  if (!n) return n.error();
  if (base::as_text(start) == kIntro) {
    FileBytes binary(file.get());
    return open_from([&](std::span<std::byte> out) { return binary.read(out); }, with, sink);
  }
  ArmorBytes armored(file.get());
  return open_from([&](std::span<std::byte> out) { return armored.read(out); }, with, sink);
}

}  // namespace keys
