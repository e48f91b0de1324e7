// Changes of the roster without the command that makes them, for the tests of moves under a running daemon, and for
// bench/rewrap.py. Never installed.
//
//   join VAULT IDENTITY PASSPHRASE-FILE TECH-FILE    a Tech Manager joins: TECH-FILE gets the identity, in the clear
//   leave VAULT IDENTITY PASSPHRASE-FILE             every Tech Manager leaves
//   again VAULT IDENTITY PASSPHRASE-FILE             goes on with what was cut
//   fill VAULT COUNT                                 small recordings of customer "acme", without syncing their objects
//   opens VAULT TECH-FILE                            prints how many recordings the identity opens
//
// The first three print "added N moved N skipped N", the seconds that it took, and those of CPU.
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "vault/open_recording.h"
#include "vault/rewrap.h"
#include "vault/seal.h"

namespace {

using testkit::must;

const base::SystemClock kClock;

vault::Vault open(const char* folder) { return must(vault::Vault::open(folder, kClock)); }

keys::Identity unlock(const char* file, const char* passphrase_file) {
  return must(keys::read_identity(file, [&] {
    auto text = must(base::read_file(passphrase_file, 1024));
    text.pop_back();  // the newline
    return base::SecretBytes::take(std::span(text));
  }));
}

void put_roster(vault::Vault& vault, const keys::Identity& identity, const std::vector<keys::RoleHolder>& holders) {
  const auto* own = vault.roster().holding(identity.recipient());
  if (own == nullptr) std::abort();
  const auto signer = must(keys::NoteSigner::create(own->name, *identity.signing_seed()));
  const auto note = must(keys::Roster::make(vault.roster().version() + 1, holders, signer));
  must(base::system_files().replace_whole(vault.folder() / vault::file::kRoster, base::as_bytes(note)));
}

int again(const char* folder, const keys::Identity& identity) {
  auto vault = open(folder);
  const auto began = base::monotonic_ms();
  const std::clock_t worked = std::clock();
  const auto done = vault::rewrap(vault, identity, [](const vault::RewrapProgress& progress) {
    std::fprintf(stderr, "%llu of %llu\n", static_cast<unsigned long long>(progress.done),
                 static_cast<unsigned long long>(progress.all));
  });
  if (!done) {
    std::fprintf(stderr, "%s\n", done.error().what.c_str());
    return static_cast<int>(done.error().fault);
  }
  std::printf("added %llu moved %llu skipped %llu seconds %.3f cpu %.3f\n",
              static_cast<unsigned long long>(done->added), static_cast<unsigned long long>(done->moved),
              static_cast<unsigned long long>(done->skipped), static_cast<double>(base::monotonic_ms() - began) / 1000,
              static_cast<double>(std::clock() - worked) / CLOCKS_PER_SEC);
  return 0;
}

int join(const char* folder, const keys::Identity& identity, const char* tech_file) {
  {
    auto vault = open(folder);
    const auto tech = must(keys::Identity::generate());
    testkit::put_file(tech_file, must(tech.text("tech")).reveal());
    auto holders = vault.roster().holders();
    holders.push_back({keys::Role::tech_manager, "tech", tech.recipient(),
                       must(keys::NoteSigner::create("tech", *tech.signing_seed())).verifier()});
    put_roster(vault, identity, holders);
  }
  return again(folder, identity);
}

int leave(const char* folder, const keys::Identity& identity) {
  {
    auto vault = open(folder);
    auto holders = vault.roster().holders();
    std::erase_if(holders, [](const auto& holder) { return holder.role == keys::Role::tech_manager; });
    put_roster(vault, identity, holders);
  }
  return again(folder, identity);
}

// Thousands at once, in transactions of a thousand.
int fill(const char* folder, long count) {
  auto vault = open(folder);
  const base::Bytes sound = testkit::pattern(200);
  const base::Fd source(::memfd_create("sound", MFD_CLOEXEC));
  must(base::system_files().append(source.get(), sound));
  const auto recipients = vault::recipients_for(vault.roster(), "customer");
  auto piece = must(base::SecretBytes::zeros(vault::kSealPiece));
  for (long made = 0; made < count;) {
    std::vector<vault::Sealed> all;
    const long batch = std::min(count - made, 1000L);
    must(vault.catalog().change([&]() -> base::Result<void> {
      for (long i = 0; i < batch; ++i) {
        vault::Sealed next;
        next.columns.slot = must(vault.catalog().take_slot(vault.slots().high_water()));
        all.push_back(std::move(next));
      }
      return {};
    }));
    for (auto& next : all) {
      vault::SealJob job;
      job.columns = {vault::new_id('r'), "customer", "acme", "inbound", kClock.now(), 0, next.columns.slot};
      job.source = source.get();
      auto object = must(vault.store().create(job.columns.recording));
      job.object = object.get();
      job.recipients = recipients;
      must(vault.slots().reserve(job.columns.slot));
      next = must(vault::seal(job, must(vault.slots().read(job.columns.slot)), vault.service(), vault.files(), piece));
    }
    must(vault.audit().act([&]() -> base::Result<void> {
      for (const auto& sealed : all) {
        vault::RecordingRow row;
        row.columns = sealed.columns;
        row.record = sealed.record;
        row.received_at = kClock.now();
        if (auto r = vault.catalog().add_writing(row); !r) return r;
        if (auto r = vault.catalog().set_sealed(row, sealed.headers, 1, sealed.metadata_payload, ""); !r) return r;
        if (auto r = vault.audit().note({"recording.sealed", "service", {row.columns.recording}, ""}); !r) return r;
      }
      return {};
    }));
    made += batch;
  }
  return 0;
}

int opens(const char* folder, const char* tech_file) {
  auto vault = open(folder);
  const auto tech = must(keys::read_identity(tech_file, []() -> base::Result<base::SecretBytes> { std::abort(); }));
  const std::string recipient = keys::recipient_id(tech.recipient());
  int opened = 0;
  for (const auto& row : must(vault.catalog().recordings({}))) {
    const auto stored = must(vault::stored_recording(vault, row.columns.recording, recipient));
    const auto metadata = must(vault.catalog().metadata(row.columns.recording));
    if (!stored.header || !stored.secret || !metadata) continue;
    if (vault::open_rows(vault, {stored.row, recipient, *stored.header, *metadata}, *stored.secret, tech)) ++opened;
  }
  std::printf("%d\n", opened);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "join" && argc == 6) return join(argv[2], unlock(argv[3], argv[4]), argv[5]);
  if (what == "leave" && argc == 5) return leave(argv[2], unlock(argv[3], argv[4]));
  if (what == "again" && argc == 5) return again(argv[2], unlock(argv[3], argv[4]));
  if (what == "fill" && argc == 4) return fill(argv[2], std::atol(argv[3]));
  if (what == "opens" && argc == 4) return opens(argv[2], argv[3]);
  return 2;
}
