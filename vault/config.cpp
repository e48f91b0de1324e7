#include "vault/config.h"

#include <toml++/toml.h>

#include <array>
#include <limits>
#include <set>
#include <sstream>

namespace vault {
namespace {

using base::Error;
using base::Fault;

constexpr std::size_t kMaxConfig = std::size_t{256} * 1024;
constexpr base::Seconds kLongestDuration = 3653 * 86400;

// Reads keys out of one table and remembers which, so that what is left over can be refused.
class Table {
 public:
  Table(const toml::table& root, std::string name) : name_(std::move(name)) {
    if (const auto* node = root.get(name_)) {
      table_ = node->as_table();
      if (table_ == nullptr) fail("[" + name_ + "] is not a table");
    }
  }

  void text(const char* key, std::string& out) {
    if (const auto* node = find(key)) {
      if (const auto v = node->value<std::string>()) {
        out = *v;
      } else {
        fail(std::string(key) + " is not text");
      }
    }
  }

  void number(const char* key, int& out, int min, int max) {
    if (const auto* node = find(key)) {
      const auto v = node->value<std::int64_t>();
      if (!v || *v < min || *v > max) {
        fail(std::string(key) + " is not a number from " + std::to_string(min) + " to " + std::to_string(max));
      } else {
        out = static_cast<int>(*v);
      }
    }
  }

  void duration(const char* key, base::Seconds& out) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto given = node->value<std::string>();
    const auto v = base::parse_duration(given.value_or(""));
    if (v && *v > kLongestDuration) return fail(std::string(key) + " is longer than ten years");
    if (v) {
      out = *v;
    } else {
      fail(std::string(key) + ": " + v.error().what);
    }
  }

  base::Result<void> done() {
    if (table_ != nullptr) {
      for (const auto& [key, node] : *table_) {
        if (!used_.contains(std::string(key.str()))) fail("unknown key " + std::string(key.str()));
      }
    }
    if (!problem_.empty()) return Error{Fault::usage, "callvault.toml: [" + name_ + "] " + problem_};
    return {};
  }

 private:
  const toml::node* find(const char* key) {
    used_.insert(key);
    return table_ == nullptr ? nullptr : table_->get(key);
  }
  void fail(std::string what) {
    if (problem_.empty()) problem_ = std::move(what);
  }

  std::string name_;
  const toml::table* table_ = nullptr;
  std::set<std::string> used_;
  std::string problem_;
};

base::Result<toml::table> parse(const base::Path& file) {
  auto bytes = base::read_file(file, kMaxConfig);
  if (!bytes) return bytes.error();
  try {
    return toml::parse(base::as_text(*bytes));
  } catch (const toml::parse_error& e) {
    std::ostringstream where;
    where << file.filename().string() << " line " << e.source().begin.line << ": " << e.description();
    return Error{Fault::usage, where.str()};
  }
}

std::string quoted(const std::string& text) {
  std::ostringstream out;
  out << toml::value<std::string>(text);
  return out.str();
}

std::string duration_text(base::Seconds s) {
  if (s > 0 && s % 86400 == 0) return std::to_string(s / 86400) + "d";
  if (s > 0 && s % 3600 == 0) return std::to_string(s / 3600) + "h";
  if (s > 0 && s % 60 == 0) return std::to_string(s / 60) + "m";
  return std::to_string(s) + "s";
}

}  // namespace

base::Result<Config> read_config(const base::Path& vault_folder) {
  const auto parsed = parse(vault_folder / "callvault.toml");
  if (!parsed) return parsed.error();
  const toml::table& root = *parsed;
  for (const auto& [key, node] : root) {
    static const std::set<std::string, std::less<>> known{"vault", "sftp",     "slots", "ingest",
                                                          "drop",  "delivery", "grant", "claim"};
    if (!known.contains(key.str()))
      return Error{Fault::usage, "callvault.toml: unknown section " + std::string(key.str())};
  }
  Config c;
  Table vault(root, "vault");
  vault.text("id", c.vault_id);
  vault.text("operator", c.operator_name);
  vault.text("region", c.region);
  vault.text("zone", c.zone);
  Table slots(root, "slots");
  std::string slots_dir = "slots";
  std::string mirror;
  slots.text("dir", slots_dir);
  slots.text("mirror", mirror);
  Table ingest(root, "ingest");
  ingest.duration("quiet", c.ingest_quiet);
  ingest.duration("quiet_unsure", c.ingest_quiet_unsure);
  ingest.duration("side_file", c.ingest_side_file);
  ingest.duration("rescan", c.ingest_rescan);
  Table drop(root, "drop");
  drop.number("uploads", c.drop_uploads, 1, 256);
  drop.number("uploads_total", c.drop_uploads_total, 1, 512);
  drop.number("largest_mib", c.drop_largest_mib, 1, 1024 * 1024);
  drop.number("free_mib", c.drop_free_mib, 0, 1024 * 1024);
  drop.number("connections", c.drop_connections, 1, 64);
  Table delivery(root, "delivery");
  delivery.duration("expires", c.delivery_expires);
  delivery.number("collect_most", c.collect_most, 1, 1000000);
  delivery.duration("standing_expires", c.standing_expires);
  Table grant(root, "grant");
  grant.duration("expires", c.grant_expires);
  Table claim(root, "claim");
  claim.duration("idle_after_all", c.claim_idle_after_all);
  claim.duration("unconnected", c.claim_unconnected);
  claim.duration("longest", c.claim_longest);
  claim.duration("settle", c.claim_settle);
  claim.duration("without_close", c.claim_without_close);
  claim.number("connections", c.claim_connections, 1, 64);
  Table sftp(root, "sftp");
  sftp.text("public_host", c.public_host);
  sftp.number("public_port", c.public_port, 0, 65535);
  sftp.duration("login_grace", c.login_grace);
  sftp.number("login_tries", c.login_tries, 1, 100);
  sftp.duration("login_failure", c.login_failure);
  sftp.number("unauthenticated_total", c.unauthenticated_total, 1, 10000);
  sftp.number("unauthenticated_per_address", c.unauthenticated_per_address, 1, 10000);
  sftp.number("connections_per_minute", c.connections_per_minute, 1, 1000000);
  sftp.number("connections_burst", c.connections_burst, 1, 1000000);
  sftp.number("connections_total", c.connections_total, 1, 10000);
  sftp.duration("connection_idle", c.connection_idle);
  sftp.text("session_user", c.session_user);
  for (Table* table : std::array{&vault, &slots, &ingest, &drop, &delivery, &grant, &claim, &sftp}) {
    if (auto r = table->done(); !r) return r.error();
  }
  if (c.vault_id.empty()) return Error{Fault::usage, "callvault.toml: [vault] id is missing"};
  c.slots_dir = base::Path(slots_dir).is_absolute() ? base::Path(slots_dir) : vault_folder / slots_dir;
  if (!mirror.empty()) c.slots_mirror = base::Path(mirror).is_absolute() ? base::Path(mirror) : vault_folder / mirror;
  return c;
}

base::Result<void> write_config(const base::Path& vault_folder, const Config& c, base::Files& files) {
  std::ostringstream out;
  out << "# callvault: every duration and limit of this vault. Durations are 90s, 15m, 12h or 7d.\n\n"
      << "[vault]\n"
      << "id = " << quoted(c.vault_id) << "\n"
      << "operator = " << quoted(c.operator_name) << "\n"
      << "region = " << quoted(c.region) << "          # where the data of this vault may lie\n"
      << "zone = " << quoted(c.zone) << "  # for local times in recorders' file names\n\n"
      << "[slots]                # erase secrets: best on a disk of their own, outside of machine-image backups\n"
      << "dir = \"slots\"\n"
      << "mirror = \"\"            # a folder on a second device; a lost slot store is a lost vault\n\n"
      << "[ingest]\n"
      << "quiet = \"" << duration_text(c.ingest_quiet) << "\"           # files changed within are left for later\n"
      << "quiet_unsure = \"" << duration_text(c.ingest_quiet_unsure)
      << "\"     # the same, where nobody can tell whether a file is still open for writing\n"
      << "side_file = \"" << duration_text(c.ingest_side_file)
      << "\"        # watch: so long a voicemail waits for its side file\n"
      << "rescan = \"" << duration_text(c.ingest_rescan)
      << "\"           # watch: so often everything is looked at, whatever the kernel told\n\n"
      << "[drop]                 # what recorders upload over SFTP\n"
      << "uploads = " << c.drop_uploads << "           # files that one connection uploads at once\n"
      << "uploads_total = " << c.drop_uploads_total << "\n"
      << "largest_mib = " << c.drop_largest_mib << "     # one file\n"
      << "free_mib = " << c.drop_free_mib << "         # room that is left on the disk\n"
      << "connections = " << c.drop_connections << "        # of one recorder at once\n\n"
      << "[delivery]\n"
      << "expires = \"" << duration_text(c.delivery_expires) << "\"         # limits the first log-in\n"
      << "collect_most = " << c.collect_most << "    # recordings in one collecting delivery; more go into the next\n"
      << "standing_expires = \"" << duration_text(c.standing_expires) << "\"\n\n"
      << "[grant]\n"
      << "expires = \"" << duration_text(c.grant_expires) << "\"         # limits all reading\n\n"
      << "[claim]\n"
      << "idle_after_all = \"" << duration_text(c.claim_idle_after_all)
      << "\"  # all is delivered and the line is idle\n"
      << "unconnected = \"" << duration_text(c.claim_unconnected) << "\"\n"
      << "longest = \"" << duration_text(c.claim_longest) << "\"\n"
      << "settle = \"" << duration_text(c.claim_settle)
      << "\"         # several handles make up a file: no new open for this long\n"
      << "without_close = \"" << duration_text(c.claim_without_close)
      << "\"  # the same, when the client ended the connection in order instead of closing the file\n"
      << "connections = " << c.claim_connections << "\n\n"
      << "[sftp]\n"
      << "public_host = " << quoted(c.public_host)
      << "       # what letters say; empty: the address that callvaultd listens on\n"
      << "public_port = " << c.public_port << "\n"
      << "login_grace = \"" << duration_text(c.login_grace) << "\"\n"
      << "login_tries = " << c.login_tries << "\n"
      << "login_failure = \"" << duration_text(c.login_failure) << "\"  # a wrong password takes at least this long\n"
      << "unauthenticated_total = " << c.unauthenticated_total << "\n"
      << "unauthenticated_per_address = " << c.unauthenticated_per_address << "\n"
      << "connections_per_minute = " << c.connections_per_minute << "  # per address\n"
      << "connections_burst = " << c.connections_burst << "\n"
      << "connections_total = " << c.connections_total << "\n"
      << "connection_idle = \"" << duration_text(c.connection_idle) << "\"\n"
      << "session_user = " << quoted(c.session_user)
      << "      # what faces the network runs as, if callvaultd starts as root; empty: callvault-session\n";
  return files.replace_whole(vault_folder / "callvault.toml", base::as_bytes(out.str()));
}

base::Result<Trust> read_trust(const base::Path& vault_folder) {
  const auto parsed = parse(vault_folder / "trust.toml");
  if (!parsed) return parsed.error();
  const auto read = [&](const char* key, std::vector<keys::NoteVerifier>& out) -> base::Result<void> {
    const auto* list = parsed->get_as<toml::array>(key);
    if (list == nullptr || list->empty())
      return Error{Fault::damaged, std::string("trust.toml: ") + key + " is missing or empty"};
    for (const auto& node : *list) {
      const auto text = node.value<std::string>();
      if (!text) return Error{Fault::damaged, std::string("trust.toml: ") + key + " holds something that is not text"};
      auto verifier = keys::NoteVerifier::parse(*text);
      if (!verifier) return verifier.error().at("trust.toml");
      out.push_back(*verifier);
    }
    return {};
  };
  Trust trust;
  if (auto r = read("it_manager", trust.it_manager); !r) return r.error();
  if (auto r = read("recovery", trust.recovery); !r) return r.error();
  if (auto r = read("service", trust.service); !r) return r.error();
  return trust;
}

base::Result<void> write_trust(const base::Path& vault_folder, const Trust& trust, base::Files& files) {
  std::ostringstream out;
  out << "# callvault: whose signatures count. Keep a copy outside of this machine: it verifies certificates.\n";
  const auto write = [&](const char* key, const std::vector<keys::NoteVerifier>& verifiers) {
    out << key << " = [";
    for (const auto& v : verifiers) out << (&v == &verifiers.front() ? "" : ", ") << quoted(v.text());
    out << "]\n";
  };
  write("it_manager", trust.it_manager);
  write("recovery", trust.recovery);
  write("service", trust.service);
  return files.replace_whole(vault_folder / "trust.toml", base::as_bytes(out.str()));
}

}  // namespace vault
