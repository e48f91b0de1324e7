#include "vault/seal.h"

#include <optional>

#include "keys/kdf.h"
#include "keys/recipient.h"
#include "keys/sealed_header.h"

namespace vault {

using base::Error;
using base::Result;

namespace {

std::string hex_of(const keys::Sha256& hash) { return base::hex(hash); }

}  // namespace

std::vector<keys::RoleHolder> recipients_for(const keys::Roster& roster, std::string_view klass) {
  std::vector<keys::RoleHolder> out;
  for (const auto& holder : roster.holders()) {
    if (holder.role != keys::Role::tech_manager || klass == "customer") out.push_back(holder);
  }
  return out;
}

struct Sealer::State {
  base::SecretBytes file_key;
  keys::Sha256Stream plain_hash{}, object_hash{};
  std::optional<keys::StreamWriter> writer{};
  std::uint64_t size = 0;
  std::string sha256{}, object_sha256{};
};

Sealer::Sealer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Sealer::Sealer(Sealer&&) noexcept = default;
Sealer& Sealer::operator=(Sealer&&) noexcept = default;
Sealer::~Sealer() = default;

Result<Sealer> Sealer::create(int object, base::Files& files) {
  auto file_key = base::SecretBytes::random(keys::kFileKey);
  if (!file_key) return file_key.error();
  auto state = std::make_unique<State>(State{std::move(*file_key)});
  auto writer = keys::StreamWriter::create(state->file_key,
                                           [state = state.get(), object, &files](base::ByteView bytes) -> Result<void> {
                                             state->object_hash.update(bytes);
                                             return files.append(object, bytes);
                                           });
  if (!writer) return writer.error();
  state->writer = std::move(*writer);
  return Sealer(std::move(state));
}

Result<void> Sealer::add(base::ByteView plain) {
  state_->plain_hash.update(plain);
  state_->size += plain.size();
  if (auto r = state_->writer->write(plain); !r) return r.error().at("write the object");
  return {};
}

Result<void> Sealer::end() {
  if (auto r = state_->writer->finish(); !r) return r.error().at("write the object");
  state_->sha256 = hex_of(state_->plain_hash.finish());
  state_->object_sha256 = hex_of(state_->object_hash.finish());
  return {};
}

std::uint64_t Sealer::size() const { return state_->size; }
const std::string& Sealer::sha256() const { return state_->sha256; }

Result<Sealed> Sealer::seal(const SealJob& job, const base::SecretBytes& erase_secret,
                            const keys::NoteSigner& service) const {
  const base::SecretBytes& file_key = state_->file_key;
  Sealed out;
  out.columns = job.columns;
  out.columns.size = state_->size;
  out.metadata = job.metadata;
  out.metadata.recording = out.columns.recording;
  out.metadata.klass = out.columns.klass;
  out.metadata.customer = out.columns.customer;
  out.metadata.category = out.columns.category;
  out.metadata.call_time = out.columns.call_time;
  out.metadata.size = state_->size;
  out.metadata.sha256 = state_->sha256;

  auto text = print_metadata(out.metadata);
  auto payload = keys::seal_payload(file_key, text);
  base::wipe(std::span(text));
  if (!payload) return payload.error();
  out.metadata_payload = base::base64(*payload);

  for (const auto& holder : job.recipients) {
    auto header = keys::header_for(holder.recipient, file_key);
    if (!header) return header.error().at("wrap for " + holder.name);
    const std::string recipient = holder.recipient_id();
    auto sealed = keys::seal_header({out.columns.recording, recipient}, erase_secret, nullptr, *header);
    if (!sealed) return sealed.error();
    out.headers.push_back({recipient, base::base64(*sealed)});
  }
  auto commitment = keys::commitment(file_key, out.columns.recording);
  if (!commitment) return commitment.error();
  auto record = sign_record({out.columns, state_->object_sha256, hex_of(keys::sha256(*payload)), out.metadata.version,
                             std::move(*commitment)},
                            service);
  if (!record) return record.error();
  out.record = std::move(*record);
  if (out.columns.klass == "customer") {
    auto copy = base::SecretBytes::copy_of(file_key.reveal());
    if (!copy) return copy.error();
    out.file_key = std::move(*copy);
  }
  return out;
}

Result<Sealed> seal(const SealJob& job, const base::SecretBytes& erase_secret, const keys::NoteSigner& service,
                    base::Files& files, base::SecretBytes& piece) {
  auto sealer = Sealer::create(job.object, files);
  if (!sealer) return sealer.error();
  for (;;) {
    auto n = base::read_at(job.source, sealer->size(), piece.reveal_to_write());
    if (!n) return Error{base::Fault::damaged, "the source cannot be read: " + n.error().what};
    if (auto r = sealer->add(piece.reveal().first(*n)); !r) return r.error();
    if (*n < piece.size()) break;
  }
  if (auto r = sealer->end(); !r) return r.error();
  return sealer->seal(job, erase_secret, service);
}

}  // namespace vault
