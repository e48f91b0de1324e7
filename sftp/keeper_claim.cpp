#include "sftp/keeper_claim.h"

#include <algorithm>

#include "base/log.h"
#include "keys/sealed_header.h"
#include "vault/customer.h"
#include "vault/open_recording.h"
#include "vault/restriction.h"

namespace sftp {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::size_t kPage = kMaxMessage - 1024;        // room for the head of the message
constexpr std::uint64_t kStoreEvery = 64 * 1024 * 1024;  // coverage is stored at least this often,
constexpr std::int64_t kStoreEveryMs = 2000;             // and, with a tick, this often

// Seconds. A customer whose row was edited gets the default.
base::Seconds linger_of(vault::Vault& vault, const std::string& customer) {
  if (customer.empty()) return 0;
  const auto row = vault.catalog().customer(customer);
  const auto verified = row ? vault::verified_customer(vault, *row) : base::Result<void>(row.error());
  if (verified) return row->linger * 60;
  base::log_error(verified.error().what);
  return 0;
}

vault::Coverage::Handle next_handle() {
  static vault::Coverage::Handle next = 0;
  return ++next;
}

}  // namespace

Result<KeeperClaim> KeeperClaim::load(vault::Vault& vault, const vault::AccessRow& row,
                                      const vault::AccessStatement& statement) {
  KeeperClaim claim(vault, row, statement);
  auto items = vault.catalog().items(row.id);
  if (!items) return items.error();
  for (const auto& item : *items)
    if (auto r = claim.add(item); !r) return r.error();
  auto checkpoint = vault.audit().checkpoint();
  if (!checkpoint) return checkpoint.error();
  claim.checkpoint_ = std::move(*checkpoint);
  claim.loaded_at_ = vault.clock().now();
  claim.active_ms = base::monotonic_ms();
  claim.linger_ = linger_of(vault, row.customer);
  return claim;
}

Result<void> KeeperClaim::add(const vault::ItemRow& item) {
  const vault::Coverage::Waits waits{vault_->config().claim_settle * 1000, vault_->config().claim_without_close * 1000};
  auto coverage = item.coverage.empty() ? Result<vault::Coverage>(vault::Coverage(item.size, waits))
                                        : vault::Coverage::parse(item.coverage, item.size, waits);
  if (!coverage) {  // nothing is proved by it: the others are served all the same, and this one is fetched once more
    base::log_error(coverage.error().at(item.recording).what);
    coverage = vault::Coverage(item.size, waits);
  }
  coverage->settle(base::monotonic_ms());
  if (coverage->due()) waiting_.insert(item.position);
  in_chunks_ = in_chunks_ || coverage->in_chunks();
  const bool delivered = item.state == "delivered";
  items_.push_back({item.recording, item.entry, delivered, delivered ? item.linger_until : 0,
                    item.state == "withdrawn" || (item.state == "offered" && item.recording_state != "sealed"),
                    std::move(*coverage)});
  return {};
}

Result<say::Entries> KeeperClaim::entries(std::uint32_t from) const {
  auto secret = vault_->slots().read(row_.slot);
  if (!secret) return secret.error().at(row_.id);
  say::Entries page{item_count(), {}};
  std::size_t size = 0;
  for (std::uint32_t i = from; i < item_count(); ++i) {
    const bool shows = erases() || !items_[i].withdrawn;
    auto sealed = shows ? vault::open_entry(row_.id, *secret, items_[i].entry) : Result<base::Bytes>(base::Bytes());
    if (!sealed) return sealed.error().at(row_.id);
    size += sealed->size() + 16;
    if (size > kPage) break;
    page.entries.push_back({i, items_[i].gone, std::move(*sealed)});
  }
  return page;
}

std::variant<KeeperClaim::OpenedItem, Refusal> KeeperClaim::open(std::uint32_t number, std::int64_t now_ms) {
  active_ms = now_ms;
  if (number >= item_count()) return Refusal::not_found;
  Item& item = items_[number];
  const bool lingers = item.gone && item.linger_until > vault_->clock().now();
  if (item.gone && !lingers) return Refusal::gone;
  if (item.withdrawn) return Refusal::withdrawn;
  auto opened = [&]() -> Result<OpenedItem> {
    auto stored = vault::stored_recording(*vault_, item.recording, row_.id);
    if (!stored) return stored.error();
    const vault::RecordingRow* const row = &stored->row;
    if (row->state != "sealed" && !(lingers && row->state == "erasing"))
      return Error{Fault::not_found, item.recording + ": " + row->state};
    if (auto r = vault::unrestricted(*vault_, item.recording); !r) return r.error();
    auto record = vault::verified_record(*vault_, *row);
    if (!record) return record.error();
    // A grant holds recordings of anybody: that this one is in it says its header, which only its file key could make.
    const bool of_anybody = statement_.terms.kind == keys::AccessKind::grant;
    if (!of_anybody && record->columns.customer != statement_.customer)
      return Error{Fault::damaged, item.recording + ": belongs to another customer than " + row_.id};
    if (!stored->header) return Error{Fault::damaged, item.recording + ": no header for " + row_.id};
    auto sealed = base::unbase64(*stored->header);
    if (!sealed) return sealed.error();
    if (!stored->secret) return stored->secret.error();
    auto access_secret = vault_->slots().read(row_.slot);
    if (!access_secret) return access_secret.error();
    auto header = keys::open_header({item.recording, row_.id}, *stored->secret, &*access_secret, *sealed);
    if (!header) return header.error();
    auto object = vault_->store().open(item.recording);
    if (!object) return object.error();
    return OpenedItem{{0,
                       item.recording,
                       {header->reveal().begin(), header->reveal().end()},
                       record->commitment,
                       record->columns.size},
                      std::move(*object),
                      next_handle()};
  }();
  // Whoever waited for an OPEN has seen it, also when it is refused now, and after a crash.
  const bool waited = item.coverage.due().has_value();
  const vault::Coverage::Handle handle = opened ? opened->handle : next_handle();
  if (opened || waited) item.coverage.opened(handle);
  if (!opened && waited) item.coverage.broken(handle, now_ms);
  if (waited) {
    item.changed = item.new_copy = true;
    if (auto r = store_coverage(); !r) base::log_error(r.error().at("store coverage").what);
  }
  if (!opened) {
    if (opened.error().fault == Fault::not_found) return lingers ? Refusal::gone : Refusal::withdrawn;
    if (opened.error().fault == Fault::restricted) return Refusal::restricted;
    base::log_error(opened.error().at("open for " + row_.id).what);
    return opened.error().fault == Fault::damaged ? Refusal::damaged : Refusal::failed;
  }
  return std::move(*opened);
}

bool KeeperClaim::book(std::uint32_t number, vault::Coverage::Handle handle, const ask::Book& b) {
  Item& item = items_[number];
  if (!erases()) return false;
  item.changed = true;
  const bool new_copy = b.arrived ? item.coverage.booked(handle, b.offset, b.length, b.eof)
                                  : item.coverage.sent(handle, b.offset, b.length);
  in_chunks_ = in_chunks_ || item.coverage.in_chunks();
  item.new_copy = item.new_copy || new_copy;
  return new_copy;
}

void KeeperClaim::deliver(std::uint32_t number) {
  Item& item = items_[number];
  if (!erases() || item.gone || item.withdrawn) return;
  item.gone = true;
  item.changed = false;
  item.linger_until = linger_end(item);
  delivered_.push_back({row_.id, number, item.recording, item.linger_until});
}

// An empty file can be opened as long as the claim lasts: some clients fetch it twice.
base::Seconds KeeperClaim::linger_end(const Item& item) const {
  if (item.coverage.size() == 0) return row_.claimed_at + vault_->config().claim_longest;
  return linger_ > 0 ? vault_->clock().now() + linger_ : 0;
}

bool KeeperClaim::close(std::uint32_t number, vault::Coverage::Handle handle, bool company, std::int64_t now_ms) {
  active_ms = now_ms;
  Item& item = items_[number];
  if (!erases()) {
    item.coverage.broken(handle, now_ms);
    return false;
  }
  item.changed = true;
  if (item.coverage.closed(handle, now_ms, company || in_chunks_)) deliver(number);
  ended(number);
  return item.gone;
}

void KeeperClaim::ended(std::uint32_t number) {
  const vault::Coverage& coverage = items_[number].coverage;
  in_chunks_ = in_chunks_ || coverage.in_chunks();
  if (coverage.due()) waiting_.insert(number);
}

void KeeperClaim::lost(std::uint32_t number, vault::Coverage::Handle handle, bool orderly, std::int64_t now_ms) {
  Item& item = items_[number];
  if (orderly && erases())
    item.coverage.ended(handle, now_ms);
  else
    item.coverage.broken(handle, now_ms);
  item.changed = true;
  ended(number);
}

std::optional<std::string> KeeperClaim::damaged(std::uint32_t number) {
  Item& item = items_[number];
  if (std::exchange(item.damage_noted, true)) return std::nullopt;
  return item.recording;
}

std::optional<Refusal> KeeperClaim::remove(std::uint32_t number) {
  if (number >= item_count()) return Refusal::not_found;
  Item& item = items_[number];
  if (!item.gone && item.coverage.due()) deliver(number);
  if (!item.gone) return Refusal::not_allowed;
  if (item.linger_until == 0) return std::nullopt;
  const auto waits = std::ranges::find(delivered_, number, &vault::DeliveredItem::position);
  if (waits != delivered_.end()) {
    waits->linger_until = 0;
  } else if (auto r = vault::end_linger(*vault_, row_.id, item.recording); !r) {
    base::log_error(r.error().at("end linger").what);
    return Refusal::failed;
  }
  item.linger_until = vault_->clock().now();  // end_lingers() takes it from here
  return std::nullopt;
}

KeeperClaim::Lingered KeeperClaim::end_lingers(base::Seconds now) {
  Lingered out{false, false};
  for (Item& item : items_) {
    if (item.linger_until == 0 || item.linger_until > now) continue;
    item.linger_until = 0;
    out.any = true;
    out.open = out.open || item.coverage.open_handles() > 0;
  }
  return out;
}

void KeeperClaim::settle(std::int64_t now_ms) {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const auto due = items_[*at].coverage.due();
    if (due && *due > now_ms) {
      ++at;
      continue;
    }
    if (due) deliver(*at);
    at = waiting_.erase(at);  // delivered, or opened again meanwhile
  }
}

std::optional<std::int64_t> KeeperClaim::next_due() const {
  std::optional<std::int64_t> next;
  for (const std::uint32_t item : waiting_) {
    const auto due = items_[item].coverage.due();
    if (due && (!next || *due < *next)) next = due;
  }
  return next;
}

bool KeeperClaim::all_gone() const {
  return delivered_.empty() && std::all_of(items_.begin(), items_.end(), [](const Item& i) {
           return (i.gone && (i.linger_until == 0 || i.coverage.size() == 0)) || i.withdrawn;
         });
}

std::vector<vault::DeliveredItem> KeeperClaim::take_delivered() { return std::exchange(delivered_, {}); }

void KeeperClaim::put_back(std::vector<vault::DeliveredItem> items) {
  delivered_.insert(delivered_.end(), items.begin(), items.end());
}

Result<void> KeeperClaim::store_coverage() {
  if (!erases()) return {};
  const std::int64_t now_ms = base::monotonic_ms();
  const auto wanted = [&](const Item& item) {
    return item.changed && !item.gone &&
           (item.new_copy || item.coverage.open_handles() == 0 || now_ms >= item.stored_ms + kStoreEveryMs ||
            item.coverage.bytes_sent() >= item.stored_at + kStoreEvery);
  };
  if (std::none_of(items_.begin(), items_.end(), wanted)) return {};
  return vault_->catalog().change([&]() -> Result<void> {
    for (std::uint32_t i = 0; i < item_count(); ++i) {
      Item& item = items_[i];
      if (!wanted(item)) continue;
      if (auto r = vault_->catalog().store_coverage(row_.id, i, item.coverage.text(),
                                                    static_cast<long long>(item.coverage.bytes_sent()));
          !r)
        return r;
      item.changed = item.new_copy = false;
      item.stored_at = item.coverage.bytes_sent();
      item.stored_ms = now_ms;
    }
    return {};
  });
}

Result<KeeperClaim::Refreshed> KeeperClaim::refresh() {
  auto row = vault_->catalog().access(row_.id);
  if (!row) return row.error();
  row_ = std::move(*row);
  auto items = vault_->catalog().items(row_.id);
  if (!items) return items.error();
  Refreshed out{row_.state != "open" && row_.state != "claimed", false, false, false};
  const base::Seconds now = vault_->clock().now();
  for (const auto& stored : *items) {
    if (stored.position >= items_.size()) {  // a standing log-in takes in what is sealed
      if (auto r = erases() ? Result<void>() : add(stored); !r) return r.error();
      continue;
    }
    Item& item = items_[stored.position];
    if (stored.restricted && item.coverage.open_handles() > 0) out.open_item_restricted = true;
    if (stored.recording_state == "erasing" && stored.linger_until <= now) out.erasure_due = true;
    if (item.gone) continue;
    const bool withdrawn = stored.state != "offered" || stored.recording_state != "sealed";
    if (withdrawn && !item.withdrawn && item.coverage.open_handles() > 0) out.open_item_withdrawn = true;
    item.withdrawn = withdrawn;
  }
  return out;
}

}  // namespace sftp
