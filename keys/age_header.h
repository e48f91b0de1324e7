// age header <-> struct, and its MAC. Pure; the specification is https://c2sp.org/age (v1).
// Parsing is strict: what parses and is printed again gives the same bytes.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace keys {

constexpr std::size_t kFileKey = 16;
constexpr std::size_t kOneX25519Header = 168;  // a header with exactly one X25519 stanza has this size

struct Stanza {
  std::vector<std::string> args;  // the first is the type; each 1 or more bytes of 33..126
  base::Bytes body;
};

struct AgeHeader {
  std::vector<Stanza> stanzas;  // at least one
  base::Bytes mac;              // 32 bytes
};

struct ParsedHeader {
  AgeHeader header;
  std::size_t size;        // bytes of the header in the input, final newline included: the payload starts here
  std::size_t mac_covers;  // bytes from the start that the MAC is computed over, up to and with "---"
};

// Reads a header from the start of `in`, which may go on with the payload.
// Fault::damaged for anything that is not a v1 header, and when it is longer than 1 MiB.
base::Result<ParsedHeader> parse_age_header(base::ByteView in);

base::Bytes print_age_header(const AgeHeader& header);

// Prints the header for these stanzas with the MAC under the file key.
base::Result<base::Bytes> make_age_header(const base::SecretBytes& file_key, const std::vector<Stanza>& stanzas);

// Fault::damaged when the MAC is not that of the file key. `in` are the bytes that `parsed` was read from.
base::Result<void> verify_age_mac(const base::SecretBytes& file_key, base::ByteView in, const ParsedHeader& parsed);

}  // namespace keys
