#include "vault/source.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "vault/metadata.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

// There a lease says what this host knows, which is not what others do.
bool on_network(const base::Path& path) {
  std::string kind;
  (void)base::overwrites_in_place(path.has_parent_path() ? path.parent_path() : base::Path("."), kind);
  return kind == "nfs" || kind == "smb" || kind == "fuse";
}

// "msg0000" of a voicemail's file, else empty.
std::string voicemail_stem(const base::Path& path) {
  const std::string stem = path.stem().string();
  if (!stem.starts_with("msg") || stem.size() < 7) return {};
  return stem.find_first_not_of("0123456789", 3) == std::string::npos ? stem : std::string();
}

Result<void> finished(const base::Path& path, const Source& source, const Config& config, const base::Clock& clock,
                      bool watched) {
  const Writer writer = writer_of(path, source.fd.get());
  if (writer == Writer::some) return Error{Fault::busy, "it is still open for writing; ingest it again later"};
  const base::Seconds quiet = writer == Writer::none ? config.ingest_quiet : config.ingest_quiet_unsure;
  if (watched || source.info.modified <= clock.now() - quiet) return {};
  std::string what = "it was changed in the last " + std::to_string(quiet) + " s";
  if (writer == Writer::unknown) what += ", and nobody can tell whether it is still open for writing";
  return Error{Fault::busy, what + "; ingest it again later"};
}

}  // namespace

// A read lease is refused by the kernel while anybody has the file open for writing (fcntl(2)).
Writer writer_of(const base::Path& path, int fd) {
  if (on_network(path)) return Writer::unknown;
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
    (void)::fcntl(fd, F_SETLEASE, F_UNLCK);
    return Writer::none;
  }
  return errno == EAGAIN ? Writer::some : Writer::unknown;
}

Result<Source> open_source(const base::Path& path, const Config& config, const base::Clock& clock, bool watched) {
  auto fd = base::open_to_read(path);
  if (!fd) return fd.error();
  auto info = base::info(fd->get());
  if (!info) return info.error();
  Source source{std::move(*fd), *info};
  if (auto r = finished(path, source, config, clock, watched); !r) return r.error();
  return source;
}

bool is_voicemail(const base::Path& path) { return !voicemail_stem(path).empty() && path.extension() != ".txt"; }

bool is_side_file(const base::Path& path) { return !voicemail_stem(path).empty() && path.extension() == ".txt"; }

base::Path side_file_of(const base::Path& path) {
  base::Path sidecar = path;
  sidecar.replace_extension(".txt");
  return sidecar;
}

bool has_sibling(const base::Path& path) {
  const auto names = base::list_folder(path.parent_path());
  return names && std::ranges::any_of(*names, [&path](const std::string& name) {
           const base::Path other(name);
           return other.stem() == path.stem() && other.extension() != path.extension() && is_voicemail(other);
         });
}

Result<std::string> read_side_file(const base::Path& path) {
  auto text = base::read_file(path, kMaxSidecar);
  if (!text) return Error{text.error().fault, "its side file cannot be read"};
  return std::string(base::as_text(*text));
}

Result<void> remove_source(base::Files& files, const base::Path& path, const Source& source,
                           const std::string& sidecar) {
  auto now = base::open_to_read(path);
  auto info = now ? base::info(now->get()) : Result<base::FileInfo>(now.error());
  if (!info || *info != source.info) return Error{Fault::busy, "the source was replaced meanwhile and stays"};
  if (writer_of(path, now->get()) == Writer::some)
    return Error{Fault::busy, "the source was opened for writing meanwhile and stays"};
  if (auto r = files.remove(path); !r)
    return Error{r.error().fault, "it is sealed, but the source cannot be removed; is its folder writable"};
  if (sidecar.empty() || has_sibling(path)) return {};
  const base::Path beside = side_file_of(path);
  const auto text = read_side_file(beside);
  if (!text || clean_utf8(*text, kMaxSidecar) != sidecar)
    return Error{Fault::busy, "its side file was replaced meanwhile and stays"};
  if (!files.remove(beside))
    return Error{Fault::failed, "it is sealed, but its side file cannot be removed; is its folder writable"};
  return {};
}

}  // namespace vault
