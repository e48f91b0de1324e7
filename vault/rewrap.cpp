#include "vault/rewrap.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "base/log.h"
#include "keys/sealed_header.h"
#include "vault/erase.h"
#include "vault/open_recording.h"
#include "vault/seal.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;
using base::SecretBytes;

namespace {

// A batch costs two commits of the catalogue and one of the key-slot store; its transaction keeps others waiting.
constexpr std::size_t kBatch = 256;
constexpr std::size_t kNoLimit = std::size_t{1} << 30;
constexpr std::size_t kMostNamed = 16;
constexpr int kMostTries = 100;  // of a batch that others change all the time

using Held = Catalog::Held;
using Header = Catalog::Header;

bool same(const Held& a, const Held& b) {
  return a.row.columns == b.row.columns && a.row.state == b.row.state && a.row.record == b.row.record &&
         a.headers == b.headers;
}

const std::string& id_of(const Held& held) { return held.row.columns.recording; }

enum class Need { nothing, headers, slot };

// One recording that something is to be done for.
struct Change {
  const Held* held;
  Need need;
  Result<void> done;   // not, with the reason: then nothing of it is changed
  SecretBytes secret;  // of the slot it lies in
  std::optional<OpenRecording> opened;
  std::uint64_t slot = 0;       // the new one
  std::vector<Header> headers;  // those to add, or all
  std::string record;           // the new one
};

class Rewrap {
 public:
  Rewrap(Vault& vault, const keys::Identity& opener)
      : vault_(vault), opener_(opener), opener_id_(keys::recipient_id(opener.recipient())) {
    for (const char* klass : {"own", "customer"}) entitled_[klass] = recipients_for(vault.roster(), klass);
    const auto* holder = vault.roster().holding(opener.recipient());
    actor_ = holder == nullptr ? "service" : holder->name;
  }

  Result<RewrapResult> run(const std::function<void(const RewrapProgress&)>& progress) {
    constexpr long long lowest = std::numeric_limits<long long>::min();
    constexpr long long highest = std::numeric_limits<long long>::max();
    // What an earlier call left.
    if (auto r = finish_erasures(vault_); !r) return r.error();
    auto all = vault_.catalog().count_held();
    if (!all) return all.error();
    all_ = *all;
    auto next = next_slot();
    if (!next) return next.error();
    if (auto r = walk(lowest, *next - 1, progress); !r) return r.error();
    // What was moved lies behind. No slot behind that is one of ours: only an edited row says so, and is refused.
    next = next_slot();
    if (!next) return next.error();
    if (auto r = walk(*next, highest, progress); !r) return r.error();
    if (!refused_.empty()) return refusal();
    return result_;
  }

 private:
  Result<long long> next_slot() {
    auto next = vault_.catalog().number("next_slot");
    if (!next) return next.error();
    return static_cast<long long>(next->value_or(0));
  }

  Result<void> walk(long long first, long long last, const std::function<void(const RewrapProgress&)>& progress) {
    while (first <= last) {
      std::vector<Held> batch;
      if (auto r = read(first, last, kBatch, batch); !r) return r;
      if (batch.empty()) return {};
      const auto end = static_cast<long long>(batch.back().row.columns.slot);
      done_ += batch.size();
      if (auto r = settle(first, end, std::move(batch)); !r) return r;
      progress({std::min(done_, all_), all_});
      if (end == last) return {};
      first = end + 1;
    }
    return {};
  }

  Result<void> read(long long first, long long last, std::size_t limit, std::vector<Held>& out) {
    return vault_.catalog().read([&]() -> Result<void> {
      auto rows = vault_.catalog().held(first, last, limit);
      if (!rows) return rows.error();
      out = std::move(*rows);
      return {};
    });
  }

  // Until every recording of the batch is as it should be, or refused.
  Result<void> settle(long long first, long long last, std::vector<Held> batch) {
    for (int tries = 0; tries < kMostTries; ++tries) {
      accesses_.clear();
      std::vector<Change> changes;
      for (const Held& held : batch) {
        auto need = need_of(held);
        if (!need) return need.error();
        if (*need == Need::nothing) {
          ++result_.skipped;
        } else {
          changes.push_back({&held, *need, {}, {}, {}, 0, {}, {}});
        }
      }
      if (changes.empty()) return {};
      if (auto r = prepare(changes); !r) return r;
      std::set<std::string> again;
      if (auto r = apply(first, last, changes, again); !r) return r;
      if (again.empty()) return {};
      changes.clear();
      if (auto r = read(first, last, kNoLimit, batch); !r) return r;
      std::erase_if(batch, [&](const Held& held) { return !again.contains(id_of(held)); });
    }
    return Error{Fault::busy, "other processes change these recordings all the time; do it again later"};
  }

  bool entitled(const Held& held, const std::string& recipient) {
    return std::ranges::any_of(entitled_[held.row.columns.klass],
                               [&](const keys::RoleHolder& holder) { return holder.recipient_id() == recipient; });
  }

  // Looks at every row: the accesses among them are remembered.
  Result<Need> need_of(const Held& held) {
    std::size_t there = 0;
    bool foreign = false;
    for (const Header& header : held.headers) {
      if (entitled(held, header.recipient)) {
        ++there;
        continue;
      }
      auto access = running(header.recipient);
      if (!access) return access.error();
      foreign = foreign || *access == nullptr;
    }
    if (foreign) return Need::slot;
    return there < entitled_[held.row.columns.klass].size() ? Need::headers : Need::nothing;
  }

  struct Running {
    std::uint64_t slot;
    Result<SecretBytes> secret;
  };

  // The access that a header row belongs to; nullptr: none that runs. An id that a role could have is none.
  Result<const Running*> running(const std::string& recipient) {
    if (recipient.starts_with("r-")) return nullptr;
    if (const auto known = accesses_.find(recipient); known != accesses_.end()) return &known->second;
    auto row = vault_.catalog().access(recipient);
    if (!row && row.error().fault != Fault::not_found) return row.error();
    if (!row || (row->state != "open" && row->state != "claimed")) return nullptr;
    return &accesses_.emplace(recipient, Running{row->slot, Error{Fault::not_found, "not read"}}).first->second;
  }

  // All that needs no transaction. The secrets are read slot by slot in rising order: the store keeps one leaf in
  // memory.
  Result<void> prepare(std::vector<Change>& changes) {
    std::map<std::uint64_t, Running*> by_slot;
    for (auto& [id, access] : accesses_) by_slot[access.slot] = &access;
    for (auto& [slot, access] : by_slot) access->secret = vault_.slots().read(slot);
    for (Change& change : changes) change.done = open(change);
    if (auto r = take_slots(changes); !r) return r;
    for (Change& change : changes)
      if (change.done) change.done = seal(change);
    return {};
  }

  Result<void> open(Change& change) {
    const Held& held = *change.held;
    const auto header = std::ranges::find_if(held.headers, [&](const Header& h) { return h.recipient == opener_id_; });
    if (header == held.headers.end())
      return Error{Fault::denied, id_of(held) + ": there is no header for this identity"};
    auto secret = vault_.slots().read(held.row.columns.slot);
    if (!secret) return Error{Fault::damaged, id_of(held) + ": its erase secret is gone: " + secret.error().what};
    auto opened = open_rows(vault_, {held.row, opener_id_, header->sealed, held.metadata}, *secret, opener_);
    if (!opened) return opened.error();
    change.opened = std::move(*opened);
    change.secret = std::move(*secret);
    return {};
  }

  // A slot that stays unused costs nothing.
  Result<void> take_slots(std::vector<Change>& changes) {
    const auto moves = [](const Change& change) { return change.done && change.need == Need::slot; };
    if (std::ranges::none_of(changes, moves)) return {};
    if (auto r = vault_.catalog().change([&]() -> Result<void> {
          for (Change& change : changes) {
            if (!moves(change)) continue;
            auto slot = vault_.catalog().take_slot(vault_.slots().high_water());
            if (!slot) return slot.error();
            change.slot = *slot;
          }
          return {};
        });
        !r)
      return r;
    for (const Change& change : changes)
      if (moves(change))
        if (auto r = vault_.slots().reserve(change.slot); !r) return r;
    return {};
  }

  // Every header of a role is made from the file key that was opened and compared with the record, also where there was
  // one: an old one that nobody could look into does not go on.
  Result<void> seal(Change& change) {
    const Held& held = *change.held;
    if (change.need == Need::headers) return seal_roles(change, change.secret);
    auto secret = vault_.slots().read(change.slot);
    if (!secret) return secret.error().at(id_of(held));
    if (auto r = seal_roles(change, *secret); !r) return r;
    for (const Header& header : held.headers) {
      const auto access = accesses_.find(header.recipient);
      if (access == accesses_.end()) continue;
      auto sealed = seal_again(change, header, access->second, *secret);
      if (!sealed) return sealed.error().at(id_of(held) + ": header of " + header.recipient);
      change.headers.push_back({header.recipient, std::move(*sealed)});
    }
    Record record = change.opened->record;
    record.columns.slot = change.slot;
    auto note = sign_record(record, vault_.service());
    if (!note) return note.error().at(id_of(held));
    change.record = std::move(*note);
    return {};
  }

  Result<void> seal_roles(Change& change, const SecretBytes& secret) {
    const Held& held = *change.held;
    for (const auto& holder : entitled_[held.row.columns.klass]) {
      const std::string recipient = holder.recipient_id();
      const bool there =
          std::ranges::any_of(held.headers, [&](const Header& header) { return header.recipient == recipient; });
      if (change.need == Need::headers && there) continue;
      auto header = keys::header_for(holder.recipient, change.opened->file_key);
      if (!header) return header.error().at("wrap for " + holder.name);
      auto sealed = keys::seal_header({id_of(held), recipient}, secret, nullptr, *header);
      if (!sealed) return sealed.error().at(id_of(held));
      change.headers.push_back({recipient, base::base64(*sealed)});
    }
    return {};
  }

  // What is inside is only for the access's password, and stays.
  Result<std::string> seal_again(const Change& change, const Header& header, const Running& access,
                                 const SecretBytes& secret) {
    if (!access.secret) return Error{Fault::damaged, "its erase secret is gone"};
    auto sealed = base::unbase64(header.sealed);
    if (!sealed) return sealed.error();
    auto again =
        keys::reseal_header({id_of(*change.held), header.recipient}, change.secret, secret, &*access.secret, *sealed);
    if (!again) return again.error();
    return base::base64(*again);
  }

  // One transaction. What others changed since it was read goes to `again`, also when that is why it could not be
  // opened.
  Result<void> apply(long long first, long long last, std::vector<Change>& changes, std::set<std::string>& again) {
    std::uint64_t added = 0;
    std::uint64_t moved = 0;
    std::vector<Error> refused;
    const auto work = [&]() -> Result<void> {
      auto rows = vault_.catalog().held(first, last, kNoLimit);
      if (!rows) return rows.error();
      std::map<std::string, const Held*> now;
      for (const Held& held : *rows) now[id_of(held)] = &held;
      for (const Change& change : changes) {
        const auto current = now.find(id_of(*change.held));
        if (current == now.end() || !same(*current->second, *change.held)) {
          again.insert(id_of(*change.held));
        } else if (!change.done) {
          refused.push_back(change.done.error());
        } else if (auto r = store(change); !r) {
          return r;
        } else {
          ++(change.need == Need::slot ? moved : added);
        }
      }
      return {};
    };
    const bool any = std::ranges::any_of(changes, [](const Change& change) { return static_cast<bool>(change.done); });
    const auto act = [&]() -> Result<void> {
      if (auto r = vault_.roster_is_newest(); !r) return r;
      if (auto r = work(); !r) return r;
      return vault_.audit().note({"recordings.rewrapped",
                                  actor_,
                                  {"roster-" + std::to_string(vault_.roster().version()),
                                   "added-" + std::to_string(added), "moved-" + std::to_string(moved)},
                                  ""});
    };
    if (auto r = any ? vault_.audit().act(act) : vault_.catalog().read(work); !r) return r;
    result_.added += added;
    result_.moved += moved;
    for (Error& error : refused) {
      base::log_error("not rewrapped: " + error.what);
      refused_.push_back(std::move(error));
    }
    if (moved == 0) return {};
    auto erased = finish_erasures(vault_);
    if (!erased) return erased.error().at("erase the old slots");
    return {};
  }

  Result<void> store(const Change& change) {
    const Held& held = *change.held;
    if (change.need == Need::slot)
      return vault_.catalog().move_recording({held.row.columns.slot, id_of(held), held.row.record}, change.slot,
                                             change.record, change.headers);
    for (const Header& header : change.headers)
      if (auto r = vault_.catalog().add_header(id_of(held), header); !r) return r;
    return {};
  }

  Error refusal() const {
    const auto damaged =
        std::ranges::any_of(refused_, [](const Error& error) { return error.fault == Fault::damaged; });
    std::string what = std::to_string(refused_.size()) + " of " + std::to_string(all_) +
                       " recordings keep the headers they had, all others are done";
    for (std::size_t i = 0; i < std::min(refused_.size(), kMostNamed); ++i) what += "; " + refused_[i].what;
    if (refused_.size() > kMostNamed) what += "; and " + std::to_string(refused_.size() - kMostNamed) + " more";
    return {damaged ? Fault::damaged : refused_.front().fault, what};
  }

  Vault& vault_;
  const keys::Identity& opener_;
  const std::string opener_id_;
  std::string actor_;
  std::map<std::string, std::vector<keys::RoleHolder>> entitled_;  // by class
  std::map<std::string, Running> accesses_;                        // of the batch
  std::uint64_t done_ = 0;
  std::uint64_t all_ = 0;
  RewrapResult result_{0, 0, 0};
  std::vector<Error> refused_;
};

}  // namespace

Result<RewrapResult> rewrap(Vault& vault, const keys::Identity& opener,
                            const std::function<void(const RewrapProgress&)>& progress) {
  return Rewrap(vault, opener).run(progress);
}

}  // namespace vault
