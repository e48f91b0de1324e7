// Inside of Catalog, for its .cpp files only: the connection, and how its exceptions become errors.
#pragma once

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <map>
#include <memory>

#include "vault/catalog.h"

namespace vault {

// A statement that is prepared once and executed often: for the small ones on a customer's way, preparing is most of
// the work. Its values keep their places, which the library binds to.
class Kept {
 public:
  Kept(soci::session& sql, const char* query) : st_(sql), query_(query) {}

  Kept& set(const char* name, const std::string& value) { return bind(texts_, name, value); }
  Kept& set(const char* name, long long value) { return bind(numbers_, name, value); }
  // Where the columns of a row go; the first time only. REQUIRES that it lives as long as this.
  template <class T>
  Kept& into(T& where) {
    if (!prepared_) st_.exchange(soci::into(where));
    return *this;
  }

  int execute();  // a change: the number of rows
  // The one row that there is. Reads on to the end: a statement in the middle holds a view of the database.
  bool fetch();
  bool failed() const { return running_; }  // it threw: it is of no use any more, and may hold such a view

 private:
  template <class T>
  Kept& bind(std::map<std::string, T>& values, const char* name, const T& value) {
    T& place = values[name];
    place = value;
    if (!prepared_) st_.exchange(soci::use(place, name));
    return *this;
  }
  void prepare();

  soci::statement st_;
  const char* query_;
  bool prepared_ = false;
  bool running_ = false;
  std::map<std::string, std::string> texts_;
  std::map<std::string, long long> numbers_;
};

struct RecordingInto;

struct Catalog::State {
  soci::session sql;
  bool inside = false;                     // a transaction is open
  std::map<const char*, Kept> statements;  // by the literal that they come from
  std::string text;                        // columns of kept statements
  long long number = 0;
  std::shared_ptr<RecordingInto> recording;  // the columns of another one

  Kept& kept(const char* query) {
    const auto found = statements.find(query);
    if (found != statements.end() && found->second.failed()) statements.erase(found);
    return statements.try_emplace(query, sql, query).first->second;
  }
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
