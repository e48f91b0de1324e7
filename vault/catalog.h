// Catalog: tables and transactions; all the SQL of the project stands in vault/catalog*.cpp.
//
// One connection, not thread-safe, never carried over a fork. Every change runs inside change(): BEGIN IMMEDIATE, so
// that a busy database is waited for at the start and never found at the commit. Errors: Fault::busy when another
// process holds the database for longer than 30 s, Fault::damaged when it is no catalogue of ours, Fault::failed
// otherwise. Error texts never hold values: the library's own texts quote them, so they are not passed on.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/path.h"
#include "base/result.h"
#include "vault/record.h"

namespace vault {

struct CustomerRow {
  std::string id, state;
  base::Seconds created_at = 0;
  long long linger = 0;  // minutes
  bool plain_folder = false;
  std::string name;       // base64 of an age file for the role holders; empty when no name was given
  std::string statement;  // signed
};

struct RecordingRow {
  Columns columns;
  std::string state;       // writing, sealed, erasing, erased
  std::string quarantine;  // reason, or empty
  std::string reason;      // of its erasure: delivered, due, instruction, right, unlawful
  base::Seconds received_at = 0, ended_at = 0, due_at = 0;
  std::string record;  // signed ingest record
  int level = 0;       // of its erasure
  long long generation = 0;
  base::Seconds linger_until = 0;   // in state erasing: its keys go at this time, not before; 0: they are going
  base::Seconds restricted_at = 0;  // joined: when its open restriction began; 0: it has none
};

struct RecordingFilter {
  std::optional<std::string> state, customer, id;
  std::optional<base::Seconds> from, to;  // call time, both ends included
  bool quarantined = false;               // only those
};

struct AccessRow {
  std::string id, kind, account, customer, state;
  base::Seconds not_before = 0, expires = 0;
  std::uint64_t slot = 0;
  bool strict = false, any_address = false;
  std::string statement;
  base::Seconds created_at = 0, claimed_at = 0, seen_at = 0, ended_at = 0;
  std::string attempt;   // random id of the log-in that claimed it
  std::string network;   // keyed hash of the network it was claimed from
  std::string takes_in;  // vault/collect.h; empty: nothing
  std::uint64_t turn = 0;
};

struct ItemRow {
  std::string access, recording, state;
  std::uint32_t position = 0;
  bool exclusive = true;
  std::string entry;     // base64 of the sealed folder entry
  std::string coverage;  // vault/coverage.h text()
  long long sent = 0;    // bytes of DATA in all, for warnings
  base::Seconds delivered_at = 0;
  std::string recording_state;     // joined
  base::Seconds linger_until = 0;  // joined
  std::uint64_t size = 0;          // joined: plaintext bytes
  std::uint64_t slot = 0;          // for add_item(): the recording's, under which the item's header is sealed
  bool restricted = false;         // joined: its recording has an open restriction
};

struct RestrictionRow {
  std::string id, recording;
  base::Seconds opened_at = 0, closed_at = 0;  // closed_at 0: open
  std::string opening, release;                // signed statements
};

struct OldSlot {
  std::uint64_t slot = 0;
  std::string recording;
  std::string record;  // the signed record that names both
};

struct RecorderRow {
  std::string name, id, state;  // open, removed
  std::string ssh_key;          // "ssh-ed25519 AAAA..."
  std::string klass, customer, category;
  base::Seconds created_at = 0, signed_at = 0;
  std::string statement;  // signed
};

struct AuditRow {
  std::uint64_t seq = 0;
  std::string leaf;
  std::string details;  // base64, sealed; empty when the event has none
};

// Settings that say who holds which role: the newest version, and the whole recipients.note of it (empty when it came
// in as a file). They are what counts; the file follows.
constexpr const char* kRosterVersion = "roster_version";
constexpr const char* kRosterNote = "roster_note";

class Catalog {
 public:
  static base::Result<void> create(const base::Path& file);
  // Brings an older schema up to date; refuses a newer one.
  static base::Result<Catalog> open(const base::Path& file);
  Catalog(Catalog&&) noexcept;
  Catalog& operator=(Catalog&&) noexcept;
  ~Catalog();

  // One transaction around `work`: committed when it returns a success, rolled back otherwise. Not nested.
  base::Result<void> change(const std::function<base::Result<void>()>& work);
  // A consistent view for several reads; inside change() or another read() it is there already.
  base::Result<void> read(const std::function<base::Result<void>()>& work);
  // Copies the write-ahead log into the database and empties it: deleted rows leave the disk. Does not wait: the number
  // of frames that stay because readers are in the way, 0 = none.
  base::Result<int> empty_log();
  base::Result<std::string> integrity();   // "ok", or what SQLite found
  base::Result<long long> data_version();  // differs when another connection changed the database

  base::Result<std::optional<std::string>> setting(const std::string& name);
  base::Result<std::optional<std::uint64_t>> number(const std::string& name);  // a setting; Fault::damaged: no number
  base::Result<void> set_setting(const std::string& name, const std::string& value);
  // The next slot number, not below `at_least` (what the slots themselves know to be used, when this catalogue is an
  // older one, restored). Inside change().
  base::Result<std::uint64_t> take_slot(std::uint64_t at_least);

  base::Result<void> add_customer(const CustomerRow& row);  // Fault::usage: it exists
  base::Result<void> close_customer(const std::string& id, const std::string& statement);
  base::Result<CustomerRow> customer(const std::string& id);
  base::Result<std::vector<CustomerRow>> customers();

  base::Result<void> add_writing(const RecordingRow& row);
  struct Header {
    std::string recipient;
    std::string sealed;  // base64
    friend bool operator==(const Header&, const Header&) = default;
  };
  // writing -> sealed, with everything that belongs to it. Fault::not_found when it is not in state writing.
  base::Result<void> set_sealed(const RecordingRow& row, const std::vector<Header>& headers,
                                std::uint64_t metadata_version, const std::string& metadata,
                                const std::string& source_key);
  base::Result<void> drop_writing(const std::string& id);
  base::Result<std::optional<std::string>> recording_from(const std::string& source_key);  // one that is still held
  base::Result<RecordingRow> recording(const std::string& id);
  base::Result<std::vector<RecordingRow>> recordings(const RecordingFilter& filter);
  base::Result<std::optional<std::string>> header(const std::string& recording, const std::string& recipient);
  base::Result<std::optional<std::string>> metadata(const std::string& recording);
  base::Result<std::vector<std::string>> recipients_of(const std::string& recording);

  // sealed -> erasing; forgets its source. Number of rows that changed: 0 when it was not sealed, or is restricted.
  base::Result<int> mark_erasing(const std::string& id, const std::string& reason, base::Seconds linger_until);
  base::Result<void> set_linger(const std::string& id, base::Seconds until);  // 0: an erasing recording is due at once
  base::Result<void> end_due_lingers(base::Seconds now);  // 0 for all whose time is over: no restriction comes any more
  base::Result<int> hold_again(const std::string& id);    // erasing -> sealed, of one that lingers; else 0
  // Deletes its headers and metadata, and withdraws it from grants and standing log-ins, whose folders do not show any
  // more that it was there. The clear columns stay.
  base::Result<void> drop_keys_of(const std::string& id);
  base::Result<int> set_erased(const std::string& id, base::Seconds now, int level, std::uint64_t generation);

  base::Result<void> add_restriction(const RestrictionRow& row);
  base::Result<void> close_restriction(const std::string& id, base::Seconds now, const std::string& release);
  // Open and closed ones, oldest first; without a recording those of all.
  base::Result<std::vector<RestrictionRow>> restrictions(const std::optional<std::string>& recording);

  // Recordings that can be opened, sealed ones and those that linger, with all that a move to another slot touches.
  struct Held {
    RecordingRow row;
    std::vector<Header> headers;  // in the order of their recipients
    std::string metadata;         // base64; empty: missing
  };
  base::Result<std::uint64_t> count_held();
  // Those with slots from `first` to `last`, in their order, at most `limit`. One view only inside read() or change().
  base::Result<std::vector<Held>> held(long long first, long long last, std::size_t limit);
  base::Result<void> add_header(const std::string& recording, const Header& header);
  // Out of `old`, which is to be erased from now on: another slot, the record that names it, and other headers.
  base::Result<void> move_recording(const OldSlot& old, std::uint64_t slot, const std::string& record,
                                    const std::vector<Header>& headers);
  base::Result<std::vector<OldSlot>> old_slots();
  base::Result<int> drop_old_slot(std::uint64_t slot);
  // The recording, access or audit month whose slot this is; nothing: nobody's.
  base::Result<std::optional<std::string>> user_of_slot(std::uint64_t slot);

  // catalog_recorder.cpp
  // "a customer" (also a closed one), "a recorder" (one that was not removed), "a grantee" (of a running grant); empty:
  // nobody has the name.
  base::Result<std::string> kind_of_account(const std::string& name);
  base::Result<void> put_recorder(const RecorderRow& row);  // replaces the one of its name
  base::Result<std::optional<RecorderRow>> recorder(const std::string& name);
  base::Result<std::optional<RecorderRow>> recorder_with_key(const std::string& name, const std::string& ssh_key);
  base::Result<std::vector<RecorderRow>> recorders();

  base::Result<void> add_access(const AccessRow& row);
  base::Result<void> add_item(const ItemRow& item,
                              const std::string& sealed_header);  // Fault::busy: in another delivery, or slot
  base::Result<AccessRow> access(const std::string& id);
  base::Result<std::vector<AccessRow>> accesses(const std::optional<std::string>& kind);
  // Of one account: open first, then claimed, then the newest that ended; at most `limit`.
  base::Result<std::vector<AccessRow>> accesses_of(const std::string& account, int limit);
  base::Result<std::vector<AccessRow>> claimed_accesses();
  base::Result<std::vector<ItemRow>> items(const std::string& access);
  base::Result<std::optional<std::string>> delivery_of(const std::string& recording);  // the open or claimed one
  base::Result<std::optional<std::string>> delivered_in(
      const std::string& recording);  // a delivery it was fetched from

  // open -> claimed, exactly once. Fault::denied when it was not open or not its time.
  base::Result<void> claim(const std::string& access, const std::string& attempt, const std::string& network,
                           base::Seconds now);
  base::Result<void> saw(const std::string& access, base::Seconds now);
  // open or claimed -> finished, expired or revoked; its offered items are withdrawn, entries and headers deleted, and
  // nothing of it lingers any more.
  base::Result<int> end_access(const std::string& access, const std::string& state, base::Seconds now);
  // Ended accesses whose erase secret is still in the key-slot store, and the mark that it is not.
  base::Result<std::vector<AccessRow>> accesses_to_erase();
  base::Result<void> set_secret_gone(const std::string& access);
  // Open accesses whose first log-in did not come in time.
  base::Result<std::vector<AccessRow>> overdue_accesses(base::Seconds now);
  // offered -> delivered. 0 when it was not offered.
  base::Result<int> set_delivered(const std::string& access, std::uint32_t position, base::Seconds now);
  base::Result<void> store_coverage(const std::string& access, std::uint32_t position, const std::string& coverage,
                                    long long sent);

  // Statements and names made anew for somebody who takes them over (catalog_statement.cpp).
  base::Result<void> set_customer_statement(const std::string& id, const std::string& statement);
  base::Result<void> set_customer_name(const std::string& id, const std::string& sealed);
  base::Result<void> set_access_statement(const std::string& id, const std::string& statement);
  base::Result<void> set_restriction_statements(const RestrictionRow& row);

  // Open accesses that take recordings of this customer in, found by their account or their customer, first turn first.
  base::Result<std::vector<std::string>> taking_in(const std::string& customer);
  base::Result<std::uint32_t> next_position(const std::string& access);  // how many items it has had
  base::Result<std::uint64_t> last_turn(const std::string& account);     // of all its collecting deliveries; 0: none
  // A collecting delivery of the same account that comes before this one and has not ended.
  base::Result<std::optional<std::string>> ahead_of(const AccessRow& access, base::Seconds now);

  base::Result<void> add_audit(const AuditRow& row);
  base::Result<std::vector<AuditRow>> audit(std::uint64_t from, std::size_t limit);
  base::Result<std::uint64_t> audit_size();
  base::Result<std::optional<std::uint64_t>> audit_month(const std::string& month);
  base::Result<void> add_audit_month(const std::string& month, std::uint64_t slot);
  base::Result<std::vector<std::uint64_t>>
  slots_in_use();  // of what must still open: sealed recordings, open accesses, months

 private:
  struct State;
  explicit Catalog(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vault
