#include "vault/ingest.h"

#include <algorithm>
#include <atomic>
#include <boost/filesystem/operations.hpp>
#include <functional>
#include <set>
#include <system_error>
#include <thread>

#include "vault/customer.h"
#include "vault/file_name.h"
#include "vault/intake.h"
#include "vault/open_recording.h"
#include "vault/pbx_name.h"
#include "vault/sidecar.h"
#include "vault/sound.h"
#include "vault/source.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::size_t kHead = 4096;
constexpr std::size_t kSealKeys = 2 * keys::kChunk;  // of locked memory, for what sealing needs besides its piece
constexpr int kFollows = 3;                          // changes of the roster in the time of one batch

// What name, path and side files say. The name is foreign text: it becomes sealed metadata and nothing else.
Result<CallFacts> facts_of(const Vault& vault, const SourceFile& file, const IngestRequest& request,
                           Metadata& metadata) {
  const auto& [source, below] = file;
  metadata.name = clean_utf8(source.filename().string());
  CallFacts facts;
  const std::string path = below.empty() ? source.filename().string() : source.lexically_relative(below).string();
  if (auto parsed = parse_pbx_name(path, vault.config().zone)) facts = std::move(*parsed);

  const base::Path beside = side_file_of(source);
  if (facts.convention == "asterisk-voicemail" && base::exists(beside)) {
    if (auto finished = open_source(beside, vault.config(), vault.clock()); !finished)
      return finished.error().at("its side file");
    auto text = read_side_file(beside);
    if (!text) return text.error();
    auto parsed = parse_voicemail_txt(*text);
    if (!parsed) return parsed.error().at("side file");
    metadata.sidecar = clean_utf8(*text, kMaxSidecar);
    facts = std::move(*parsed);
  }
  if (!request.meta.empty()) {
    auto text = base::read_file(request.meta, kMaxSidecar);
    if (!text) return Error{text.error().fault, "the file of --meta cannot be read"};
    auto meta = parse_meta_json(base::as_text(*text));
    if (!meta) return meta.error().at("--meta");
    const auto prefer = [](std::string& to, const std::string& given) {
      if (!given.empty()) to = given;
    };
    prefer(metadata.name, clean_utf8(meta->name));
    prefer(facts.from, meta->facts.from);
    prefer(facts.to, meta->facts.to);
    prefer(facts.agent, meta->facts.agent);
    prefer(facts.direction, meta->facts.direction);
    prefer(facts.reference, meta->facts.reference);
    prefer(facts.category, meta->facts.category);
    if (meta->facts.started_at) {
      facts.started_at = meta->facts.started_at;
      facts.time_uncertain = false;
    }
  }
  return facts;
}

// A file on its way into the vault, together with others.
struct Taking {
  SourceFile file;
  IngestOutcome outcome;
  Source source;
  std::string quarantine;
  SealJob job;
  base::SecretBytes erase_secret;
  base::Fd object;
  Result<void> written;
  bool source_failed = false;  // while it was read: the vault is well
  Sealed sealed;
  std::string source_key;

  const std::string& id() const { return job.columns.recording; }
};

// Those of a batch that nothing has stopped yet.
using Going = std::vector<Taking*>;

void stop(Taking& taking, const Error& error, bool vault_failed) {
  taking.outcome.error = error;
  taking.outcome.vault_failed = vault_failed;
}

// What is known before the first byte is sealed.
Result<void> plan(Vault& vault, const IngestRequest& request, Taking& taking) {
  SealJob& job = taking.job;
  job.source = taking.source.fd.get();
  job.recipients = recipients_for(vault.roster(), request.klass);
  Metadata& m = job.metadata;
  auto facts = facts_of(vault, taking.file, request, m);
  if (!facts) return facts.error();
  Columns& c = job.columns;
  c.recording = new_id('r');
  c.klass = request.klass;
  c.customer = request.customer;
  c.size = taking.source.info.size;
  describe(*facts, request.category, vault.clock().now(), c, m);
  return {};
}

// Opens the source and learns what can be known of it.
Result<void> look_at(Vault& vault, const IngestRequest& request, Taking& taking) {
  const base::Path& path = taking.file.path;
  taking.outcome.name = path.filename().string();
  auto source = open_source(path, vault.config(), vault.clock(), request.watched);
  if (!source) return source.error();
  taking.source = std::move(*source);
  const std::uint64_t size = taking.source.info.size;
  taking.outcome.size = size;
  base::Bytes head(std::min<std::uint64_t>(kHead, size));
  if (auto n = base::read_at(taking.source.fd.get(), 0, head); !n) return n.error();
  taking.quarantine = quarantine_reason(path.filename().string(), size, head).value_or("");
  base::wipe(std::span(head));
  return plan(vault, request, taking);
}

Result<base::Path> whole_path(const base::Path& path) {
  boost::system::error_code code;
  const base::Path folder = boost::filesystem::current_path(code);
  if (code) return Error{Fault::failed, "the working folder is gone"};
  return boost::filesystem::absolute(path, folder).lexically_normal();
}

Result<std::string> key_of_source(const Vault& vault, const base::Path& path, const Sealed& sealed) {
  auto whole = whole_path(path);
  if (!whole) return whole.error();
  // Class and customer too: the same file taken in for somebody else is another recording.
  return vault.source_key(sealed.columns.klass + "/" + sealed.columns.customer + "/" + whole->string(),
                          sealed.metadata.sha256);
}

// A row and a slot for each. What has a row leaves nothing behind: here, or through drop_unfinished().
Result<void> begin(Vault& vault, const Going& going) {
  return vault.catalog().change([&]() -> Result<void> {
    for (Taking* taking : going) {
      auto slot = vault.catalog().take_slot(vault.slots().high_water());
      if (!slot) return slot.error();
      taking->job.columns.slot = *slot;
      RecordingRow row;
      row.columns = taking->job.columns;
      row.received_at = vault.clock().now();
      if (auto r = vault.catalog().add_writing(row); !r) return r;
    }
    return {};
  });
}

// The same bytes were there from the first to the last look.
Result<void> unchanged(const Taking& taking) {
  auto after = base::info(taking.source.fd.get());
  if (!after) return after.error();
  if (taking.sealed.columns.size == taking.source.info.size && *after == taking.source.info) return {};
  return Error{Fault::busy, "it changed while it was read; ingest it again later"};
}

Result<void> take_secret(Vault& vault, Taking& taking) {
  const keys::SlotId slot = taking.job.columns.slot;
  if (auto r = vault.slots().reserve(slot); !r) return r;
  auto secret = vault.slots().read(slot);
  if (!secret) return secret.error();
  taking.erase_secret = std::move(*secret);
  return {};
}

// Seals the source into an object that is not synced yet.
Result<void> write(Vault& vault, Taking& taking, base::SecretBytes& piece) {
  auto object = vault.store().create(taking.id());
  if (!object) return object.error();
  taking.object = std::move(*object);
  taking.job.object = taking.object.get();
  auto sealed = seal(taking.job, taking.erase_secret, vault.service(), vault.files(), piece);
  taking.source_failed = !sealed && sealed.error().fault == Fault::damaged;
  if (!sealed) return sealed.error();
  taking.sealed = std::move(*sealed);
  const auto same = unchanged(taking);
  taking.source_failed = !same;
  if (!same) return same;
  Store::begin_commit(taking.object);
  taking.outcome.sha256 = taking.sealed.metadata.sha256;
  return {};
}

std::size_t workers() { return std::max(1U, std::thread::hardware_concurrency()); }

// work(i, worker) for each i below `count`: one after the other in each of `threads` threads, or of as many as can be
// had. `worker` says in which of them. The work touches nothing of the vault but files of its own.
void at_once(std::size_t count, std::size_t threads, const std::function<void(std::size_t, std::size_t)>& work) {
  std::atomic<std::size_t> next = 0;
  const auto run = [&](std::size_t worker) {
    for (std::size_t i = next++; i < count; i = next++) work(i, worker);
  };
  std::vector<std::jthread> others;
  const std::size_t most = std::min(count, threads);
  try {
    while (others.size() + 1 < most) others.emplace_back(run, others.size() + 1);
  } catch (const std::system_error&) {  // no more threads to be had: those that are there do it
  }
  run(0);
}

// A piece for each of `most` workers. Where locked memory is short (ulimit -l) there are fewer, at least one, and
// something is left for the keys. The kernel takes its time for a piece: they are made at once, too.
Result<std::vector<base::SecretBytes>> seal_pieces(std::size_t most) {
  std::vector<base::SecretBytes> pieces(most);
  auto first = base::SecretBytes::zeros(kSealPiece);
  if (!first) return first.error();
  pieces.front() = std::move(*first);
  if (most == 1) return pieces;
  if (const auto left_for_keys = base::SecretBytes::zeros(kSealKeys)) {
    at_once(most - 1, workers(), [&](std::size_t i, std::size_t) {
      if (auto piece = base::SecretBytes::zeros(kSealPiece)) pieces[i + 1] = std::move(*piece);
    });
  }
  std::erase_if(pieces, [](const base::SecretBytes& piece) { return piece.size() == 0; });
  return pieces;
}

void write_all(Vault& vault, const Going& going) {
  if (going.empty()) return;
  auto pieces = seal_pieces(std::min(going.size(), workers()));
  if (!pieces) {
    for (Taking* taking : going) taking->written = pieces.error();
    return;
  }
  at_once(going.size(), pieces->size(),
          [&](std::size_t i, std::size_t worker) { going[i]->written = write(vault, *going[i], (*pieces)[worker]); });
}

// When the vault has this very source already, the outcome names the recording that is held.
Result<void> compare(Vault& vault, Taking& taking) {
  auto key = key_of_source(vault, taking.file.path, taking.sealed);
  if (!key) return key.error();
  taking.source_key = std::move(*key);
  auto held = vault.catalog().recording_from(taking.source_key);
  if (!held) return held.error();
  taking.outcome.duplicate = held->has_value();
  if (taking.outcome.duplicate) taking.sealed.file_key = {};
  taking.outcome.id = held->value_or("");
  return {};
}

// Objects first, then one transaction: from here on they are in the vault, all or none.
Result<void> keep(Vault& vault, const Going& going) {
  Store::Objects objects;
  for (const Taking* taking : going) objects.emplace(taking->id(), taking->object.get());
  if (auto r = vault.store().commit(objects); !r) return r;
  auto kept = vault.audit().act([&]() -> Result<void> {
    for (Taking* taking : going) {
      auto left_out = hold(vault, taking->sealed, taking->quarantine, taking->source_key);
      if (!left_out) return left_out.error();
      taking->outcome.left_out = std::move(*left_out);
    }
    return {};
  });
  if (!kept) return kept;
  for (Taking* taking : going) {
    taking->outcome.id = taking->id();
    taking->sealed.file_key = {};  // what takes it in has it
  }
  return {};
}

// Nothing half-done stays. If even this fails, drop_unfinished() does it at the next start.
// The rows go last: they alone tell of the objects.
void drop(Vault& vault, const std::set<std::string>& ids) {
  if (ids.empty() || !vault.store().remove(ids)) return;
  (void)vault.catalog().change([&]() -> Result<void> {
    for (const auto& id : ids) {
      if (auto r = vault.catalog().drop_writing(id); !r) return r;
    }
    return {};
  });
}

// A duplicate's source may go only if what is held is whole, and was not quarantined.
Result<std::string> quarantine_of_held(Vault& vault, const IngestOutcome& outcome, bool remove_source) {
  auto row = vault.catalog().recording(outcome.id);
  if (!row) return row.error();
  if (remove_source) {
    if (auto r = verify_object(vault, *row); !r) return r.error().at("the copy in the vault; the source stays");
  }
  return row->quarantine;
}

// What is in the vault now: is the source to go?
Result<void> finish(Vault& vault, const IngestRequest& request, Taking& taking) {
  if (taking.outcome.duplicate) {
    auto held = quarantine_of_held(vault, taking.outcome, request.remove_source);
    if (!held) return held.error();
    taking.quarantine = *held;
  }
  if (!taking.quarantine.empty()) {
    taking.outcome.quarantined = true;
    return Error{Fault::failed,
                 "quarantined: " + taking.quarantine + "; it is sealed, but not delivered until somebody looks at it"};
  }
  if (request.remove_source) {
    if (auto r = remove_source(vault.files(), taking.file.path, taking.source, taking.job.metadata.sidecar); !r)
      return r;
  }
  if (taking.outcome.left_out.empty()) return {};
  std::string why;
  for (const auto& what : taking.outcome.left_out) why += "; " + what;
  return Error{Fault::damaged, "it is sealed and held, but not everything took it in" + why};
}

// Takes a batch in: each step for all of them, so that their transactions and syncs are shared.
void take_in(Vault& vault, const IngestRequest& request, const Going& batch) {
  Going going;
  for (Taking* taking : batch) {
    if (auto r = look_at(vault, request, *taking); !r) {
      stop(*taking, r.error(), false);
    } else {
      going.push_back(taking);
    }
  }
  if (going.empty()) return;
  const auto stop_all = [&](const Error& error) {
    for (Taking* taking : going) stop(*taking, error, true);
  };
  if (auto r = begin(vault, going); !r) return stop_all(r.error());

  for (Taking* taking : going) taking->written = take_secret(vault, *taking);
  Going ready;
  std::ranges::copy_if(going, std::back_inserter(ready), [](const Taking* taking) { return bool(taking->written); });
  write_all(vault, ready);
  std::set<std::string> not_kept;
  Going whole;
  for (Taking* taking : going) {
    taking->erase_secret = {};
    if (taking->written) taking->written = compare(vault, *taking);
    if (!taking->written) {
      stop(*taking, taking->written.error(), !taking->source_failed);
    } else if (!taking->outcome.duplicate) {
      whole.push_back(taking);
      continue;
    }
    not_kept.insert(taking->id());
  }
  going = std::move(whole);
  if (auto r = going.empty() ? Result<void>() : keep(vault, going); !r) {
    stop_all(r.error());
    for (const Taking* taking : going) not_kept.insert(taking->id());
  }
  drop(vault, not_kept);
  for (Taking* taking : batch) {
    if (taking->outcome.error) continue;
    if (auto r = finish(vault, request, *taking); !r) stop(*taking, r.error(), false);
  }
  // Here the kernel lets the blocks of removed files go.
  at_once(batch.size(), workers(), [&](std::size_t i, std::size_t) { batch[i]->source.fd = {}; });
}

// What was sealed for those who held the roles before is taken in once more, for those who hold them now.
void take_in_for_newest(Vault& vault, const IngestRequest& request, std::vector<Taking>& batch) {
  Going todo;
  for (Taking& taking : batch) todo.push_back(&taking);
  for (int again = 0; !todo.empty() && again <= kFollows; ++again) {
    if (!vault.roster_is_newest()) {
      auto newer = Vault::open(vault.folder(), vault.clock(), vault.files());
      if (!newer) {
        for (Taking* taking : todo) stop(*taking, newer.error(), true);
        return;
      }
      vault = std::move(*newer);
    }
    for (Taking* taking : todo) {
      Taking anew;
      anew.file = taking->file;
      *taking = std::move(anew);
    }
    take_in(vault, request, todo);
    std::erase_if(todo, [](const Taking* taking) { return !taking->outcome.vault_failed; });
    if (vault.roster_is_newest()) return;
  }
}

bool is_folder(const base::Path& path) {
  boost::system::error_code code;
  return boost::filesystem::is_directory(path, code);
}

// Taken first: files that are removed must not disturb the walk. Links are not followed; a side file comes with its
// recording.
Result<std::set<base::Path>> files_below(const base::Path& folder) {
  std::set<base::Path> files;
  boost::system::error_code code;
  boost::filesystem::recursive_directory_iterator at(folder, code);
  for (; !code && at != boost::filesystem::recursive_directory_iterator(); at.increment(code)) {
    boost::system::error_code gone;
    const bool is_folder = boost::filesystem::is_directory(at->symlink_status(gone));
    if (waits_for_rename(at->path().string())) {
      if (is_folder) at.disable_recursion_pending();
    } else if (!is_folder && !gone) {
      files.insert(at->path());
    }
  }
  if (code) return Error{Fault::failed, "cannot walk the folder: " + code.message()};
  const std::set<base::Path> all = files;
  for (const auto& path : all) {
    if (is_voicemail(path)) files.erase(side_file_of(path));
  }
  return files;
}

// The next files that go together. A source that is named twice comes in the next batch again: there it is a duplicate.
Result<std::vector<Taking>> next_batch(const std::vector<SourceFile>& files, std::size_t from) {
  std::vector<Taking> batch;
  std::set<base::Path> paths;
  std::uint64_t bytes = 0;
  for (; from + batch.size() < files.size() && batch.size() < kBatchFiles && bytes < kBatchBytes;) {
    const SourceFile& file = files[from + batch.size()];
    auto whole = whole_path(file.path);
    if (!whole) return whole.error();
    if (!paths.insert(std::move(*whole)).second) break;
    batch.emplace_back().file = file;
    boost::system::error_code code;
    const auto size = boost::filesystem::file_size(file.path, code);
    if (!code) bytes += size;
  }
  return batch;
}

Result<void> ingest_batch(Vault& vault, const IngestRequest& request, std::vector<Taking>& batch) {
  auto lock = base::FileLock::take(vault.folder() / file::kRun / "ingest.lock", 60'000);
  if (!lock) return lock.error();
  if (auto r = check_request(vault, request); !r) return r;
  if (auto r = drop_unfinished(vault); !r) return r.error();
  take_in_for_newest(vault, request, batch);
  return {};
}

}  // namespace

Result<void> check_request(Vault& vault, const IngestRequest& request) {
  if (!request.category.empty() && !valid_category(request.category))
    return Error{Fault::usage, "a category is 1 to 32 of a-z, 0-9 and -"};
  return request.klass == "own" ? Result<void>() : check_open(vault, request.customer);
}

IngestOutcome ingest_file(Vault& vault, const base::Path& source, const base::Path& below,
                          const IngestRequest& request) {
  std::vector<Taking> one(1);
  one.front().file = {source, below};
  take_in_for_newest(vault, request, one);
  return std::move(one.front().outcome);
}

Result<void> ingest_files(Vault& vault, const std::vector<SourceFile>& files, const IngestRequest& request,
                          const IngestDone& done) {
  for (std::size_t next = 0; next < files.size();) {
    auto batch = next_batch(files, next);
    if (!batch) return batch.error();
    if (auto r = ingest_batch(vault, request, *batch); !r) return r;
    next += batch->size();
    for (const Taking& taking : *batch) done(taking.outcome);
    batch->clear();  // descriptors
    // Whoever waits for the lock looks every 2 ms: without a pause nobody would come to his turn.
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  return {};
}

Result<void> ingest(Vault& vault, const std::vector<base::Path>& sources, const IngestRequest& request,
                    const IngestDone& done) {
  if (auto r = check_request(vault, request); !r) return r;
  if (!request.meta.empty() && (sources.size() != 1 || is_folder(sources.front())))
    return Error{Fault::usage, "--meta describes exactly one file"};
  for (const auto& source : sources) {
    std::vector<SourceFile> files{{source, {}}};
    if (is_folder(source)) {
      auto below = files_below(source);
      if (!below) return below.error();
      files.clear();
      for (const auto& path : *below) files.push_back({path, source});
    }
    if (auto r = ingest_files(vault, files, request, done); !r) return r;
  }
  return {};
}

Result<int> drop_unfinished(Vault& vault) {
  RecordingFilter filter;
  filter.state = "writing";
  auto rows = vault.catalog().recordings(filter);
  if (!rows) return rows.error();
  for (const auto& row : *rows) {
    if (auto r = vault.store().remove({row.columns.recording}); !r) return r.error();
    if (auto r = vault.catalog().change([&] { return vault.catalog().drop_writing(row.columns.recording); }); !r)
      return r.error();
  }
  return static_cast<int>(rows->size());
}

}  // namespace vault
