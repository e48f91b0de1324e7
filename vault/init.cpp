#include "vault/init.h"

#include <boost/filesystem/operations.hpp>

#include "keys/host_key.h"
#include "vault/identity_file.h"
#include "vault/vault.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

Result<void> check_places(const NewVault& wanted) {
  for (const base::Path& out : {wanted.identity_out, wanted.recovery_out}) {
    if (lies_inside(out, wanted.folder))
      return Error{Fault::usage,
                   "identity files must not lie in the vault's folder: who steals the disk would have both"};
    if (base::exists(out)) return Error{Fault::usage, "there is a file already: " + out.string()};
  }
  if (lies_inside(wanted.identity_out, wanted.recovery_out))
    return Error{Fault::usage, "the identity and the recovery identity need two files"};
  if (base::exists(wanted.folder)) {
    auto names = base::list_folder(wanted.folder);
    if (!names) return names.error();
    if (!names->empty()) return Error{Fault::usage, "the folder is not empty: " + wanted.folder.string()};
  }
  return {};
}

Result<Made> build(const NewVault& wanted, const base::SecretBytes& passphrase, const base::Clock& clock,
                   base::Files& files, unsigned scrypt_log_n) {
  const base::Path& folder = wanted.folder;
  for (const base::Path& made : {folder, folder / file::kObjects, folder / "slots", folder / file::kRun}) {
    if (auto r = files.make_folder(made); !r) return r.error();
  }
  Config config;
  config.vault_id = new_id('v').substr(2, 8);
  config.operator_name = wanted.operator_name;
  config.slots_dir = folder / "slots";
  if (auto r = write_config(folder, config, files); !r) return r.error();

  auto it_manager = keys::Identity::generate();
  if (!it_manager) return it_manager.error();
  auto recovery = keys::Identity::generate();
  if (!recovery) return recovery.error();
  auto it_signer = keys::NoteSigner::create("it-manager", *it_manager->signing_seed());
  if (!it_signer) return it_signer.error();
  auto recovery_signer = keys::NoteSigner::create("recovery", *recovery->signing_seed());
  if (!recovery_signer) return recovery_signer.error();
  const std::vector<keys::RoleHolder> holders{
      {keys::Role::it_manager, "it-manager", it_manager->recipient(), it_signer->verifier()},
      {keys::Role::recovery, "recovery", recovery->recipient(), recovery_signer->verifier()}};
  auto roster = keys::Roster::make(1, holders, *it_signer);
  if (!roster) return roster.error();
  if (auto r = files.create_whole(folder / file::kRoster, base::as_bytes(*roster)); !r) return r.error();

  auto seed = base::SecretBytes::random(32);
  if (!seed) return seed.error();
  if (auto r = files.create_whole(folder / file::kServiceKey, seed->reveal()); !r) return r.error();
  auto service = keys::NoteSigner::create("callvault/" + config.vault_id, *seed);
  if (!service) return service.error();
  const Trust trust{{it_signer->verifier()}, {recovery_signer->verifier()}, {service->verifier()}};
  if (auto r = write_trust(folder, trust, files); !r) return r.error();

  if (auto r = keys::make_host_key(folder / file::kHostKey, files); !r) return r.error();
  auto fingerprint = keys::host_key_fingerprint(folder / file::kHostKey);
  if (!fingerprint) return fingerprint.error();
  if (auto r = keys::Slots::create({config.slots_dir, std::nullopt}, files); !r) return r.error();
  if (auto r = Catalog::create(folder / file::kCatalog); !r) return r.error();

  // The identities last: when they exist, the vault does.
  const std::string comment = "callvault it-manager of vault " + config.vault_id;
  auto identity_file = keys::encrypt_identity(*it_manager, comment, passphrase, scrypt_log_n);
  if (!identity_file) return identity_file.error();
  if (auto r = files.create_whole(wanted.identity_out, *identity_file); !r) return r.error();
  auto recovery_text = recovery->text("callvault recovery of vault " + config.vault_id + "; print it and lock it away");
  if (!recovery_text) return recovery_text.error();
  if (auto r = files.create_whole(wanted.recovery_out, recovery_text->reveal()); !r) return r.error();
  for (const base::Path& out : {wanted.identity_out, wanted.recovery_out}) {
    if (auto r = files.sync_folder(out.has_parent_path() ? out.parent_path() : base::Path(".")); !r) return r.error();
  }
  if (auto r = files.sync_folder(folder); !r) return r.error();

  auto vault = Vault::open(folder, clock, files);
  if (!vault) return vault.error();
  auto first = vault->audit().act([&]() -> Result<void> {
    if (auto r = vault->catalog().set_setting(kRosterVersion, "1"); !r) return r;
    return vault->audit().note({"vault.created", "it-manager", {config.vault_id}, ""});
  });
  if (!first) return first.error();
  const auto level = vault->slots().level();
  return Made{config.vault_id, it_manager->recipient().text(), recovery->recipient().text(), *fingerprint,
              level.level < 2 ? level.reason : ""};
}

}  // namespace

Result<Made> init(const NewVault& wanted, const base::SecretBytes& passphrase, const base::Clock& clock,
                  base::Files& files, unsigned scrypt_log_n) {
  if (auto r = check_passphrase(passphrase); !r) return r.error();
  if (auto r = check_places(wanted); !r) return r.error();
  const bool was_there = base::exists(wanted.folder);
  auto made = build(wanted, passphrase, clock, files, scrypt_log_n);
  if (made) return made;
  // check_places() made sure that nothing below is anybody else's.
  boost::system::error_code ignored;
  boost::filesystem::remove(wanted.identity_out, ignored);
  boost::filesystem::remove(wanted.recovery_out, ignored);
  boost::filesystem::remove_all(wanted.folder, ignored);
  if (was_there) (void)files.make_folder(wanted.folder);
  return made;
}

}  // namespace vault
