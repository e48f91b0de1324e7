// Letter: what the operator hands on to a customer: where to fetch, under which account, and the password, shown once.
#pragma once

#include <string>
#include <vector>

#include "vault/deliver.h"

namespace cli {

// Where cli/letter_files wrote a letter and its password: paths.
struct LetterFiles {
  std::string letter, sheet;
};

// Prints new deliveries: JSON, or a letter each, with their passwords. On an error the passwords may be lost: a
// delivery is then reissued. With `files`, one for each, no password: where it was written.
base::Result<void> print_deliveries(vault::Vault& vault, const std::vector<vault::Delivery>& deliveries, bool json,
                                    const std::vector<LetterFiles>& files = {});

// Where customers connect to: the configuration's public_host and public_port, else what the running daemon wrote to
// run/address; empty and 0 when that is not known.
struct Address {
  std::string host;
  int port = 0;
};
Address public_address(const vault::Vault& vault);

// What the server shows: fingerprints, "SHA256:...".
struct HostKeys {
  std::string present;
  std::string next;  // announced before it is in use; empty: there is none
};
base::Result<HostKeys> host_keys(const vault::Vault& vault);

// Parts of every letter: a line for each host key, how to connect with OpenSSH, a text set in by two columns, and on
// stderr what is missing for people to find the server.
std::string host_key_lines(const HostKeys& keys);
std::string sftp_command(const std::string& account, const Address& address);
std::string indented(std::string_view text);
void hint_about(const Address& address);

}  // namespace cli
