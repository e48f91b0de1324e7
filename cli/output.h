// Output: everything that a command writes. Results go to stdout and nothing else does; errors, hints, warnings and
// progress go to stderr. Names come from strangers: no text reaches a terminal but through escaped().
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/path.h"
#include "base/secret.h"

namespace cli {

// Control characters (also DEL and U+0080 to U+009F), characters that turn the direction of writing, and backslashes
// become \n, \x1b, \u{202e}, \\; bytes that are not UTF-8 become \xff.
std::string escaped(std::string_view foreign);

// All of `text` on stdout, or an error (a full disk, a reader that went away).
base::Result<void> print(std::string_view text);

// The same, with the next secret in each place where `text` says kSecretMark. The secrets never pass a buffer of ours.
constexpr std::string_view kSecretMark = "<password>";
base::Result<void> print_with_secrets(std::string_view text, const std::vector<const base::SecretBytes*>& secrets);
// Into a new file, 0600, synced; its folder is not. An error: it exists, and stays what it is, or nothing is there.
base::Result<void> write_new_file(const base::Path& path, std::string_view text,
                                  const std::vector<const base::SecretBytes*>& secrets);

// Lines on stderr: "callvault: error: ...", and the same with "hint", "warning" and "note".
void say_error(std::string_view what);
void say_hint(std::string_view what);
void say_warning(std::string_view what);
void say_note(std::string_view what);

// Columns as wide as their widest cell. The cells are escaped here.
std::string table(const std::vector<std::string>& headings, const std::vector<std::vector<std::string>>& rows);

std::string human_size(std::uint64_t bytes);   // "512 B", "1.4 MiB"
std::string time_or_dash(base::Seconds time);  // RFC 3339, "-" for 0

// "17 of 400 files" on one line of stderr while long work runs, only when that is a terminal.
class Progress {
 public:
  Progress(std::string_view unit, std::size_t total);  // total 0: not known
  ~Progress();                                         // clears the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void step();
  void at(std::size_t done, std::size_t total);  // when somebody else counts

 private:
  void show();

  std::string unit_;
  std::size_t total_;
  std::size_t done_ = 0;
  std::int64_t shown_ms_ = 0;
  bool terminal_;
};

}  // namespace cli
