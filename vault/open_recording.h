// Open recording: from an id and an identity to the file key and the metadata, with every comparison that must come
// first.
#pragma once

#include "keys/age_stream.h"
#include "vault/vault.h"

namespace vault {

struct OpenRecording {
  RecordingRow row;
  Record record;
  base::Bytes header;  // the age header for this identity: header || object is an age file
  base::SecretBytes file_key;
  Metadata metadata;
};

// Signature of the record and its agreement with the clear columns; needs no identity. Fault::damaged.
base::Result<Record> verified_record(const Vault& vault, const RecordingRow& row);

// Faults: not_found (unknown, erased), denied (no header for this identity), damaged (anything that does not agree).
base::Result<OpenRecording> open_recording(Vault& vault, const std::string& id, const keys::Identity& identity);

// The audio of an opened recording; its size is compared with the record.
base::Result<keys::StreamReader> open_audio(Vault& vault, const OpenRecording& recording);

// All of it into `sink`, piece by piece. Fault::damaged: its hash is not the one in the metadata, which shows at the
// end.
base::Result<void> copy_audio(const OpenRecording& recording, keys::StreamReader& reader,
                              const keys::StreamWriter::Sink& sink);

// Reads the whole recording and compares its hashes. Without an identity: the stored object against the signed record.
base::Result<void> verify_object(Vault& vault, const RecordingRow& row);
base::Result<void> verify_audio(Vault& vault, const OpenRecording& recording);

}  // namespace vault
