#include "vault/check.h"

#include <boost/filesystem/operations.hpp>
#include <functional>
#include <map>
#include <set>

#include "keys/age_stream.h"
#include "vault/access.h"
#include "vault/customer.h"
#include "vault/erase.h"
#include "vault/ingest.h"
#include "vault/noted.h"
#include "vault/open_recording.h"
#include "vault/recorder.h"
#include "vault/restriction.h"
#include "vault/role_change.h"
#include "vault/seal.h"
#include "vault/upload.h"

namespace vault {

using base::Result;

namespace {

constexpr std::size_t kMostNamed = 16;  // of what may be wrong with every recording

bool running(const AccessRow& row) { return row.state == "open" || row.state == "claimed"; }

class Checker {
 public:
  Checker(Vault& vault, const CheckRequest& request) : vault_(vault), request_(request) {}

  Result<std::vector<Finding>> run() {
    if (request_.repair) {
      if (auto r = repair(); !r) return r.error();
    }
    for (const auto step :
         {&Checker::catalogue, &Checker::audit_log, &Checker::recordings, &Checker::accesses, &Checker::old_slots,
          &Checker::restrictions, &Checker::recorders, &Checker::roles, &Checker::surroundings}) {
      if (auto r = (this->*step)(); !r) return r.error();
    }
    return std::move(findings_);
  }

 private:
  void damage(std::string what) { findings_.push_back({Finding::Weight::damage, std::move(what)}); }
  void warning(std::string what) { findings_.push_back({Finding::Weight::warning, std::move(what)}); }

  Result<void> repair() {
    auto lock = base::FileLock::take(vault_.folder() / file::kRun / "ingest.lock", 60'000);
    if (!lock) return lock.error();
    if (auto r = drop_unfinished(vault_); !r) return r.error();
    if (auto r = finish_erasures(vault_); !r) return r.error();
    auto roles_lock = lock_roles(vault_);
    if (!roles_lock) return roles_lock.error();
    if (auto r = write_roster_file(vault_); !r) return r.error();
    // Uploads belong to the daemon: while one runs they are left to it.
    const auto daemon = base::FileLock::take(vault_.folder() / file::kRun / file::kDaemonLock, 0);
    return daemon ? finish_uploads(vault_) : Result<void>();
  }

  Result<void> catalogue() {
    auto answer = vault_.catalog().integrity();
    if (!answer) return answer.error();
    if (*answer != "ok") damage("catalogue: " + *answer);
    return {};
  }

  Result<void> audit_log() {
    if (auto r = vault_.audit().verify(vault_.trust().service, request_.outside_checkpoint); !r) damage(r.error().what);
    return {};
  }

  Result<void> recordings() {
    Result<std::vector<RecordingRow>> rows{std::vector<RecordingRow>()};
    std::optional<Noted> said;
    auto one_view = vault_.catalog().read([&]() -> Result<void> {
      auto noted = said_by_log();
      if (!noted) return noted.error();
      said = std::move(*noted);
      rows = vault_.catalog().recordings({});
      return rows ? Result<void>() : rows.error();
    });
    if (!one_view) return one_view;
    std::set<std::string> expected;
    for (const auto& row : *rows) {
      if (said) {
        as_noted(row, said->recordings[row.columns.recording]);
        said->recordings.erase(row.columns.recording);
      }
      if (row.state == "sealed") {
        sealed(row);
        expected.insert(row.columns.recording);
      } else if (row.state == "erased") {
        if (auto r = erased(row); !r) return r;
      } else {
        if (row.state == "erasing") {
          if (auto r = verified_record(vault_, row); !r) damage(r.error().what);
        }
        if (row.linger_until <= vault_.clock().now())
          warning(row.columns.recording + ": state " + row.state +
                  "; callvault check --repair, or the daemon, finishes it");
        expected.insert(row.columns.recording);
      }
    }
    if (said) missing(said->recordings);
    if (wrong_headers_ > kMostNamed)
      damage("and " + std::to_string(wrong_headers_ - kMostNamed) + " more headers that are missing or too many");
    auto ids = vault_.store().ids();
    if (!ids) return ids.error();
    for (const auto& id : *ids) {
      if (expected.contains(id)) continue;
      warning("object " + id + " belongs to no recording");
      if (request_.repair && valid_id(id)) {
        if (auto r = vault_.store().remove({id}); !r) return r;
      }
    }
    return {};
  }

  // Nobody but the log says that something was delivered, or that it was put into quarantine: no signature covers that.
  void as_noted(const RecordingRow& row, const Noted::Recording& said) {
    const std::string& id = row.columns.recording;
    if (row.state == "writing") return;
    const auto differs = [&](const char* what) { damage(id + ": " + what + "; the audit log says otherwise"); };
    if (!said.sealed && !said.quarantined) damage(id + ": the audit log does not know it");
    if ((said.sealed || said.quarantined) && said.quarantined == row.quarantine.empty())
      differs(row.quarantine.empty() ? "not quarantined" : "quarantined");
    if (row.state == "sealed") {
      if (said.erased) differs("held");
      const auto delivered = vault_.catalog().delivered_in(id);
      if (!delivered) damage(delivered.error().at(id).what);
      if (delivered && *delivered && !said.delivered) differs("delivered");
      return;
    }
    if (row.reason != "delivered" || !said.delivered) differs(("erased since " + row.reason).c_str());
    if (row.state == "erased" && !said.erased) differs("erased");
  }

  void missing(const std::map<std::string, Noted::Recording>& left) {
    std::size_t named = 0;
    for (const auto& [id, said] : left) {
      if (++named > kMostNamed) break;
      damage("recording " + id + " is missing");
    }
    if (left.size() > kMostNamed) damage("and " + std::to_string(left.size() - kMostNamed) + " more are missing");
  }

  void sealed(const RecordingRow& row) {
    const std::string& id = row.columns.recording;
    if (request_.read_objects) {
      if (auto r = verify_object(vault_, row); !r) damage(r.error().what);
      return headers(row);
    }
    if (auto r = verified_record(vault_, row); !r) damage(r.error().what);
    if (auto r = secret_is_there(vault_, row); !r) damage(r.error().what);
    auto object = vault_.store().open(id);
    auto info = object ? base::info(object->get()) : Result<base::FileInfo>(object.error());
    if (!info) {
      damage(info.error().what);
    } else if (info->size != keys::payload_size(row.columns.size)) {
      damage(id + ": its object has the wrong size");
    }
    headers(row);
  }

  // One for each who may open it, and for nobody else.
  void headers(const RecordingRow& row) {
    const std::string& id = row.columns.recording;
    std::set<std::string> have;
    auto r = vault_.catalog().read([&]() -> Result<void> {
      auto recipients = vault_.catalog().recipients_of(id);
      if (!recipients) return recipients.error();
      have.insert(recipients->begin(), recipients->end());
      for (const auto& recipient : *recipients) {
        if (recipient.starts_with("r-") || running_.contains(recipient)) continue;
        if (auto access = vault_.catalog().access(recipient); access && running(*access)) running_.insert(recipient);
      }
      return {};
    });
    if (!r) damage(r.error().at(id).what);
    for (const auto& holder : recipients_for(vault_.roster(), row.columns.klass))
      if (have.erase(holder.recipient_id()) == 0) wrong_header(id + ": no header for " + holder.name);
    for (const auto& recipient : have)
      if (!running_.contains(recipient)) wrong_header(id + ": it has a header for somebody who may not open it");
  }

  // While the roster is ahead of the headers, that is every recording: some are named, the others counted.
  void wrong_header(const std::string& what) {
    if (++wrong_headers_ <= kMostNamed) damage(what);
  }

  Result<void> erased(const RecordingRow& row) {
    const std::string& id = row.columns.recording;
    if (vault_.slots().read(row.columns.slot)) damage(id + ": erased, but its erase secret is there");
    auto recipients = vault_.catalog().recipients_of(id);
    if (!recipients) return recipients.error();
    auto metadata = vault_.catalog().metadata(id);
    if (!metadata) return metadata.error();
    if (!recipients->empty() || *metadata) damage(id + ": erased, but its headers or metadata are there");
    return {};
  }

  // Each under its statement, and as the audit log knows it.
  Result<void> accesses() {
    return vault_.catalog().read([this] { return accesses_of_one_view(); });
  }
  Result<void> accesses_of_one_view() {
    auto said = said_by_log();
    if (!said) return said.error();
    auto rows = vault_.catalog().accesses(std::nullopt);
    if (!rows) return rows.error();
    for (const auto& row : *rows) {
      if (!running(row)) {
        if (*said && !(*said)->ended.contains(row.id))
          damage(row.id + ": " + row.state + "; the audit log says otherwise");
        continue;
      }
      if (auto r = verified_access(vault_, row); !r) damage(r.error().what);
      if (*said && !(*said)->accesses.contains(row.id)) damage(row.id + ": the audit log does not know it");
      if (auto r = vault_.slots().read(row.slot); !r) damage(row.id + ": its erase secret is gone");
      const auto customer =
          row.kind == "standing" ? vault_.catalog().customer(row.customer) : Result<CustomerRow>(CustomerRow());
      if (customer && customer->state == "closed") damage(row.id + ": open, but its customer is closed");
    }
    auto to_erase = vault_.catalog().accesses_to_erase();
    if (!to_erase) return to_erase.error();
    for (const auto& row : *to_erase) {
      if (auto r = verified_access(vault_, row); !r) damage(r.error().what);
    }
    auto customers = vault_.catalog().customers();
    if (!customers) return customers.error();
    for (const auto& customer : *customers) {
      if (auto r = verified_customer(vault_, customer); !r) damage(r.error().what);
      if (!*said) continue;
      const bool added = (*said)->customers.contains(customer.id);
      const bool open = added && !(*said)->closed.contains(customer.id);
      if (!added || open != (customer.state == "open"))
        damage("customer " + customer.id + ": the audit log says otherwise");
    }
    return {};
  }

  // Nothing: the log is damaged, which is named already.
  Result<std::optional<Noted>> said_by_log() {
    auto said = noted(vault_);
    if (said) return std::optional(std::move(*said));
    if (said.error().fault == base::Fault::damaged) return std::optional<Noted>();
    return said.error();
  }

  Result<void> old_slots() {
    auto rows = vault_.catalog().old_slots();
    if (!rows) return rows.error();
    for (const auto& old : *rows) {
      if (auto r = verified_old_slot(vault_, old); !r) {
        damage(r.error().what);
      } else {
        warning(old.recording +
                ": the slot it was moved out of still stands; callvault check --repair, or the daemon,"
                " erases it");
      }
    }
    return {};
  }

  struct Restricted {
    std::string recording;
    bool released = false;
  };
  using AllRestricted = std::map<std::string, Restricted>;  // id of a restriction -> what the audit log says of it

  Result<void> each_noted(const std::function<void(const Audit::Entry&)>& look) {
    for (std::uint64_t next = 0;;) {
      auto entries = vault_.audit().entries(next, 4096, nullptr);
      if (!entries) return entries.error();
      if (entries->empty()) return {};
      next = entries->back().seq + 1;
      for (const auto& entry : *entries) look(entry);
    }
  }

  Result<AllRestricted> noted_restrictions() {
    AllRestricted all;
    auto r = each_noted([&](const Audit::Entry& entry) {
      if (entry.subjects.size() != 2) return;
      if (entry.name == "recording.restricted") all[entry.subjects[1]].recording = entry.subjects[0];
      if (entry.name == "recording.released") all[entry.subjects[1]].released = true;
    });
    if (!r) return r.error();
    return all;
  }

  // Each under its statements, and each that was ever opened is there: without its row nothing would hold the
  // recording.
  Result<void> restrictions() {
    return vault_.catalog().read([this] { return restrictions_of_one_view(); });
  }
  Result<void> restrictions_of_one_view() {
    auto rows = vault_.catalog().restrictions(std::nullopt);
    if (!rows) return rows.error();
    auto noted = noted_restrictions();
    if (!noted && noted.error().fault != base::Fault::damaged) return noted.error();
    if (!noted) return {};  // a damaged log is named already
    for (const auto& row : *rows) {
      if (auto r = verified_restriction(vault_, row); !r) damage(r.error().what);
      const Restricted said = (*noted)[row.id];
      if (said.recording != row.recording || said.released != (row.closed_at != 0))
        damage("restriction " + row.id + ": the audit log says otherwise");
      noted->erase(row.id);
      if (row.closed_at != 0) continue;
      auto recording = vault_.catalog().recording(row.recording);
      if (!recording && recording.error().fault != base::Fault::not_found) return recording.error();
      if (!recording || recording->state != "sealed") damage(row.recording + ": restricted, but not held");
    }
    for (const auto& [id, said] : *noted) damage("restriction " + id + " of " + said.recording + " is missing");
    return {};
  }

  // Whoever left must not sign a roster any more, and whoever came must be able to.
  Result<void> roles() {
    auto said = said_by_log();
    if (!said) return said.error();
    if (*said && (*said)->roster_version > vault_.roster().version()) {
      damage(
          "recipients.note is older than the audit log knows: an old one was put back. Put the newest one back, and "
          "do not change roles before");
      return {};
    }
    if (wrong_headers_ > kMostNamed) damage("was a change of roles or keys cut? do it again, it goes on");
    for (const auto& what : unsettled_roles(vault_)) damage(what + "; repeat the change of roles");
    auto there = base::read_file(vault_.folder() / file::kRoster, std::size_t{1} << 20);
    const Trust& trust = vault_.trust();
    if (there &&
        !keys::Roster::verify(base::as_text(*there), {trust.it_manager, trust.recovery}, vault_.roster().version()))
      warning("recipients.note is older than the roles that the catalogue holds; callvault check --repair writes it");
    return {};
  }

  // Each under its statement, and as the audit log knows it: an old row that was put back would let somebody in again.
  Result<void> recorders() {
    return vault_.catalog().read([this] { return recorders_of_one_view(); });
  }
  Result<void> recorders_of_one_view() {
    auto rows = vault_.catalog().recorders();
    if (!rows) return rows.error();
    auto said_of_all = said_by_log();
    if (!said_of_all) return said_of_all.error();
    if (!*said_of_all) return {};
    auto& left = (*said_of_all)->recorders;
    for (const auto& row : *rows) {
      if (auto v = verified_recorder(vault_, row); !v) damage(v.error().what);
      const auto said = left.find(row.id);
      const bool open = said != left.end() && said->second == row.name;
      if (open != (row.state == "open")) damage("recorder " + row.id + ": the audit log says otherwise");
      if (said != left.end()) left.erase(said);
    }
    for (const auto& [id, name] : left) damage("recorder " + name + " (" + id + ") is missing");
    return {};
  }

  // What lies in and around the folder.
  Result<void> surroundings() {
    boost::system::error_code code;
    boost::filesystem::recursive_directory_iterator at(vault_.folder(), code);
    for (; !code && at != boost::filesystem::recursive_directory_iterator(); at.increment(code)) {
      if (!boost::filesystem::is_regular_file(at->symlink_status()) ||
          at->path().parent_path().parent_path() == vault_.folder() / file::kObjects)
        continue;
      auto file = base::open_to_read(at->path());
      if (!file) continue;
      base::Bytes head(256 * 1024);
      auto n = base::read_at(file->get(), 0, head);
      if (!n) continue;
      const auto text = base::as_text(std::span(head).first(*n));
      if (text.find("AGE-SECRET-KEY-1") != std::string_view::npos ||
          (text.starts_with("age-encryption.org/v1") && text.find("-> scrypt ") != std::string_view::npos))
        damage("an identity file lies in the vault's folder: move it away (" + at->path().filename().string() + ")");
    }
    const auto level = vault_.slots().level();
    if (level.level < 2) warning("erasures are certified at level 1 only: " + level.reason);
    if (!vault_.config().slots_mirror)
      warning("the key-slot store has no mirror ([slots] mirror in callvault.toml): if it is lost, the vault is lost");
    return {};
  }

  Vault& vault_;
  const CheckRequest& request_;
  std::vector<Finding> findings_;
  std::set<std::string> running_;  // accesses, as they come up
  std::size_t wrong_headers_ = 0;
};

}  // namespace

Result<std::vector<Finding>> check(Vault& vault, const CheckRequest& request) { return Checker(vault, request).run(); }

}  // namespace vault
