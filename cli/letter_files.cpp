#include "cli/letter_files.h"

#include <boost/filesystem/operations.hpp>

#include "cli/output.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;

namespace {

std::string day(base::Seconds time) { return base::rfc3339(time).substr(0, 10); }

bool lies_in(const base::Path& path, const base::Path& folder) {
  boost::system::error_code code;
  const base::Path at = boost::filesystem::weakly_canonical(boost::filesystem::absolute(path), code);
  const base::Path below = at.lexically_relative(boost::filesystem::weakly_canonical(folder, code));
  return !below.empty() && *below.begin() != "..";
}

std::string contents_of(const vault::Delivery& d) {
  const std::string count =
      std::to_string(d.recordings) + (d.recordings == 1 ? " recording" : " recordings") + ", " + human_size(d.bytes);
  if (!d.collecting) return count;
  return (d.recordings == 0 ? "" : count + ", and ") + std::string("what comes in until it is fetched");
}

std::string order_of(const vault::Delivery& d) {
  if (!d.collecting) return "";
  std::string text =
      "This delivery takes in new recordings until it is fetched for the first time. The password is\n"
      "not valid yet as long as nothing is in it.";
  if (d.number > 1)
    text += " It opens when delivery " + std::to_string(d.number - 1) + " of " + std::to_string(d.of) +
            "\nhas been fetched, or has ended in another way.";
  return text + "\n\n";
}

std::string session_words(const vault::Config& config, const LetterFolder::Session& session) {
  return "- The password opens one download session of at most " +
         std::to_string((config.claim_longest + 3599) / 3600) + " hours" +
         (session.any_address ? "" : ", from one network") + ". A download that\n  broke off can be resumed in it. " +
         (session.strict ? "One connection at a time."
                         : "Up to " + std::to_string(config.claim_connections) + " connections at once are fine.") +
         "\n";
}

std::string letter_for(const vault::Delivery& d, const Address& address, const HostKeys& keys,
                       const std::string& sender, base::Seconds now, const std::string& checkpoint,
                       const std::string& about_session) {
  const std::string port = std::to_string(address.port);
  std::string text = escaped(sender) + "\n" + day(now) + "\n\nCall recordings for " + d.account + "\n\n";
  text += "Your recordings can be fetched from our SFTP server. The password comes on another way.\n\n";
  text += "  delivery  " + d.id;
  if (d.of > 1) text += " (" + std::to_string(d.number) + " of " + std::to_string(d.of) + ")";
  text += "\n";
  text += "  contents  " + contents_of(d) + "\n";
  text += "  host      " + address.host + "\n";
  text += "  port      " + port + "\n";
  text += "  account   " + d.account + "\n";
  text += host_key_lines(keys);
  text += "  until     " + base::rfc3339(d.expires) + " (UTC) for the first log-in\n\n";
  text += order_of(d);
  text +=
      "Please read this before you begin:\n\n"
      "- Each recording is DELETED on our server as soon as you have downloaded it, for good. Make sure\n"
      "  that there is enough free space, and keep what you download.\n" +
      about_session +
      "- Do not mount the folder (network drives, sshfs, rclone mount): a preview that reads a file to\n"
      "  its end has downloaded it.\n"
      "- SHA256SUMS in the folder lets you check what you have.\n\n";
  text +=
      "WinSCP\n"
      "  1. New Site: file protocol SFTP, host name " +
      address.host + ", port number " + port + ", user name " + d.account +
      ".\n"
      "  2. Log in. At the first connection compare the host key fingerprint with the one above.\n"
      "  3. Mark all files on the right side, and choose Download.\n\n";
  text +=
      "FileZilla\n"
      "  1. File, Site Manager, New Site: protocol SFTP, host " +
      address.host + ", port " + port + ", logon type \"Ask for password\",\n     user " + d.account +
      ".\n"
      "  2. Connect. At the first connection compare the fingerprint with the one above.\n"
      "  3. Mark all files on the right side, and drag them to the left one.\n\n";
  text +=
      "sftp (Linux, macOS, Windows 10 and newer: in a terminal, in the folder where the files shall go)\n"
      "  " +
      sftp_command(d.account, address) +
      "\n"
      "  At the first connection compare the fingerprint with the one above. Then:\n"
      "  get -r .\n\n";
  text += "Newest checkpoint of our audit log. Keep it: it proves later that nothing was cut off the log.\n\n";
  return text + indented(checkpoint);
}

std::string sheet_for(const vault::Delivery& d) {
  std::string text = "Password for delivery " + d.id + "\n\n";
  text += "  account   " + d.account + "\n";
  text += "  password  " + std::string(kSecretMark) + "\n\n";
  text +=
      "It works for one download session. Capitals and dashes do not matter. Send this sheet on another way\n"
      "than the letter, and delete the file then: the password stands nowhere else.\n";
  return text;
}

}  // namespace

Result<LetterFolder> LetterFolder::open(const vault::Vault& vault, const std::string& folder) {
  const Address address = public_address(vault);
  if (address.host.empty() || address.port == 0)
    return Error{Fault::failed,
                 "letters must name the address: set public_host and public_port in callvault.toml, or start "
                 "callvaultd"};
  auto keys = host_keys(vault);
  if (!keys) return keys.error();
  if (lies_in(folder, vault.folder()))
    return Error{Fault::usage, "passwords do not belong into the vault's folder: take another one for --letters"};
  boost::system::error_code code;
  if (base::exists(folder) && !boost::filesystem::is_directory(folder, code))
    return Error{Fault::usage, "--letters names something that is no folder"};
  if (auto r = base::system_files().make_folder(folder); !r)
    return Error{Fault::failed, "folder of --letters: " + r.error().what};
  return LetterFolder(folder, address, std::move(*keys));
}

Result<LetterFiles> LetterFolder::write(vault::Vault& vault, const vault::Delivery& delivery,
                                        const Session& session) const {
  const auto checkpoint = vault.audit().checkpoint();
  if (!checkpoint) return checkpoint.error();
  const base::Path letter = folder_ / (delivery.account + "-" + delivery.id + ".letter.txt");
  const base::Path sheet = folder_ / (delivery.account + "-" + delivery.id + ".password.txt");
  base::Files& files = base::system_files();
  const vault::Config& config = vault.config();
  const std::string text = letter_for(delivery, address_, host_keys_, config.operator_name, vault.clock().now(),
                                      *checkpoint, session_words(config, session));
  if (auto r = write_new_file(letter, text, {}); !r) return r.error().at("letter");
  auto done = write_new_file(sheet, sheet_for(delivery), {&delivery.password});
  if (done) {
    done = files.sync_folder(folder_);
    if (!done) (void)files.remove(sheet);
  }
  if (done) return LetterFiles{letter.string(), sheet.string()};
  (void)files.remove(letter);  // at the end of a failure: there is no one to tell
  return done.error().at("sheet with the password");
}

}  // namespace cli
