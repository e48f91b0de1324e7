#include "vault/server_keys.h"

#include "keys/host_key.h"
#include "keys/kdf.h"
#include "vault/role.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr const char* kNextServiceKey = "service.key.next";
constexpr std::size_t kSeed = 32;

Result<void> note_rotation(Vault& vault, const Actor& actor, const std::string& key, const std::string& public_half) {
  keys::NoteFields note;
  note.type = "callvault/v1/act";
  note.fields = {{"act", "key.rotated"},
                 {"subject", key},
                 {"key", public_half},
                 {"by", actor.holder.name},
                 {"at", base::rfc3339(vault.clock().now())}};
  auto statement = actor.signer.sign(note.print());
  if (!statement) return statement.error();
  return vault.audit().act([&] { return vault.audit().note({"key.rotated", actor.holder.name, {key}, *statement}); });
}

Result<base::SecretBytes> read_seed(const base::Path& path) {
  auto fd = base::open_to_read(path);
  if (!fd) return fd.error();
  auto seed = base::SecretBytes::zeros(kSeed);
  if (!seed) return seed;
  auto size = base::read_at(fd->get(), 0, seed->reveal_to_write());
  if (!size) return size.error();
  if (*size != kSeed) return Error{Fault::damaged, "it is cut"};
  return seed;
}

Result<void> write_seed(Vault& vault, const base::Path& path, const base::SecretBytes& seed) {
  return vault.files().replace_whole(path, seed.reveal());
}

// The one that a rotation was cut with, or a new one.
Result<base::SecretBytes> next_seed(Vault& vault, const base::Path& path) {
  if (base::exists(path)) return read_seed(path);
  auto seed = base::SecretBytes::random(kSeed);
  if (!seed) return seed;
  if (auto r = write_seed(vault, path, *seed); !r) return r.error();
  return seed;
}

// It was made from the first service key; from now on it stands for itself.
Result<void> keep_source_key(Vault& vault) {
  const base::Path path = vault.folder() / file::kSourceKey;
  if (base::exists(path)) return {};
  auto seed = read_seed(vault.folder() / file::kServiceKey);
  if (!seed) return seed.error();
  auto key = keys::hkdf_sha256(seed->reveal(), {}, base::as_bytes(keys::label::kDuplicate), kSeed);
  if (!key) return key.error();
  return write_seed(vault, path, *key);
}

base::Path next_host_key(const Vault& vault) { return vault.folder() / file::kNextHostKey; }

}  // namespace

Result<void> rotate_service_key(Vault& vault, const Actor& actor) {
  if (auto r = may(actor.holder.role, Action::rotate_keys); !r) return r;
  const base::Path next_file = vault.folder() / kNextServiceKey;
  auto seed = next_seed(vault, next_file);
  if (!seed) return seed.error().at(kNextServiceKey);
  auto next = keys::NoteSigner::create(vault.service().verifier().name(), *seed);
  if (!next) return next.error();
  if (auto r = keep_source_key(vault); !r) return r.error().at(file::kSourceKey);
  Trust trust = vault.trust();
  std::erase(trust.service, next->verifier());
  trust.service.insert(trust.service.begin(), next->verifier());
  if (auto r = write_trust(vault.folder(), trust, vault.files()); !r) return r.error().at("trust.toml");
  if (auto r = note_rotation(vault, actor, "service-key", next->verifier().text()); !r) return r;
  if (auto r = vault.files().rename(next_file, vault.folder() / file::kServiceKey); !r) return r;
  if (auto r = vault.files().sync_folder(vault.folder()); !r) return r;
  auto again = Vault::open(vault.folder(), vault.clock(), vault.files());
  if (!again) return again.error();
  vault = std::move(*again);
  return {};
}

Result<std::string> next_host_key_fingerprint(const Vault& vault) {
  if (!base::exists(next_host_key(vault))) return std::string();
  return keys::host_key_fingerprint(next_host_key(vault));
}

Result<std::string> make_next_host_key(Vault& vault, const Actor& actor) {
  if (auto r = may(actor.holder.role, Action::rotate_keys); !r) return r.error();
  auto there = next_host_key_fingerprint(vault);
  if (!there || !there->empty()) return there;
  // The whole file at once: half a key would be taken for the next one.
  const base::Path temporary = next_host_key(vault).string() + ".new";
  if (auto r = vault.files().remove(temporary); !r) return r.error();
  if (auto r = keys::make_host_key(temporary, vault.files()); !r) return r.error();
  auto made = keys::host_key_fingerprint(temporary);
  if (!made) return made;
  if (auto r = note_rotation(vault, actor, "host-key-next", *made); !r) return r.error();
  if (auto r = vault.files().rename_new(temporary, next_host_key(vault)); !r) return r.error();
  if (auto r = vault.files().sync_folder(vault.folder()); !r) return r.error();
  return made;
}

Result<std::string> switch_host_key(Vault& vault, const Actor& actor) {
  if (auto r = may(actor.holder.role, Action::rotate_keys); !r) return r.error();
  auto next = next_host_key_fingerprint(vault);
  if (!next) return next;
  if (next->empty())
    return Error{Fault::not_found, "there is no next host key; \"callvault key rotate --host-key\" makes one"};
  if (auto r = note_rotation(vault, actor, "host-key", *next); !r) return r.error();
  if (auto r = vault.files().rename(next_host_key(vault), vault.folder() / file::kHostKey); !r) return r.error();
  if (auto r = vault.files().sync_folder(vault.folder()); !r) return r.error();
  return next;
}

}  // namespace vault
