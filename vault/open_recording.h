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

// The row of a recording, the header row of one recipient, and the erase secret that it is sealed under, as they belong
// together: a recording may be moved to another slot at any moment (rewrap.h), and then its old secret goes.
struct StoredRecording {
  RecordingRow row;
  std::optional<std::string> header;       // base64
  base::Result<base::SecretBytes> secret;  // Fault::not_found: erased
};
base::Result<StoredRecording> stored_recording(Vault& vault, const std::string& id, const std::string& recipient);

// Signature of the record and its agreement with the clear columns; needs no identity. Fault::damaged.
base::Result<Record> verified_record(const Vault& vault, const RecordingRow& row);

// Faults: not_found (unknown, erased), denied (no header for this identity), damaged (anything that does not agree).
base::Result<OpenRecording> open_recording(Vault& vault, const std::string& id, const keys::Identity& identity);

// The second half of open_recording(): rows that were read in one view, and their erase secret. `recipient` names the
// identity's header row. Faults: denied (not this identity's header), damaged.
struct RowsToOpen {
  const RecordingRow& row;
  std::string_view recipient;
  const std::string& header;    // base64
  const std::string& metadata;  // base64
};
base::Result<OpenRecording> open_rows(const Vault& vault, const RowsToOpen& rows, const base::SecretBytes& secret,
                                      const keys::Identity& identity);

// The erase secret of a recording is there, or that of the slot it was moved to since `row` was read. Fault::damaged.
base::Result<void> secret_is_there(Vault& vault, const RecordingRow& row);

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
