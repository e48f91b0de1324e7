#include "sftp/notices.h"

namespace sftp {

namespace {

std::string with_windows_line_ends(std::string_view text) {
  std::string out;
  for (const char c : text) out.append(c == '\n' ? "\r\n" : std::string(1, c));
  return out;
}

constexpr std::string_view kErased =
    "Each file is deleted on the server as soon as it is downloaded, at once and for good.\n"
    "\n"
    "1. Make sure that there is enough free space before you begin.\n"
    "2. Download the files with an SFTP client (for example sftp, WinSCP, FileZilla, curl).\n"
    "   A download that broke off can be resumed with the same password. Files that were\n"
    "   not downloaded to their end stay.\n"
    "3. Check what you got (below) and keep it safe: the server has no other copy for you.\n"
    "   Files that are gone still show in the listing until the end; they cannot be opened.\n"
    "\n"
    "Do not mount this folder (sshfs, rclone mount, network drives): a preview or an indexer\n"
    "that reads a file to its end has downloaded it.\n";

constexpr std::string_view kKept =
    "Nothing is deleted when you download it: until then files can be read as often as needed.\n"
    "Each log-in, and each recording that is read, is named in the server's audit log.\n";

}  // namespace

std::string banner() {
  return "This server hands out call recordings to authorised recipients only.\n"
         "Files of a delivery are DELETED once they are downloaded: see READ-ME-FIRST.txt.\n";
}

std::string read_me(const ReadMe& facts) {
  std::string out = "READ ME FIRST\n\n";
  out += (facts.erases ? "Delivery:        " : "Access:          ") + facts.access + "\n";
  out += "Recordings:      " + std::to_string(facts.files) + " (" + std::to_string(facts.bytes) + " bytes)\n";
  out += "Available until: " + base::rfc3339(facts.ends) + " (UTC)\n\n";
  out += facts.erases ? kErased : kKept;
  out += "\nTo check: download SHA256SUMS too, and run in the folder of the files\n\n    sha256sum -c SHA256SUMS\n\n";
  out += "This file and SHA256SUMS can be read as often as you like.\n";
  if (!facts.checkpoint.empty())
    out +=
        "\nCheckpoint of the server's audit log, as of when this file was made. Keep it: it proves\nlater that nothing "
        "before it was cut off the log.\n\n" +
        facts.checkpoint + (facts.checkpoint.ends_with('\n') ? "" : "\n");
  return with_windows_line_ends(out);
}

std::string sums(const std::vector<Sum>& files) {
  std::string out;
  for (const Sum& file : files) out += file.sha256 + "  " + file.name + "\n";
  return out;
}

}  // namespace sftp
