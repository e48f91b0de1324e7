// Inside of Catalog, for its .cpp files only: the connection, and how its exceptions become errors.
#pragma once

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include "vault/catalog.h"

namespace vault {

struct Catalog::State {
  soci::session sql;
  bool inside = false;  // a transaction is open
};

base::Error database_error(const char* step, const soci::soci_error& error);

// Runs `work`, turning the library's exceptions into an error named after `step`.
template <class Work>
auto guarded(const char* step, Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const soci::soci_error& error) {
    return database_error(step, error);
  }
}

}  // namespace vault
