#include "tests/testkit/temp_vault.h"

#include <sqlite3.h>

#include <algorithm>
#include <boost/filesystem/operations.hpp>
#include <iterator>
#include <sstream>

#include "keys/kdf.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "vault/customer.h"
#include "vault/erase.h"
#include "vault/init.h"
#include "vault/open_recording.h"
#include "vault/schema.h"

namespace testkit {

namespace fs = boost::filesystem;
using base::Bytes, base::ByteView, base::Fault, base::Files, base::Path, base::Result;

namespace {

constexpr std::size_t kMost = std::size_t{1} << 28;
constexpr unsigned kWeak = 10;  // scrypt work factor: tests need no slow one

void put_little(Bytes& out, std::size_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

struct Connection {
  explicit Connection(const Path& file) {
    if (sqlite3_open(file.c_str(), &db) != SQLITE_OK) std::abort();
    sqlite3_busy_timeout(db, 30'000);
  }
  ~Connection() { sqlite3_close(db); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  sqlite3* db = nullptr;
};

int add_row(void* out, int columns, char** values, char**) {
  auto& text = *static_cast<std::string*>(out);
  if (!text.empty()) text += '\n';
  for (int i = 0; i < columns; ++i) text += std::string(i == 0 ? "" : "|") + (values[i] == nullptr ? "" : values[i]);
  return 0;
}

keys::Identity read_identity(const Path& file) {
  return must(
      keys::read_identity(file, [] { return base::SecretBytes::copy_of(base::as_bytes("a long passphrase")); }));
}

}  // namespace

Bytes wav(std::size_t samples, unsigned seed) {
  Bytes out = base::to_bytes("RIFF");
  put_little(out, 36 + samples, 4);
  base::put_raw(out, base::as_bytes("WAVEfmt "));
  for (const auto& [value, bytes] :
       {std::pair<std::size_t, int>{16, 4}, {1, 2}, {1, 2}, {8000, 4}, {8000, 4}, {1, 2}, {8, 2}})
    put_little(out, value, bytes);
  base::put_raw(out, base::as_bytes("data"));
  put_little(out, samples, 4);
  std::uint32_t x = seed;
  for (std::size_t i = 0; i < samples; ++i) out.push_back(static_cast<std::byte>((x = x * 1664525 + 1013904223) >> 24));
  return out;
}

// Hundreds of vaults need not wait for a disk.
TempVault::TempVault() : temp_(TempFolder::in_memory()) {
  fs::create_directory(sources());
  must(vault::init({folder(), "Example Telecom", temp_.path() / "it-manager.age", temp_.path() / "recovery.txt"},
                   secret("a long passphrase"), clock, base::system_files(), kWeak));
  must(vault::add_customer(**this, actor(), "acme", "Acme Ltd", 0));
}

TempVault::~TempVault() = default;

vault::Vault& TempVault::operator*() {
  if (!open_) reopen();
  return *open_;
}

void TempVault::reopen(Files& files) {
  close();
  open_.emplace(must(try_open(files)));
}

Result<vault::Vault> TempVault::try_open(Files& files) { return vault::Vault::open(folder(), clock, files); }

keys::Identity TempVault::it_manager() const { return read_identity(temp_.path() / "it-manager.age"); }
keys::Identity TempVault::recovery() const { return read_identity(temp_.path() / "recovery.txt"); }
vault::Actor TempVault::actor() { return must(vault::recognise(**this, it_manager())); }

std::vector<keys::RoleHolder> TempVault::holders() { return (*this)->roster().holders(); }

void TempVault::put_roster(std::string_view note) {
  close();
  put_file(folder() / vault::file::kRoster, base::as_bytes(note));
}

keys::Identity TempVault::add_tech_manager() {
  auto tech = must(keys::Identity::generate());
  auto all = holders();
  all.push_back({keys::Role::tech_manager, "tech", tech.recipient(),
                 must(keys::NoteSigner::create("tech", *tech.signing_seed())).verifier()});
  put_roster(must(keys::Roster::make(2, all, actor().signer)));
  return tech;
}

Path TempVault::source(const std::string& name, ByteView content) {
  const Path path = sources() / name;
  fs::create_directories(path.parent_path());
  put_file(path, content);
  fs::last_write_time(path, clock.now() - 60);
  return path;
}

vault::IngestOutcome TempVault::ingest(const Path& source, const std::string& customer) {
  vault::IngestRequest request;
  request.klass = customer.empty() ? "own" : "customer";
  request.customer = customer;
  return vault::ingest_file(**this, source, {}, request);
}

std::string TempVault::recording(unsigned seed, std::size_t samples, const std::string& customer) {
  const auto outcome = ingest(source("call-" + std::to_string(seed) + ".wav", wav(samples, seed)), customer);
  if (outcome.error) must(Result<void>(*outcome.error));
  return outcome.id;
}

vault::Delivery TempVault::deliver(const std::vector<std::string>& ids) {
  vault::DeliveryRequest request;
  request.customer = "acme";
  request.recordings = ids;
  return must(vault::deliver(**this, actor(), request));
}

void TempVault::mark_delivered(const vault::Delivery& delivery, base::Seconds linger_until) {
  std::vector<vault::DeliveredItem> items;
  for (const auto& item : must((*this)->catalog().items(delivery.id)))
    items.push_back({item.access, item.position, item.recording, linger_until});
  must(vault::mark_delivered(**this, items));
}

keys::Identity TempVault::key_of(const vault::Delivery& delivery) {
  const auto statement = must(vault::verified_access(**this, must((*this)->catalog().access(delivery.id))));
  return must(must(keys::Password::parse(delivery.password.reveal())).derive(statement.terms));
}

Result<Bytes> TempVault::read(const std::string& id, const keys::Identity& identity) {
  const auto recording = vault::open_recording(**this, id, identity);
  if (!recording) return recording.error();
  auto audio = vault::open_audio(**this, *recording);
  if (!audio) return audio.error();
  Bytes out(static_cast<std::size_t>(audio->size()));
  if (auto r = audio->read(0, out); !r) return r.error();
  if (base::hex(keys::sha256(out)) != recording->metadata.sha256)
    return base::Error{Fault::damaged, "the audio is not the one in the metadata"};
  return out;
}

bool TempVault::whole(const std::string& id) { return static_cast<bool>(read(id, it_manager())); }

::testing::AssertionResult TempVault::gone(const std::string& id) {
  auto& catalog = (*this)->catalog();
  const auto row = must(catalog.recording(id));
  if (row.state != "erased") return ::testing::AssertionFailure() << "state " << row.state;
  if (!must(catalog.recipients_of(id)).empty()) return ::testing::AssertionFailure() << "a header is there";
  if (must(catalog.metadata(id))) return ::testing::AssertionFailure() << "its metadata is there";
  const auto objects = must((*this)->store().ids());
  if (std::ranges::count(objects, id) != 0) return ::testing::AssertionFailure() << "its object is there";
  const auto secret = (*this)->slots().read(row.columns.slot);
  if (secret || secret.error().fault != Fault::not_found)
    return ::testing::AssertionFailure() << "its erase secret is there";
  if (sql("SELECT source_key IS NULL FROM recording WHERE id = '" + id + "'") != "1")
    return ::testing::AssertionFailure() << "its source is remembered";
  return ::testing::AssertionSuccess();
}

std::string TempVault::damage(bool read_objects) {
  vault::CheckRequest request;
  request.read_objects = read_objects;
  std::string text;
  for (const auto& finding : must(vault::check(**this, request)))
    if (finding.weight == vault::Finding::Weight::damage) text += finding.what + "\n";
  return text;
}

std::string TempVault::sql(const std::string& statements) {
  const Connection connection(folder() / vault::file::kCatalog);
  std::string rows;
  char* error = nullptr;
  if (sqlite3_exec(connection.db, statements.c_str(), add_row, &rows, &error) != SQLITE_OK) {
    std::fprintf(stderr, "%s: %s\n", statements.c_str(), error);
    std::abort();
  }
  return rows;
}

void TempVault::older_schema(std::size_t version) {
  close();
  const auto& all = vault::migrations();
  for (std::size_t i = all.size(); i-- > version;) {
    for (auto statement = all[i].rbegin(); statement != all[i].rend(); ++statement) {
      std::istringstream words(*statement);
      std::vector<std::string> word(std::istream_iterator<std::string>(words), {});
      word.resize(8);
      if (word[0] == "CREATE" && word[1] == "TABLE") {
        sql("DROP TABLE " + word[2]);
      } else if (word[0] == "CREATE") {
        sql("DROP INDEX " + word[word[1] == "UNIQUE" ? 3 : 2]);
      } else if (word[0] == "ALTER" && word[3] == "ADD") {
        sql("ALTER TABLE " + word[2] + " DROP COLUMN " + word[5]);
      } else {
        std::fprintf(stderr, "this migration cannot be taken back: %s\n", statement->c_str());
        std::abort();
      }
    }
  }
  sql("PRAGMA user_version = " + std::to_string(version));
}

TempVault::Saved TempVault::save() {
  close();
  Saved saved;
  for (const auto& entry : fs::recursive_directory_iterator(folder())) {
    const Path below = entry.path().lexically_relative(folder());
    if (fs::is_directory(entry.status())) {
      saved[below.string() + "/"] = {};
    } else {
      saved[below.string()] = must(base::read_file(entry.path(), kMost));
    }
  }
  return saved;
}

void TempVault::put_back(const Saved& saved) {
  close();
  fs::remove_all(folder());
  fs::create_directory(folder());
  for (const auto& [name, content] : saved) {  // a folder sorts before what is in it
    if (name.ends_with('/')) {
      fs::create_directory(folder() / name.substr(0, name.size() - 1));
    } else {
      put_file(folder() / name, content);
    }
  }
}

bool TempVault::holds(ByteView needle) const {
  for (const auto& entry : fs::recursive_directory_iterator(folder())) {
    if (!fs::is_regular_file(entry.status())) continue;
    const Bytes content = must(base::read_file(entry.path(), kMost));
    if (base::as_text(content).find(base::as_text(needle)) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace testkit
