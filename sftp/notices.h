// Notices: what callvault tells people who connect. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"

namespace sftp {

constexpr std::string_view kReadMeName = "READ-ME-FIRST.txt";
constexpr std::string_view kSumsName = "SHA256SUMS";

// Before login, the same for everybody: files of a delivery are deleted once they are downloaded. Ends with a newline.
std::string banner();

// READ-ME-FIRST.txt: what happens when a file is downloaded, until when, how to check and resume, clients not to mount
// with, and a checkpoint of the audit log. CR LF line ends, since many readers use Windows.
struct ReadMe {
  std::string access;
  std::size_t files = 0;
  std::uint64_t bytes = 0;
  base::Seconds ends = 0;
  std::string checkpoint;
  bool erases = true;  // false for grants and standing log-ins
};
std::string read_me(const ReadMe& facts);

// SHA256SUMS as sha256sum -c reads it ("HEX  name", LF; names with a backslash or newline cannot occur).
struct Sum {
  std::string sha256;
  std::string name;
};
std::string sums(const std::vector<Sum>& files);

}  // namespace sftp
