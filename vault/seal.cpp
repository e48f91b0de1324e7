#include "vault/seal.h"

#include "keys/age_stream.h"
#include "keys/kdf.h"
#include "keys/recipient.h"
#include "keys/sealed_header.h"

namespace vault {

using base::Error;
using base::Result;

namespace {

constexpr std::size_t kPiece = 4 * keys::kChunk;

std::string hex_of(const keys::Sha256& hash) { return base::hex(hash); }

}  // namespace

std::vector<keys::RoleHolder> recipients_for(const keys::Roster& roster, std::string_view klass) {
  std::vector<keys::RoleHolder> out;
  for (const auto& holder : roster.holders()) {
    if (holder.role != keys::Role::tech_manager || klass == "customer") out.push_back(holder);
  }
  return out;
}

Result<Sealed> seal(const SealJob& job, const base::SecretBytes& erase_secret, const keys::NoteSigner& service,
                    base::Files& files) {
  auto file_key = base::SecretBytes::random(keys::kFileKey);
  if (!file_key) return file_key.error();

  keys::Sha256Stream plain_hash;
  keys::Sha256Stream object_hash;
  auto writer = keys::StreamWriter::create(*file_key, [&](base::ByteView bytes) -> Result<void> {
    object_hash.update(bytes);
    return files.append(job.object, bytes);
  });
  if (!writer) return writer.error();
  auto piece = base::SecretBytes::zeros(kPiece);
  if (!piece) return piece.error();
  std::uint64_t size = 0;
  for (;;) {
    auto n = base::read_at(job.source, size, piece->reveal_to_write());
    if (!n) return n.error().at("read the source");
    const auto part = piece->reveal().first(*n);
    plain_hash.update(part);
    if (auto r = writer->write(part); !r) return r.error().at("write the object");
    size += *n;
    if (*n < kPiece) break;
  }
  if (auto r = writer->finish(); !r) return r.error().at("write the object");

  Sealed out;
  out.columns = job.columns;
  out.columns.size = size;
  out.metadata = job.metadata;
  out.metadata.recording = out.columns.recording;
  out.metadata.klass = out.columns.klass;
  out.metadata.customer = out.columns.customer;
  out.metadata.category = out.columns.category;
  out.metadata.call_time = out.columns.call_time;
  out.metadata.size = size;
  out.metadata.sha256 = hex_of(plain_hash.finish());

  auto text = print_metadata(out.metadata);
  auto payload = keys::seal_payload(*file_key, text);
  base::wipe(std::span(text));
  if (!payload) return payload.error();
  out.metadata_payload = base::base64(*payload);

  for (const auto& holder : job.recipients) {
    auto header = keys::header_for(holder.recipient, *file_key);
    if (!header) return header.error().at("wrap for " + holder.name);
    const std::string recipient = holder.recipient_id();
    auto sealed = keys::seal_header({out.columns.recording, recipient}, erase_secret, nullptr, *header);
    if (!sealed) return sealed.error();
    out.headers.push_back({recipient, base::base64(*sealed)});
  }
  auto commitment = keys::commitment(*file_key, out.columns.recording);
  if (!commitment) return commitment.error();
  auto record = sign_record({out.columns, hex_of(object_hash.finish()), hex_of(keys::sha256(*payload)),
                             out.metadata.version, std::move(*commitment)},
                            service);
  if (!record) return record.error();
  out.record = std::move(*record);
  if (out.columns.klass == "customer") out.file_key = std::move(*file_key);
  return out;
}

}  // namespace vault
