// TempVault: a whole vault in a folder of its own, with both identities, a clock that stands still, and a folder of
// sources. It can be closed, opened again over other Files, saved and put back, edited behind its back, and searched.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/testkit/fake_clock.h"
#include "tests/testkit/temp_folder.h"
#include "vault/check.h"
#include "vault/deliver.h"
#include "vault/ingest.h"

namespace testkit {

// A WAV file whose sizes agree, `samples` bytes behind its 44-byte header; other seeds, other samples.
base::Bytes wav(std::size_t samples, unsigned seed = 1);

class TempVault {
 public:
  TempVault();  // one customer, "acme", is there
  ~TempVault();

  vault::Vault& operator*();  // opens it when it is closed
  vault::Vault* operator->() { return &**this; }
  void close() { open_.reset(); }
  void reopen(base::Files& files = base::system_files());
  base::Result<vault::Vault> try_open(base::Files& files = base::system_files());  // another one beside it

  base::Path folder() const { return temp_.path() / "vault"; }
  base::Path sources() const { return temp_.path() / "sources"; }
  base::Path operator/(const char* name) const { return folder() / name; }
  FakeClock clock;

  keys::Identity it_manager() const;
  keys::Identity recovery() const;
  vault::Actor actor();

  // Tech Managers are not made by init: one joins with version 2 of the roster, signed by the IT Manager.
  keys::Identity add_tech_manager();
  std::vector<keys::RoleHolder> holders();
  void put_roster(std::string_view note);

  // A source that was last changed a minute ago. `name` may have folders in it.
  base::Path source(const std::string& name, base::ByteView content);
  vault::IngestOutcome ingest(const base::Path& source, const std::string& customer = "acme");  // "" = class own
  std::string recording(unsigned seed, std::size_t samples = 3000, const std::string& customer = "acme");  // its id
  vault::Delivery deliver(const std::vector<std::string>& ids);
  void mark_delivered(const vault::Delivery& delivery, base::Seconds linger_until = 0);  // every item of it
  // What the password of a delivery makes; needs the access's row.
  keys::Identity key_of(const vault::Delivery& delivery);

  base::Result<base::Bytes> read(const std::string& id, const keys::Identity& identity);  // the audio
  bool whole(const std::string& id);  // opens with the IT Manager's identity, every hash equal
  // No header, no metadata, no object, no erase secret, and its source is forgotten.
  ::testing::AssertionResult gone(const std::string& id);
  // What check finds, warnings left out: "" when there is no damage, else a line each.
  std::string damage(bool read_objects = true);

  // Runs SQL on a connection of its own, without foreign keys; rows joined by newlines, columns by '|'.
  std::string sql(const std::string& statements);

  // The catalogue as an older program left it: what the migrations from `version` on made is taken back.
  void older_schema(std::size_t version);

  using Saved = std::map<std::string, base::Bytes>;  // path below the folder -> content
  Saved save();                                      // closes the vault first
  void put_back(const Saved& saved);
  bool holds(base::ByteView needle) const;  // in any file of the vault, as raw bytes

 private:
  TempFolder temp_;
  std::optional<vault::Vault> open_;
};

}  // namespace testkit
