// Sidecar: what a file beside the recording says about the call. Pure. Foreign text: at most 64 KiB, nothing is
// guessed.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "vault/pbx_name.h"

namespace vault {

// Asterisk's msgNNNN.txt. Fault::usage: no [message] section, a doubled key (a caller's name may have brought it), or
// too long. A time that is no number leaves started_at empty and marks it.
base::Result<CallFacts> parse_voicemail_txt(std::string_view text);

// The JSON of `ingest --meta`: one object of strings, each of started_at (RFC 3339, UTC), from, to, agent, direction,
// reference, name, category at most once. Fault::usage for anything else.
struct MetaFile {
  CallFacts facts;
  std::string name;
};
base::Result<MetaFile> parse_meta_json(std::string_view text);

}  // namespace vault
