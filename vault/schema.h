// Schema: the tables of the catalogue as numbered migrations, and the settings every connection makes.
#pragma once

#include <string>
#include <vector>

namespace vault {

// Statements of migration 1, 2, ... A catalogue of version n needs those behind n; a newer one is refused.
const std::vector<std::vector<std::string>>& migrations();

// Settings of a SQLite connection: WAL, durable at commit, deleted rows overwritten, foreign keys.
const std::vector<std::string>& connection_settings();

}  // namespace vault
