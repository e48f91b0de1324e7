// How ingest and watch show what became of a file. Its name is foreign text.
#pragma once

#include <string>

#include "vault/ingest.h"

namespace cli {

std::string outcome_json(const vault::IngestOutcome& outcome);  // one object on one line
std::string outcome_line(const vault::IngestOutcome& outcome);

}  // namespace cli
