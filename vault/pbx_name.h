// PBX name: what a recorder's file name and path say about a call. Pure; the conventions stand in docs/pbx-names.md.
// Scans by hand from the right; never guesses silently: doubt is marked.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace vault {

struct CallFacts {         // texts are raw, but valid UTF-8: invalid bytes were replaced
  std::string convention;  // "freepbx", "asterisk", "asterisk-voicemail", "fusionpbx", "freeswitch", "oreka",
                           // "rtpengine", "vicidial", "amazon-connect"; empty when it came from a meta file
  std::optional<base::Seconds> started_at;
  std::string from, to, agent, direction, reference, group;  // direction: "in", "out", "internal" or empty
  std::string category;                                      // "message" for voicemail, else empty
  // Local time in the doubled or missing hour, epoch and date more than a day apart, a day only (then its last second),
  // or a number that may not be a time.
  bool time_uncertain = false;
  // The separator stands inside a number field too: `from` and `to` both hold the raw text of all of them.
  bool parties_uncertain = false;
};

// `path`: the file's path below the recorder's folder, or just its name; at most its last 4 KiB are looked at, names
// over 255 bytes match nothing. `zone`: IANA name for local times ("Europe/London"), from the configuration; when it is
// unknown, local times are left out and marked. nullopt: no convention matches.
std::optional<CallFacts> parse_pbx_name(std::string_view path, const std::string& zone);

}  // namespace vault
