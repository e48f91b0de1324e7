// One access as long as somebody is logged in to it, or its claim runs: its items, what was sent of them, what is
// delivered. Knows nothing of sockets; the keeper's event loop calls it and asks it for its next time.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/files.h"
#include "sftp/messages.h"
#include "vault/access.h"
#include "vault/coverage.h"
#include "vault/erase.h"

namespace sftp {

class KeeperClaim {
 public:
  // Reads items and stored coverage. Fault::damaged, Fault::failed.
  static base::Result<KeeperClaim> load(vault::Vault& vault, const vault::AccessRow& row,
                                        const vault::AccessStatement& statement);

  const std::string& id() const { return row_.id; }
  const vault::AccessRow& row() const { return row_; }
  // What was signed counts: the row is read again and again, and not verified each time.
  bool erases() const { return statement_.terms.kind == keys::AccessKind::delivery; }
  bool expired(base::Seconds now) const { return !erases() && now >= statement_.terms.expires; }
  // What the notices say of the audit log. The same for all connections of a claim, or of a reader: clients list over
  // one and read over another, and take a size that changed for a broken transfer.
  const std::string& checkpoint() const { return checkpoint_; }
  base::Seconds loaded_at() const { return loaded_at_; }
  std::uint32_t item_count() const { return static_cast<std::uint32_t>(items_.size()); }

  base::Result<say::Entries> entries(std::uint32_t from) const;

  struct OpenedItem {
    say::Opened reply;  // its handle is filled in by the caller
    base::Fd object;
    vault::Coverage::Handle handle;  // unique within the process
  };
  // An OPEN that takes a wait back is stored at once.
  std::variant<OpenedItem, Refusal> open(std::uint32_t item, std::int64_t now_ms);
  // True: a new copy began; store_coverage() now.
  bool book(std::uint32_t item, vault::Coverage::Handle handle, const ask::Book& booking);
  // True: the recording is downloaded now, and was put into `delivered`. `company` as in Coverage::closed().
  bool close(std::uint32_t item, vault::Coverage::Handle handle, bool company, std::int64_t now_ms);
  // The connection of an open handle is over; `orderly` as in ask::End.
  void lost(std::uint32_t item, vault::Coverage::Handle handle, bool orderly, std::int64_t now_ms);
  // Its recording; nullopt: it was told already.
  std::optional<std::string> damaged(std::uint32_t item);
  // nullopt: fine, it is gone, or was downloaded and goes now: this is the customer's own acknowledgement.
  std::optional<Refusal> remove(std::uint32_t item);

  // Items whose wait is over are delivered now.
  void settle(std::int64_t now_ms);
  std::optional<std::int64_t> next_due() const;
  // Items whose time to linger is over at `now`: their keys must go.
  struct Lingered {
    bool any;
    bool open;  // somebody reads one of them
  };
  Lingered end_lingers(base::Seconds now);
  bool all_gone() const;  // and nothing lingers
  bool has_delivered() const { return !delivered_.empty(); }

  // Delivered in memory, to be marked in the catalogue; the caller takes them.
  std::vector<vault::DeliveredItem> take_delivered();
  void put_back(std::vector<vault::DeliveredItem> items);  // marking failed: they are tried again
  base::Result<void> store_coverage();                     // of items where enough changed

  // The catalogue was changed by somebody else: withdrawn or erased items, an ended access.
  struct Refreshed {
    bool ended;                 // the access has ended
    bool open_item_withdrawn;   // somebody reads what may not be read any more
    bool open_item_restricted;  // the same, and it may be read again one day
    bool erasure_due;           // released: whoever did it may not have come to its keys
  };
  base::Result<Refreshed> refresh();

  int connections = 0;
  std::int64_t active_ms = 0;            // the last request
  std::optional<std::int64_t> broke_ms;  // a connection of it broke, or was refused as one too many; the last time

 private:
  struct Item {
    std::string recording, entry;
    bool gone = false;               // delivered, here or by an earlier claim's connection
    base::Seconds linger_until = 0;  // delivered, and can be opened again until then
    bool withdrawn = false;          // for another reason
    vault::Coverage coverage;
    bool changed = false;
    bool new_copy = false;        // earlier parts, or a wait, were dropped since it was last stored
    std::uint64_t stored_at = 0;  // bytes sent when it was last stored
    std::int64_t stored_ms = 0;
    bool damage_noted = false;
  };
  KeeperClaim(vault::Vault& vault, vault::AccessRow row, vault::AccessStatement statement)
      : vault_(&vault), row_(std::move(row)), statement_(std::move(statement)) {}
  base::Result<void> add(const vault::ItemRow& item);  // the next one
  void deliver(std::uint32_t item);
  void ended(std::uint32_t item);  // a handle of it
  base::Seconds linger_end(const Item& item) const;

  vault::Vault* vault_;
  vault::AccessRow row_;
  vault::AccessStatement statement_;
  std::vector<Item> items_;
  std::string checkpoint_;
  base::Seconds loaded_at_ = 0;
  base::Seconds linger_ = 0;  // of its customer
  std::vector<vault::DeliveredItem> delivered_;
  std::set<std::uint32_t> waiting_;  // items whose due time runs
  bool in_chunks_ = false;           // its client was seen to fetch an item in chunks
};

}  // namespace sftp
