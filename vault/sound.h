// Sound: can this file be a recording? Looks at the first bytes only. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace vault {

// The reason to quarantine a file, or nullopt when it can be a recording. Reasons: empty file, bare WAV header (44
// bytes or less, or a data chunk of 0 bytes), RIFF sizes that disagree with the file's size (cut, or still being
// written), a capture or note that is no audio (.pcap .meta .mcf .txt .json .xml .csv). `head` are the first bytes, at
// most 4 KiB.
std::optional<std::string> quarantine_reason(std::string_view file_name, std::uint64_t size, base::ByteView head);

}  // namespace vault
