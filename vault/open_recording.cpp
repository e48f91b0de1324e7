#include "vault/open_recording.h"

#include "keys/kdf.h"
#include "keys/sealed_header.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::size_t kPiece = 4 * keys::kChunk;

}  // namespace

Result<Record> verified_record(const Vault& vault, const RecordingRow& row) {
  auto record = vault.records().verify(row.record);
  if (!record) return Error{Fault::damaged, row.columns.recording + ": ingest record: " + record.error().what};
  if (auto r = compare(*record, row.columns); !r) return r.error().at(row.columns.recording);
  return record;
}

Result<OpenRecording> open_recording(Vault& vault, const std::string& id, const keys::Identity& identity) {
  auto row = vault.catalog().recording(id);
  if (!row) return row.error().at(id);
  if (row->state == "erased" || row->state == "erasing")
    return Error{Fault::not_found, id + ": erased (" + row->reason + ")"};
  if (row->state != "sealed") return Error{Fault::not_found, id + ": not taken in completely"};
  auto record = verified_record(vault, *row);
  if (!record) return record.error();

  const auto* holder = vault.roster().holding(identity.recipient());
  if (holder == nullptr) return Error{Fault::denied, "this identity holds no role in this vault"};
  const std::string recipient = holder->recipient_id();
  auto stored = vault.catalog().header(id, recipient);
  if (!stored) return stored.error();
  if (!*stored) return Error{Fault::denied, id + ": there is no header for " + holder->name};
  auto sealed = base::unbase64(**stored);
  if (!sealed) return sealed.error().at(id + ": header");
  auto secret = vault.slots().read(row->columns.slot);
  if (!secret) return Error{Fault::damaged, id + ": its erase secret is gone: " + secret.error().what};
  auto header = keys::open_header({id, recipient}, *secret, nullptr, *sealed);
  if (!header) return header.error().at(id + ": header");
  auto file_key = identity.unwrap_one(header->reveal());
  if (!file_key) return file_key.error().at(id);
  auto commitment = keys::commitment(*file_key, id);
  if (!commitment) return commitment.error();
  if (*commitment != record->commitment)
    return Error{Fault::damaged, id + ": the header holds another key than the ingest record names"};

  auto text = vault.catalog().metadata(id);
  if (!text) return text.error();
  if (!*text) return Error{Fault::damaged, id + ": its metadata is missing"};
  auto payload = base::unbase64(**text);
  if (!payload) return payload.error().at(id + ": metadata");
  if (base::hex(keys::sha256(*payload)) != record->metadata_sha256)
    return Error{Fault::damaged, id + ": the metadata is not the one in the ingest record"};
  auto plain = keys::open_payload(*file_key, *payload);
  if (!plain) return plain.error().at(id + ": metadata");
  auto metadata = parse_metadata(plain->reveal());
  if (!metadata) return metadata.error().at(id + ": metadata");
  if (auto r = compare(*record, *metadata); !r) return r.error().at(id);
  return OpenRecording{std::move(*row),
                       std::move(*record),
                       {header->reveal().begin(), header->reveal().end()},
                       std::move(*file_key),
                       std::move(*metadata)};
}

Result<keys::StreamReader> open_audio(Vault& vault, const OpenRecording& recording) {
  const std::string& id = recording.row.columns.recording;
  auto object = vault.store().open(id);
  if (!object) return object.error();
  auto reader = keys::StreamReader::open(recording.file_key, std::move(*object));
  if (!reader) return reader.error().at(id);
  if (reader->size() != recording.record.columns.size)
    return Error{Fault::damaged, id + ": the object has another size than the ingest record"};
  return reader;
}

Result<void> verify_object(Vault& vault, const RecordingRow& row) {
  auto record = verified_record(vault, row);
  if (!record) return record.error();
  const std::string& id = row.columns.recording;
  auto object = vault.store().open(id);
  if (!object) return object.error();
  keys::Sha256Stream hash;
  base::Bytes piece(kPiece);
  for (std::uint64_t at = 0;;) {
    auto n = base::read_at(object->get(), at, piece);
    if (!n) return n.error().at("object " + id);
    hash.update(std::span(piece).first(*n));
    at += *n;
    if (*n < piece.size()) break;
  }
  if (base::hex(hash.finish()) != record->object_sha256)
    return Error{Fault::damaged, id + ": the object is not the one in the ingest record"};
  auto payload = vault.catalog().metadata(id);
  if (!payload) return payload.error();
  auto bytes = base::unbase64(payload->value_or("!"));
  if (!bytes || base::hex(keys::sha256(*bytes)) != record->metadata_sha256)
    return Error{Fault::damaged, id + ": the metadata is not the one in the ingest record"};
  if (auto secret = vault.slots().read(row.columns.slot); !secret)
    return Error{Fault::damaged, id + ": its erase secret is gone"};
  return {};
}

Result<void> copy_audio(const OpenRecording& recording, keys::StreamReader& reader,
                        const keys::StreamWriter::Sink& sink) {
  const std::string& id = recording.row.columns.recording;
  keys::Sha256Stream hash;
  auto piece = base::SecretBytes::zeros(kPiece);
  if (!piece) return piece.error();
  for (std::uint64_t at = 0; at < reader.size();) {
    auto n = reader.read(at, piece->reveal_to_write());
    if (!n) return n.error().at(id);
    const base::ByteView bytes = piece->reveal().first(*n);
    hash.update(bytes);
    if (auto r = sink(bytes); !r) return r;
    at += *n;
  }
  if (base::hex(hash.finish()) != recording.metadata.sha256)
    return Error{Fault::damaged, id + ": the audio is not the one in the metadata"};
  return {};
}

Result<void> verify_audio(Vault& vault, const OpenRecording& recording) {
  auto reader = open_audio(vault, recording);
  if (!reader) return reader.error();
  return copy_audio(recording, *reader, [](base::ByteView) -> Result<void> { return {}; });
}

}  // namespace vault
