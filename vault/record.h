// Record: the ingest record that the service key signs, and its comparison with the catalogue's clear columns. Pure.
// age does not authenticate who wrote a file, and columns can be edited: whoever opens, delivers, grants or sweeps a
// recording compares columns, metadata and record first, and refuses a difference (Fault::damaged, exit 6).
// Text: NoteFields of type "callvault/v1/record", docs/format.md.
#pragma once

#include <string>

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

// Names the first field that differs, never its value.
base::Result<void> compare(const Record& record, const Columns& columns);
base::Result<void> compare(const Record& record, const Metadata& metadata);

}  // namespace vault
