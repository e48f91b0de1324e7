// Source: a recorder's file on its way in: is it finished, what lies beside it, and its removal once it is safe in the
// vault. Names of sources are personal data and stay out of error texts.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/files.h"
#include "vault/config.h"

namespace vault {

constexpr std::size_t kMaxSidecar = std::size_t{64} * 1024;

struct Source {
  base::Fd fd;
  base::FileInfo info;
};

// Has somebody the file open for writing? `unknown` where the kernel does not tell: on network file systems, and for
// files of other users without the capability CAP_LEASE.
enum class Writer { none, some, unknown };
Writer writer_of(const base::Path& path, int fd);

// A finished file: nobody has it open for writing, and it was not changed within ingest.quiet (ingest.quiet_unsure when
// the writer is unknown), by its own time; `watched`: whoever asks has seen that. Fault::busy: not finished; damaged:
// not a regular file.
base::Result<Source> open_source(const base::Path& path, const Config& config, const base::Clock& clock,
                                 bool watched = false);

// Asterisk's voicemail keeps what it knows of msgNNNN.wav in msgNNNN.txt beside it.
bool is_voicemail(const base::Path& path);  // msgNNNN with any other ending
bool is_side_file(const base::Path& path);  // msgNNNN.txt
base::Path side_file_of(const base::Path& path);
// Some msgNNNN with another ending than this file's lies beside it. A message can be there in several formats.
bool has_sibling(const base::Path& path);

base::Result<std::string> read_side_file(const base::Path& path);  // its text as it is, at most kMaxSidecar

// Removes the file and, when `sidecar` is not empty, the side file of that text (clean_utf8). Each only if it is still
// what was read: a recorder may have put a new one there, or be about to write again (Fault::busy, it stays). The side
// file stays with what else belongs to it.
base::Result<void> remove_source(base::Files& files, const base::Path& path, const Source& source,
                                 const std::string& sidecar);

}  // namespace vault
