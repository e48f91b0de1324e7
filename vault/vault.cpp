#include "vault/vault.h"

#include "keys/kdf.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

struct Parts {
  base::Path folder;
  Config config;
  Trust trust;
  keys::Roster roster;
  const base::Clock* clock;
  base::Files* files;
  keys::NoteSigner service;
  base::SecretBytes source_key;
  Catalog catalog;
  keys::Slots slots;
  Store store;
  RecordVerifier records;
  std::optional<Audit> audit;
  std::optional<Ends> ends;
};

namespace {

constexpr std::size_t kMaxNote = 1024 * 1024;

Result<base::SecretBytes> read_seed(const base::Path& path) {
  auto fd = base::open_to_read(path);
  if (!fd) return fd.error().at(path.string());
  auto seed = base::SecretBytes::zeros(32);
  if (!seed) return seed;
  auto size = base::read_at(fd->get(), 0, seed->reveal_to_write());
  if (!size) return size.error();
  auto facts = base::info(fd->get());
  if (!facts) return facts.error();
  if (*size != 32 || facts->size != 32) return Error{Fault::damaged, path.string() + " is not a key of 32 bytes"};
  return seed;
}

Result<keys::Roster> read_roster(const base::Path& folder, const Trust& trust, Catalog& catalog) {
  auto note = base::read_file(folder / file::kRoster, kMaxNote);
  if (!note) return note.error();
  auto newest = catalog.number(kRosterVersion);
  if (!newest) return newest.error();
  const keys::PinnedKeys pinned{trust.it_manager, trust.recovery};
  auto roster = keys::Roster::verify(base::as_text(*note), pinned, newest->value_or(1));
  if (!roster && roster.error().fault == Fault::expired) {
    // A change of roles is committed in the catalogue first; a crash left the file as it was.
    auto kept = catalog.setting(kRosterNote);
    if (!kept) return kept.error();
    if (auto newer = keys::Roster::verify(kept->value_or(""), pinned, newest->value_or(1)); newer) return newer;
  }
  if (!roster) return roster.error().at(file::kRoster);
  return roster;
}

// Lasts longer than a service key: otherwise a rotation would forget which sources are held.
Result<base::SecretBytes> read_source_key(const base::Path& folder, const base::SecretBytes& service_seed) {
  if (base::exists(folder / file::kSourceKey)) return read_seed(folder / file::kSourceKey);
  return keys::hkdf_sha256(service_seed.reveal(), {}, base::as_bytes(keys::label::kDuplicate), 32);
}

}  // namespace

namespace {

// A roster of a version not seen before: from now on no older one is taken.
Result<void> remember_roster(Parts& parts) {
  auto newest = parts.catalog.number(kRosterVersion);
  if (!newest) return newest.error();
  const std::string version = std::to_string(parts.roster.version());
  if (!*newest || parts.roster.version() <= **newest) return {};  // before init's first act there is none
  return parts.audit->act([&]() -> Result<void> {
    if (auto r = parts.catalog.set_setting(kRosterVersion, version); !r) return r;
    return parts.audit->note({"roster.seen", "service", {"version-" + version}, ""});
  });
}

}  // namespace

Vault::Vault(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Vault::Vault(Vault&&) noexcept = default;
Vault& Vault::operator=(Vault&&) noexcept = default;
Vault::~Vault() = default;

Result<Vault> Vault::open(const base::Path& folder, const base::Clock& clock, base::Files& files) {
  if (!base::exists(folder / "callvault.toml"))
    return Error{Fault::not_found, "no vault in " + folder.string() + " (callvault init makes one)"};
  auto config = read_config(folder);
  if (!config) return config.error();
  auto trust = read_trust(folder);
  if (!trust) return trust.error();
  auto catalog = Catalog::open(folder / file::kCatalog);
  if (!catalog) return catalog.error();
  auto roster = read_roster(folder, *trust, *catalog);
  if (!roster) return roster.error();
  auto seed = read_seed(folder / file::kServiceKey);
  if (!seed) return seed.error();
  auto service = keys::NoteSigner::create("callvault/" + config->vault_id, *seed);
  if (!service) return service.error();
  if (std::find(trust->service.begin(), trust->service.end(), service->verifier()) == trust->service.end())
    return Error{Fault::damaged, "service.key is not the key that trust.toml names"};
  auto source_key = read_source_key(folder, *seed);
  if (!source_key) return source_key.error();
  auto known =
      catalog->number("slots_generation");  // first: others may erase meanwhile, the slots before the catalogue
  if (!known) return known.error();
  auto slots = keys::Slots::open({config->slots_dir, config->slots_mirror}, files);
  if (!slots) return slots.error().at("key-slot store");
  if (slots->generation() < known->value_or(0))
    return Error{Fault::damaged, "the key-slot store is older than the catalogue: it was put back from a copy"};

  RecordVerifier records(trust->service);
  auto parts = std::unique_ptr<Parts>(
      new Parts{folder, std::move(*config), std::move(*trust), std::move(*roster), &clock, &files, std::move(*service),
                std::move(*source_key), std::move(*catalog), std::move(*slots), Store(folder / file::kObjects, files),
                std::move(records), std::nullopt, std::nullopt});
  std::vector<keys::Recipient> details_to;
  for (const auto& holder : parts->roster.with(keys::Role::it_manager)) details_to.push_back(holder.recipient);
  parts->audit.emplace(
      parts->catalog, parts->slots, clock,
      Audit::Keys{parts->service.verifier().name(), &parts->service, std::move(details_to), parts->roster.version()});
  parts->ends.emplace(*parts->audit, parts->catalog);
  if (auto r = remember_roster(*parts); !r) return r.error().at(file::kRoster);
  return Vault(std::move(parts));
}

const base::Path& Vault::folder() const { return parts_->folder; }
const Config& Vault::config() const { return parts_->config; }
const Trust& Vault::trust() const { return parts_->trust; }
const keys::Roster& Vault::roster() const { return parts_->roster; }
Result<void> Vault::roster_is_newest() {
  auto newest = parts_->catalog.number(kRosterVersion);
  if (!newest) return newest.error();
  if (newest->value_or(0) <= parts_->roster.version()) return {};
  return Error{Fault::busy, "who holds which role was changed meanwhile; do it again"};
}
const base::Clock& Vault::clock() const { return *parts_->clock; }
Catalog& Vault::catalog() { return parts_->catalog; }
keys::Slots& Vault::slots() { return parts_->slots; }
Store& Vault::store() { return parts_->store; }
Audit& Vault::audit() { return *parts_->audit; }
Ends& Vault::ends() { return *parts_->ends; }
const keys::NoteSigner& Vault::service() const { return parts_->service; }
RecordVerifier& Vault::records() const { return parts_->records; }
base::Files& Vault::files() { return *parts_->files; }

std::string Vault::source_key(std::string_view path, std::string_view content_sha256) const {
  base::Bytes text;
  base::put_string(text, path);
  base::put_string(text, content_sha256);
  return base::base64(keys::hmac_sha256(parts_->source_key, text));
}

Result<Actor> recognise(Vault& vault, keys::Identity identity) {
  const auto* holder = vault.roster().holding(identity.recipient());
  if (holder == nullptr) return Error{Fault::denied, "this identity holds no role in this vault"};
  if (identity.signing_seed() == nullptr) return Error{Fault::denied, "this identity file has no signing seed"};
  auto signer = keys::NoteSigner::create(holder->name, *identity.signing_seed());
  if (!signer) return signer.error();
  if (!(signer->verifier() == holder->signing_key))
    return Error{Fault::denied, "the signing key of this identity is not the one in recipients.note"};
  return Actor{std::move(identity), *holder, std::move(*signer)};
}

}  // namespace vault
