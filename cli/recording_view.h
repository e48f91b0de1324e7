// Recording view: one recording as list and show print it. Without metadata only what stands in the clear columns.
#pragma once

#include <string>
#include <vector>

#include "vault/catalog.h"
#include "vault/metadata.h"

namespace cli {

enum class Detail { line, everything };

// A JSON object. Detail::line: the fields of list, "name" only with metadata; everything: all metadata too.
std::string recording_json(const vault::RecordingRow& row, const vault::Metadata* metadata, Detail detail);

// What everything has beyond a line, for people: "from: 0123", a line each, escaped.
std::string metadata_lines(const vault::Metadata& metadata);

}  // namespace cli
