#include "vault/upload.h"

#include <algorithm>
#include <boost/filesystem/operations.hpp>

#include "base/log.h"
#include "base/secret.h"
#include "vault/intake.h"
#include "vault/open_recording.h"
#include "vault/sound.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::size_t kHead = 4096;
constexpr std::uint64_t kLookEvery = std::uint64_t{16} << 20;  // bytes of an upload, at the room on the disk

// Room is kept for the catalogue: without it no log-in, no delivery and no erasure could be written down.
Result<void> room_on_disk(const Vault& vault) {
  boost::system::error_code code;
  const auto space = boost::filesystem::space(vault.folder(), code);
  if (code) return Error{Fault::failed, "cannot tell the room on the disk"};
  const auto least = static_cast<std::uint64_t>(vault.config().drop_free_mib) * 1024 * 1024;
  if (space.available >= least) return {};
  return Error{Fault::busy, "the disk is too full to take recordings in ([drop] free_mib)"};
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Result<Upload> Upload::begin(Vault& vault) {
  if (auto r = room_on_disk(vault); !r) return r.error();
  const std::string id = new_id('r');
  auto object = vault.store().create_incoming(id);
  if (!object) return object.error();
  auto sealer = Sealer::create(object->get(), vault.files());
  if (!sealer) {
    (void)vault.store().remove_incoming(id);
    return sealer.error();
  }
  return Upload(id, std::move(*object), std::move(*sealer),
                static_cast<std::uint64_t>(vault.config().drop_largest_mib) * 1024 * 1024);
}

Upload::~Upload() { base::wipe(std::span(head_)); }

Result<void> Upload::add(Vault& vault, base::ByteView plain) {
  if (broken_) return Error{Fault::failed, "the upload failed before"};
  broken_ = true;  // until it went well
  if (plain.size() > most_ - sealer_.size())
    return Error{Fault::usage, "an upload is longer than a recording may be ([drop] largest_mib)"};
  if (sealer_.size() / kLookEvery != (sealer_.size() + plain.size()) / kLookEvery) {
    if (auto r = room_on_disk(vault); !r) return r;
  }
  head_.reserve(kHead);  // once: growing would leave copies behind
  base::put_raw(head_, plain.first(std::min(plain.size(), kHead - head_.size())));
  if (auto r = sealer_.add(plain); !r) return r;
  broken_ = false;
  return {};
}

Result<void> Upload::hold(Vault& vault, const RecorderRow& recorder, const std::string& path) {
  if (std::exchange(broken_, true)) return Error{Fault::failed, "the upload failed before"};
  if (auto r = sealer_.end(); !r) return r;
  SealJob job;
  Columns& c = job.columns;
  c.recording = id_;
  c.klass = recorder.klass;
  c.customer = recorder.customer;
  c.size = sealer_.size();
  const std::string name = last_part(path);
  job.metadata.name = clean_utf8(name);
  const base::Seconds now = vault.clock().now();
  describe(parse_pbx_name(path, vault.config().zone).value_or(CallFacts{}), recorder.category, now, c, job.metadata);
  job.recipients = recipients_for(vault.roster(), c.klass);
  const std::string quarantine = quarantine_reason(name, c.size, head_).value_or("");

  std::string key =
      vault.source_key("recorder " + recorder.name + "/" + c.klass + "/" + c.customer + "/" + path, sealer_.sha256());
  auto held = vault.catalog().recording_from(key);
  if (!held) return held.error();
  if (*held) {
    auto row = vault.catalog().recording(**held);
    if (!row) return row.error();
    const auto whole = verify_object(vault, *row);
    if (whole) {
      drop(vault);
      return {};
    }
    base::log_error(whole.error().at("an upload is held beside what it repeats").what);
    key.clear();
  }
  if (auto r = vault.store().commit_incoming(object_); !r) return r;
  auto done = vault.audit().act([&]() -> Result<void> {
    if (auto r = still_takes(vault, recorder); !r) return r;
    auto slot = vault.catalog().take_slot(vault.slots().high_water());
    if (!slot) return slot.error();
    c.slot = *slot;
    if (auto r = vault.slots().reserve(c.slot); !r) return r;
    auto secret = vault.slots().read(c.slot);
    if (!secret) return secret.error();
    auto sealed = sealer_.seal(job, *secret, vault.service());
    if (!sealed) return sealed.error();
    RecordingRow row;
    row.columns = sealed->columns;
    row.received_at = now;
    if (auto r = vault.catalog().add_writing(row); !r) return r;
    auto left_out = vault::hold(vault, *sealed, quarantine, key, recorder.name);
    if (!left_out) return left_out.error();
    for (const auto& what : *left_out) base::log_error(id_ + " is held, but not everything took it in: " + what);
    return {};
  });
  if (!done) return done;
  // It is held where it lies; at the next start it is tried again.
  if (auto r = vault.store().move_incoming(id_); !r) base::log_error(r.error().at("move an upload").what);
  return {};
}

void Upload::drop(Vault& vault) {
  broken_ = true;
  object_ = base::Fd();
  // Should the catalogue hold it after all, whatever it said, finish_uploads() finds its object.
  const auto row = vault.catalog().recording(id_);
  if (row || row.error().fault != Fault::not_found) return;
  if (auto r = vault.store().remove_incoming(id_); !r) base::log_error(r.error().at("drop an upload").what);
}

Result<void> finish_uploads(Vault& vault) {
  auto ids = vault.store().incoming();
  if (!ids) return ids.error();
  for (const auto& id : *ids) {
    if (!valid_id(id)) continue;
    auto row = vault.catalog().recording(id);
    if (!row && row.error().fault != Fault::not_found) return row.error();
    const bool held = row && row->state != "erased" && row->state != "writing";
    if (auto r = held ? vault.store().move_incoming(id) : vault.store().remove_incoming(id); !r) return r;
  }
  return {};
}

}  // namespace vault
