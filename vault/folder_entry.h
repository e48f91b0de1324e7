// Folder entry: how one recording shows in the folder of an access. Sealed to the access's key on its own, beside the
// recording's header, so that the name still shows (as a tombstone) until the claim ends, after the recording's keys
// are gone. Pure. Layout in docs/format.md.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace vault {

struct FolderEntry {
  std::string name;         // safe, unique in the folder
  std::uint64_t size = 0;   // plaintext bytes
  base::Seconds mtime = 0;  // the call time
  std::string sha256;       // of the plaintext, hex
  friend bool operator==(const FolderEntry&, const FolderEntry&) = default;
};

base::Bytes print_entry(const FolderEntry& entry);
base::Result<FolderEntry> parse_entry(base::ByteView bytes);  // Fault::damaged

}  // namespace vault
