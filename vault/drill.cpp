#include "vault/drill.h"

#include "vault/open_recording.h"
#include "vault/role.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

// Below `limit`, evenly enough: the fault is limit / 2^64.
std::size_t random_below(std::size_t limit) {
  const base::Bytes bytes = base::random_bytes(8);
  return static_cast<std::size_t>(*base::Reader(bytes).u64() % limit);
}

Result<void> open_whole(Vault& vault, const std::string& id, const keys::Identity& identity) {
  auto recording = open_recording(vault, id, identity);
  if (!recording) return recording.error();
  return verify_audio(vault, *recording);
}

}  // namespace

Result<Drill> drill_recovery(Vault& vault, const Actor& recovery, std::size_t sample,
                             const std::function<void()>& step) {
  if (auto r = may(recovery.holder.role, Action::drill_recovery); !r) return r.error();
  RecordingFilter filter;
  filter.state = "sealed";
  auto rows = vault.catalog().recordings(filter);
  if (!rows) return rows.error();
  if (rows->empty()) return Error{Fault::not_found, "no recording is held: there is nothing to open"};
  Drill out;
  out.held = rows->size();
  for (std::size_t i = 0; i < std::min(sample, out.held); ++i) {
    std::swap((*rows)[i], (*rows)[i + random_below(out.held - i)]);
    const std::string& id = (*rows)[i].columns.recording;
    const auto opened = open_whole(vault, id, recovery.identity);
    auto now = opened ? Result<RecordingRow>((*rows)[i]) : vault.catalog().recording(id);
    if (!now) return now.error();
    if (opened) {
      out.opened.push_back(id);
    } else if (now->state == "sealed") {  // else it was erased meanwhile, as it should be
      out.failed.push_back(opened.error());
    }
    step();
  }
  keys::NoteFields note;
  note.type = "callvault/v1/act";
  note.fields = {{"act", "recovery.drilled"},
                 {"subject", recovery.holder.name},
                 {"opened", std::to_string(out.opened.size())},
                 {"failed", std::to_string(out.failed.size())},
                 {"by", recovery.holder.name},
                 {"at", base::rfc3339(vault.clock().now())}};
  auto statement = recovery.signer.sign(note.print());
  if (!statement) return statement.error();
  auto r = vault.audit().act([&] {
    return vault.audit().note(
        {"recovery.drilled",
         recovery.holder.name,
         {"opened-" + std::to_string(out.opened.size()), "failed-" + std::to_string(out.failed.size())},
         *statement});
  });
  if (!r) return r.error();
  return out;
}

}  // namespace vault
