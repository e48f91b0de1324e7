// Record: the ingest record that the service key signs, and its comparison with the catalogue's clear columns. Pure.
// age does not authenticate who wrote a file, and columns can be edited: whoever opens, delivers, grants or sweeps a
// recording compares columns, metadata and record first, and refuses a difference (Fault::damaged, exit 6).
// Text: NoteFields of type "callvault/v1/record", docs/format.md.
#pragma once

#include <map>
#include <string>

#include "keys/kdf.h"
#include "keys/note.h"
#include "vault/metadata.h"

namespace vault {

struct Columns {  // what stands in the clear and must agree with the record
  std::string recording;
  std::string klass;
  std::string customer;
  std::string category;
  base::Seconds call_time = 0;
  std::uint64_t size = 0;  // plaintext bytes
  std::uint64_t slot = 0;
  friend bool operator==(const Columns&, const Columns&) = default;
};

struct Record {
  Columns columns;
  std::string object_sha256;    // of the object as stored, hex
  std::string metadata_sha256;  // of the metadata payload as stored, hex
  std::uint64_t metadata_version = 1;
  base::Bytes commitment;  // 32 bytes, keys/sealed_header.h
};

base::Result<std::string> sign_record(const Record& record, const keys::NoteSigner& service);
base::Result<Record> verify_record(std::string_view note, const std::vector<keys::NoteVerifier>& service_keys);

// verify_record() for one vault's service keys, which remembers what it verified lately: a recording that goes out is
// looked at when it is opened and when it is erased, and a signature is the dearest part of both.
class RecordVerifier {
 public:
  static constexpr std::size_t kMostKnown = 1024;  // then all are forgotten

  explicit RecordVerifier(std::vector<keys::NoteVerifier> service_keys) : service_keys_(std::move(service_keys)) {}
  base::Result<Record> verify(std::string_view note);

 private:
  std::vector<keys::NoteVerifier> service_keys_;
  std::map<keys::Sha256, Record> known_;  // by the hash of the whole note, its signature included
};

// Names the first field that differs, never its value.
base::Result<void> compare(const Record& record, const Columns& columns);
base::Result<void> compare(const Record& record, const Metadata& metadata);

}  // namespace vault
