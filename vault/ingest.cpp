#include "vault/ingest.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/filesystem/operations.hpp>
#include <cerrno>
#include <set>

#include "vault/collect.h"
#include "vault/open_recording.h"
#include "vault/pbx_name.h"
#include "vault/seal.h"
#include "vault/sidecar.h"
#include "vault/sound.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

bool valid_category(std::string_view text) {
  return !text.empty() && text.size() <= 32 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

namespace {

constexpr std::size_t kHead = 4096;
constexpr std::size_t kMaxSidecar = 64 * 1024;

// A read lease is refused by the kernel while anybody has the file open for writing. Where leases are not to be had
// (foreign owner, network file system) only the quiet time protects.
bool open_for_writing(int fd) {
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
    (void)::fcntl(fd, F_SETLEASE, F_UNLCK);
    return false;
  }
  return errno == EAGAIN;
}

struct Source {
  base::Fd fd;
  base::FileInfo info;
};

Result<Source> open_source(const base::Path& path, const Config& config, const base::Clock& clock) {
  auto fd = base::open_to_read(path);
  if (!fd) return fd.error();
  auto info = base::info(fd->get());
  if (!info) return info.error();
  if (open_for_writing(fd->get())) return Error{Fault::busy, "it is still open for writing; ingest it again later"};
  if (info->modified > clock.now() - config.ingest_quiet)
    return Error{Fault::busy,
                 "it was changed in the last " + std::to_string(config.ingest_quiet) + " s; ingest it again later"};
  return Source{std::move(*fd), *info};
}

// What name, path and side files say. The name is foreign text: it becomes sealed metadata and nothing else.
Result<CallFacts> facts_of(const base::Path& source, const base::Path& below, const IngestRequest& request,
                           const std::string& zone, Metadata& metadata) {
  metadata.name = clean_utf8(source.filename().string());
  CallFacts facts;
  const std::string path = below.empty() ? source.filename().string() : source.lexically_relative(below).string();
  if (auto parsed = parse_pbx_name(path, zone)) facts = std::move(*parsed);

  base::Path sidecar = source;
  sidecar.replace_extension(".txt");
  if (facts.convention == "asterisk-voicemail" && base::exists(sidecar)) {
    auto text = base::read_file(sidecar, kMaxSidecar);
    if (!text) return Error{text.error().fault, "its side file cannot be read"};
    auto parsed = parse_voicemail_txt(base::as_text(*text));
    if (!parsed) return parsed.error().at("side file");
    metadata.sidecar = clean_utf8(base::as_text(*text), kMaxSidecar);
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

Result<void> check_request(Vault& vault, const IngestRequest& request) {
  if (!request.category.empty() && !valid_category(request.category))
    return Error{Fault::usage, "a category is 1 to 32 of a-z, 0-9 and -"};
  if (request.klass == "own") return {};
  auto customer = vault.catalog().customer(request.customer);
  if (!customer) return customer.error().at("customer " + request.customer);
  if (customer->state != "open") return Error{Fault::denied, "customer " + request.customer + " is closed"};
  return {};
}

// What is known before the first byte is sealed.
Result<SealJob> describe(Vault& vault, const base::Path& path, const base::Path& below, const IngestRequest& request,
                         const Source& source) {
  SealJob job;
  job.source = source.fd.get();
  job.recipients = recipients_for(vault.roster(), request.klass);
  Metadata& m = job.metadata;
  auto facts = facts_of(path, below, request, vault.config().zone, m);
  if (!facts) return facts.error();
  Columns& c = job.columns;
  c.recording = new_id('r');
  c.klass = request.klass;
  c.customer = request.customer;
  c.category = !request.category.empty()         ? request.category
               : valid_category(facts->category) ? facts->category
                                                 : "inbound";
  c.call_time = facts->started_at.value_or(vault.clock().now());
  c.size = source.info.size;
  m.convention = facts->convention;
  m.from = clean_utf8(facts->from);
  m.to = clean_utf8(facts->to);
  m.agent = clean_utf8(facts->agent);
  m.direction = clean_utf8(facts->direction);
  m.reference = clean_utf8(facts->reference);
  m.group = clean_utf8(facts->group);
  m.time_is_ingest = !facts->started_at;
  m.time_uncertain = facts->time_uncertain;
  m.parties_uncertain = facts->parties_uncertain;
  return job;
}

Result<std::string> key_of_source(const Vault& vault, const base::Path& path, const Sealed& sealed) {
  boost::system::error_code code;
  const base::Path folder = boost::filesystem::current_path(code);
  if (code) return Error{Fault::failed, "the working folder is gone"};
  const base::Path whole = boost::filesystem::absolute(path, folder).lexically_normal();
  // Class and customer too: the same file taken in for somebody else is another recording.
  return vault.source_key(sealed.columns.klass + "/" + sealed.columns.customer + "/" + whole.string(),
                          sealed.metadata.sha256);
}

// Seals the source into the store and the catalogue. When the vault has this very source already, `outcome` names the
// recording that is held, and nothing was kept of the new one.
Result<void> keep(Vault& vault, const base::Path& path, const Source& source, SealJob& job,
                  const std::string& quarantine, IngestOutcome& outcome) {
  const std::string& id = job.columns.recording;
  if (auto r = vault.slots().reserve(job.columns.slot); !r) return r.error();
  auto secret = vault.slots().read(job.columns.slot);
  if (!secret) return secret.error();
  auto object = vault.store().create(id);
  if (!object) return object.error();
  job.object = object->get();
  auto sealed = seal(job, *secret, vault.service(), vault.files());
  if (!sealed) return sealed.error();
  auto after = base::info(source.fd.get());
  if (!after) return after.error();
  if (sealed->columns.size != source.info.size || *after != source.info)
    return Error{Fault::busy, "it changed while it was read; ingest it again later"};
  outcome.sha256 = sealed->metadata.sha256;
  auto key = key_of_source(vault, path, *sealed);
  if (!key) return key.error();
  auto held = vault.catalog().recording_from(*key);
  if (!held) return held.error();
  if (*held) {
    outcome.duplicate = true;
    outcome.id = **held;
    return {};
  }
  if (auto r = vault.store().commit(id, *object); !r) return r;
  RecordingRow row;
  row.columns = sealed->columns;
  row.quarantine = quarantine;
  row.record = sealed->record;
  if (auto r = vault.audit().act([&]() -> Result<void> {
        if (auto set = vault.catalog().set_sealed(row, sealed->headers, sealed->metadata.version,
                                                  sealed->metadata_payload, *key);
            !set)
          return set;
        if (auto noted = vault.audit().note(
                {quarantine.empty() ? "recording.sealed" : "recording.quarantined", "service", {id}, ""});
            !noted || !quarantine.empty())
          return noted;
        auto left_out = collect(vault, *sealed, *secret);
        if (!left_out) return left_out.error();
        outcome.left_out = std::move(*left_out);
        return {};
      });
      !r)
    return r;
  outcome.id = id;
  return {};
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

// The name must still be the file that was read: a recorder may have put a new one there. Names of sources are personal
// data and stay out of error texts.
Result<void> remove_source(Vault& vault, const base::Path& path, const Source& source, bool with_sidecar) {
  auto now = base::open_to_read(path);
  auto info = now ? base::info(now->get()) : Result<base::FileInfo>(now.error());
  if (!info || *info != source.info) return Error{Fault::busy, "the source was replaced meanwhile and stays"};
  if (auto r = vault.files().remove(path); !r)
    return Error{r.error().fault, "it is sealed, but the source cannot be removed; is its folder writable"};
  base::Path sidecar = path;
  sidecar.replace_extension(".txt");
  if (with_sidecar && !vault.files().remove(sidecar))
    return Error{Fault::failed, "it is sealed, but its side file cannot be removed; is its folder writable"};
  return {};
}

// Takes one source in. `outcome` gets its fields as they become known.
Result<void> take_in(Vault& vault, const base::Path& path, const base::Path& below, const IngestRequest& request,
                     IngestOutcome& outcome) {
  auto source = open_source(path, vault.config(), vault.clock());
  if (!source) return source.error();
  outcome.size = source->info.size;
  base::Bytes head(std::min<std::uint64_t>(kHead, source->info.size));
  if (auto n = base::read_at(source->fd.get(), 0, head); !n) return n.error();
  std::string quarantine = quarantine_reason(path.filename().string(), source->info.size, head).value_or("");
  base::wipe(std::span(head));
  auto job = describe(vault, path, below, request, *source);
  if (!job) return job.error();

  const std::string id = job->columns.recording;
  if (auto r = vault.catalog().change([&]() -> Result<void> {
        auto slot = vault.catalog().take_slot(vault.slots().high_water());
        if (!slot) return slot.error();
        job->columns.slot = *slot;
        RecordingRow row;
        row.columns = job->columns;
        row.received_at = vault.clock().now();
        return vault.catalog().add_writing(row);
      });
      !r)
    return r;
  auto kept = keep(vault, path, *source, *job, quarantine, outcome);
  if (!kept || outcome.duplicate) {
    // Nothing half-done stays. If even this fails, drop_unfinished() does it at the next start.
    // The row goes last: it alone tells of the object.
    if (vault.store().remove({id})) (void)vault.catalog().change([&] { return vault.catalog().drop_writing(id); });
  }
  if (!kept) return kept;
  if (outcome.duplicate) {
    auto held = quarantine_of_held(vault, outcome, request.remove_source);
    if (!held) return held.error();
    quarantine = *held;
  }
  if (!quarantine.empty()) {
    outcome.quarantined = true;
    return Error{Fault::failed,
                 "quarantined: " + quarantine + "; it is sealed, but not delivered until somebody looks at it"};
  }
  if (request.remove_source) {
    if (auto r = remove_source(vault, path, *source, !job->metadata.sidecar.empty()); !r) return r;
  }
  if (outcome.left_out.empty()) return {};
  std::string why;
  for (const auto& what : outcome.left_out) why += "; " + what;
  return Error{Fault::damaged, "it is sealed and held, but not everything took it in" + why};
}

bool left_alone(const std::string& name) {
  for (const std::string_view ending : {".part", ".filepart", ".tmp"}) {
    if (name.ends_with(ending)) return true;
  }
  return name.starts_with(".");
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
    if (left_alone(at->path().filename().string())) {
      if (is_folder) at.disable_recursion_pending();
    } else if (!is_folder && !gone) {
      files.insert(at->path());
    }
  }
  if (code) return Error{Fault::failed, "cannot walk the folder: " + code.message()};
  const std::set<base::Path> all = files;
  for (const auto& path : all) {
    base::Path text = path;
    text.replace_extension(".txt");
    if (path.filename().string().starts_with("msg") && text != path) files.erase(text);
  }
  return files;
}

}  // namespace

IngestOutcome ingest_file(Vault& vault, const base::Path& source, const base::Path& below,
                          const IngestRequest& request) {
  IngestOutcome outcome;
  outcome.name = source.filename().string();
  if (auto r = take_in(vault, source, below, request, outcome); !r) outcome.error = r.error();
  return outcome;
}

Result<void> ingest(Vault& vault, const std::vector<base::Path>& sources, const IngestRequest& request,
                    const std::function<void(const IngestOutcome&)>& done) {
  if (auto r = check_request(vault, request); !r) return r;
  if (!request.meta.empty() && (sources.size() != 1 || is_folder(sources.front())))
    return Error{Fault::usage, "--meta describes exactly one file"};
  auto lock = base::FileLock::take(vault.folder() / file::kRun / "ingest.lock", 60'000);
  if (!lock) return lock.error();
  if (auto r = drop_unfinished(vault); !r) return r.error();
  for (const auto& source : sources) {
    if (!is_folder(source)) {
      done(ingest_file(vault, source, {}, request));
      continue;
    }
    auto files = files_below(source);
    if (!files) return files.error();
    for (const auto& path : *files) done(ingest_file(vault, path, source, request));
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
