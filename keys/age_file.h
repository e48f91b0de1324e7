// age file: any age v1 file as stock age writes it (binary or ASCII armor), opened in one forward pass.
#pragma once

#include <functional>

#include "keys/identity.h"

namespace keys {

// True when the bytes start as an age file does, binary or armored (white space may come before armor).
bool is_age_file(base::ByteView start);

struct OpenWith {
  const Identity* identity = nullptr;  // tried on X25519 stanzas
  AskPassphrase ask;                   // asked when the file has a scrypt stanza
};

// Plaintext goes to `sink` chunk by chunk, each only after its tag was verified. On an error the caller throws away
// what it got. Faults: denied (wrong key or passphrase), damaged (not an age file, cut, flipped).
base::Result<void> open_age_file(const base::Fd& file, const OpenWith& with,
                                 const std::function<base::Result<void>(base::ByteView)>& sink);

}  // namespace keys
