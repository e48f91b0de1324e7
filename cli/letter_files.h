// Letter files: what goes to customers on paper or by mail: for each delivery a letter, and its password on a sheet of
// its own, so that the two can take different ways.
#pragma once

#include <string>

#include "cli/letter.h"

namespace cli {

class LetterFolder {
 public:
  // Makes the folder, 0700, unless it is there. Fault::usage: it is no folder, or lies in the vault's; Fault::failed:
  // it cannot be made, or the address that a letter must name is not known.
  static base::Result<LetterFolder> open(const vault::Vault& vault, const std::string& folder);

  // Both files, 0600, under names of their own; on the disk when this returns, and none of them after an error.
  struct Session {  // the claim that the password opens
    bool strict = false, any_address = false;
  };
  base::Result<LetterFiles> write(vault::Vault& vault, const vault::Delivery& delivery, const Session& session) const;

 private:
  LetterFolder(base::Path folder, Address address, HostKeys keys)
      : folder_(std::move(folder)), address_(std::move(address)), host_keys_(std::move(keys)) {}
  base::Path folder_;
  Address address_;
  HostKeys host_keys_;
};

}  // namespace cli
