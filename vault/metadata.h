// Metadata: what is known of a call, sealed as a second age payload under the recording's file key. Pure.
// Text: a first line "callvault/v1/metadata", then one JSON object. Holds personal data: the caller wipes what it
// opens.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace vault {

struct Metadata {
  // Repeated from the recording, so that no column can be swapped unnoticed.
  std::string recording;
  std::string klass;     // "own" or "customer"
  std::string customer;  // empty for own
  std::string category;
  base::Seconds call_time = 0;
  std::uint64_t size = 0;  // plaintext bytes
  std::string sha256;      // of the plaintext, hex
  std::uint64_t version = 1;

  // What the recorder said. Raw text, any bytes that are valid UTF-8 (others were replaced by U+FFFD).
  std::string name;        // original file name
  std::string convention;  // "freepbx", ..., "" when unknown
  std::string from, to, agent, direction, reference, group;
  bool time_is_ingest = false;  // no call time was known: call_time is the time of ingest
  bool time_uncertain = false;
  bool parties_uncertain = false;
  std::string sidecar;  // raw side file, if there was one

  friend bool operator==(const Metadata&, const Metadata&) = default;
};

base::Bytes print_metadata(const Metadata& metadata);
base::Result<Metadata> parse_metadata(base::ByteView text);  // Fault::damaged

// Replaces invalid UTF-8 by U+FFFD and cuts to `max` bytes at a character.
std::string clean_utf8(std::string_view raw, std::size_t max = 1024);

}  // namespace vault
