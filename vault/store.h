// Step 3 of 7: store. Encrypted objects by recording id; this file alone knows where they lie: objects/ab/ID, where ab
// are the first two characters behind the "r-" of the id. An object is written once, never changed, and removed by
// erasure. An upload grows in objects/incoming/ID, whose files belong to the daemon; once it is held, it moves.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/files.h"

namespace vault {

class Store {
 public:
  explicit Store(base::Path folder, base::Files& files) : folder_(std::move(folder)), files_(&files) {}

  // All refuse an id that new_id() cannot have made (Fault::damaged).
  // A new object to append to through files(). Fails when it exists.
  base::Result<base::Fd> create(const std::string& id);
  // A hint: the disk begins with a written object now, so that the commit of several waits for all at once rather than
  // for one after the other.
  static void begin_commit(const base::Fd& object);
  // Data and names of all of them (id -> descriptor) are on the device.
  using Objects = std::map<std::string, int>;
  base::Result<void> commit(const Objects& objects);
  base::Result<void> commit(const std::string& id, const base::Fd& object) { return commit({{id, object.get()}}); }
  base::Result<base::Fd> open(const std::string& id) const;     // Fault::damaged when it is missing
  base::Result<void> remove(const std::set<std::string>& ids);  // missing ones are fine; synced at the end
  base::Result<std::vector<std::string>> ids() const;           // incoming ones left out

  // Uploads. One that is held can be opened before it has moved.
  base::Result<base::Fd> create_incoming(const std::string& id);
  base::Result<void> commit_incoming(const base::Fd& object);  // data and name are on the device
  base::Result<void> move_incoming(const std::string& id);     // to where ids() finds it
  base::Result<void> remove_incoming(const std::string& id);   // missing is fine; not synced
  base::Result<std::vector<std::string>> incoming() const;
  base::Files& files() const { return *files_; }

 private:
  base::Path folder_of(const std::string& id) const;
  base::Result<void> make(const base::Path& folder);  // below folder_, durable
  base::Path path_of(const std::string& id) const { return folder_of(id) / id; }
  base::Path incoming_folder() const { return folder_ / "incoming"; }

  base::Path folder_;
  base::Files* files_;
};

// "r-" or another letter and a dash, then 16 characters of 80 random bits. Ids are random: nothing can be learned from
// them.
std::string new_id(char kind);
bool valid_id(std::string_view id);

}  // namespace vault
