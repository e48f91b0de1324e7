#include "vault/role_change.h"

#include <algorithm>

#include "vault/customer.h"
#include "vault/role.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;
using keys::NoteVerifier;
using keys::RoleHolder;

namespace {

constexpr std::size_t kMaxNote = std::size_t{1} << 20;

bool lists(const std::vector<NoteVerifier>& keys, const NoteVerifier& key) {
  return std::ranges::find(keys, key) != keys.end();
}

std::vector<NoteVerifier> signing_keys_of(const keys::Roster& roster, keys::Role role) {
  std::vector<NoteVerifier> out;
  for (const auto& holder : roster.with(role)) out.push_back(holder.signing_key);
  return out;
}

const RoleHolder* named(const keys::Roster& roster, const std::string& name) {
  const auto it = std::ranges::find(roster.holders(), name, &RoleHolder::name);
  return it == roster.holders().end() ? nullptr : &*it;
}

bool same(const RoleHolder& a, const RoleHolder& b) {
  return a.role == b.role && a.name == b.name && a.recipient == b.recipient && a.signing_key == b.signing_key;
}

Result<void> check_name(const std::string& name) {
  // The audit log's words for who is no role holder.
  for (const char* reserved : {"service", "customer", "recorder", "grantee", "nobody"})
    if (name == reserved) return Error{Fault::usage, name + " is a word of the audit log; take another name"};
  return {};
}

Result<keys::NoteSigner> signer_of(const keys::Identity& identity, const std::string& name) {
  if (identity.signing_seed() == nullptr) return Error{Fault::denied, "this identity file has no signing seed"};
  return keys::NoteSigner::create(name, *identity.signing_seed());
}

// A deputy may be cut off from its pin by a crash: then the roster would be refused with less helpful words.
Result<void> check_pinned(const Vault& vault, const Actor& actor) {
  if (lists(vault.trust().it_manager, actor.holder.signing_key)) return {};
  return Error{Fault::denied,
               "the signing key of " + actor.holder.name +
                   " is not pinned in trust.toml: whoever gave you the role repeats \"callvault role add\""};
}

Result<void> reopen(Vault& vault) {
  auto again = Vault::open(vault.folder(), vault.clock(), vault.files());
  if (!again) return again.error();
  vault = std::move(*again);
  return {};
}

struct Change {
  std::string event;
  RoleHolder subject;
  std::vector<RoleHolder> holders;  // all of the new version
  std::vector<NoteVerifier> leavers;
  const keys::NoteSigner& signer;     // acts: signs roster and statement
  const keys::NoteSigner& successor;  // signs anew, and the roster too: then it counts before its pin changes and after
  const keys::Identity& opener;       // opens customers' names
};

Result<std::string> signed_act(const Change& change, std::uint64_t version, base::Seconds now) {
  keys::NoteFields note;
  note.type = "callvault/v1/act";
  note.fields = {{"act", change.event},
                 {"subject", change.subject.name},
                 {"role", std::string(keys::name_of(change.subject.role))},
                 {"recipient", change.subject.recipient.text()},
                 {"signing-key", change.subject.signing_key.text()},
                 {"roster-version", std::to_string(version)},
                 {"by", change.signer.verifier().name()},
                 {"at", base::rfc3339(now)}};
  return change.signer.sign(note.print());
}

Result<std::string> signed_roster(const Vault& vault, const Change& change, std::uint64_t version) {
  auto note = keys::Roster::make(version, change.holders, change.signer);
  if (!note) return note;
  if (!(change.successor.verifier() == change.signer.verifier())) note = change.successor.cosign(*note);
  if (!note) return note;
  const Trust& trust = vault.trust();
  if (auto r = keys::Roster::verify(*note, {trust.it_manager, trust.recovery}, version); !r) return r.error();
  return note;
}

Result<RoleChange> commit(Vault& vault, const Change& change) {
  const std::uint64_t version = vault.roster().version() + 1;
  auto note = signed_roster(vault, change, version);
  if (!note) return note.error();
  auto statement = signed_act(change, version, vault.clock().now());
  if (!statement) return statement.error();
  RoleChange done;
  done.anything = true;
  auto r = vault.audit().act([&]() -> Result<void> {
    auto anew = sign_anew(vault, change.leavers, change.successor);
    if (!anew) return anew.error().at("sign anew");
    auto names = seal_names_anew(vault, change.opener, change.holders);
    if (!names) return names.error().at("customers' names");
    done.signed_anew = anew->statements;
    if (change.event != "key.rotated") done.taken_over = std::move(anew->running);
    done.left = anew->left + *names;
    if (auto set = vault.catalog().set_setting(kRosterVersion, std::to_string(version)); !set) return set;
    if (auto set = vault.catalog().set_setting(kRosterNote, *note); !set) return set;
    return vault.audit().note(
        {change.event,
         change.signer.verifier().name(),
         {change.subject.name, std::string(keys::name_of(change.subject.role)), "version-" + std::to_string(version),
          "signed-anew-" + std::to_string(anew->statements)},
         *statement});
  });
  if (!r) return r.error();
  if (auto opened = reopen(vault); !opened) return opened.error().at("the roles are changed, but");
  auto settled = settle_roles(vault);
  if (!settled) return settled.error().at("the roles are changed, but not all files follow; repeat the command");
  done.pins_changed = settled->pins_changed;
  return done;
}

}  // namespace

Result<base::FileLock> lock_roles(const Vault& vault) {
  auto lock = base::FileLock::take(vault.folder() / file::kRun / "roles.lock", 0);
  if (!lock && lock.error().fault == Fault::busy)
    return Error{Fault::busy, "another command changes roles or keys; wait for its end"};
  return lock;
}

Result<RoleChange> write_roster_file(Vault& vault) {
  RoleChange done;
  auto kept = vault.catalog().setting(kRosterNote);
  if (!kept) return kept.error();
  const Trust& trust = vault.trust();
  if (!*kept || !keys::Roster::verify(**kept, {trust.it_manager, trust.recovery}, vault.roster().version()))
    return done;  // the newest came in as a file
  const base::Path path = vault.folder() / file::kRoster;
  auto there = base::read_file(path, kMaxNote);
  if (there && base::as_text(*there) == **kept) return done;
  if (auto r = vault.files().replace_whole(path, base::as_bytes(**kept)); !r) return r.error().at(file::kRoster);
  done.anything = true;
  return done;
}

Result<RoleChange> settle_roles(Vault& vault) {
  auto written = write_roster_file(vault);
  if (!written) return written;
  RoleChange done = *written;
  const Trust& trust = vault.trust();
  Trust next = trust;
  next.it_manager = signing_keys_of(vault.roster(), keys::Role::it_manager);
  next.recovery = signing_keys_of(vault.roster(), keys::Role::recovery);
  if (next.it_manager == trust.it_manager && next.recovery == trust.recovery) return done;
  if (auto r = write_trust(vault.folder(), next, vault.files()); !r) return r.error().at("trust.toml");
  done.anything = done.pins_changed = true;
  if (auto r = reopen(vault); !r) return r.error();
  return done;
}

std::vector<std::string> unsettled_roles(const Vault& vault) {
  std::vector<std::string> found;
  const auto compare = [&](keys::Role role, const std::vector<NoteVerifier>& pinned) {
    const std::string who = std::string(keys::name_of(role)) + " ";
    const auto held = signing_keys_of(vault.roster(), role);
    for (const auto& key : pinned)
      if (!lists(held, key)) found.push_back("trust.toml pins a key of " + who + key.name() + ", who does not hold it");
    for (const auto& key : held)
      if (!lists(pinned, key)) found.push_back("trust.toml does not pin the key of " + who + key.name());
  };
  compare(keys::Role::it_manager, vault.trust().it_manager);
  compare(keys::Role::recovery, vault.trust().recovery);
  return found;
}

Result<RoleChange> add_role(Vault& vault, const Actor& actor, const RoleHolder& holder) {
  if (auto r = may(actor.holder.role, Action::add_role); !r) return r.error();
  if (auto r = check_pinned(vault, actor); !r) return r.error();
  if (auto r = check_name(holder.name); !r) return r.error();
  if (const auto* there = named(vault.roster(), holder.name)) {
    if (same(*there, holder)) return settle_roles(vault);
    return Error{Fault::usage, "the name " + holder.name + " is taken, with another role or other keys"};
  }
  auto holders = vault.roster().holders();
  holders.push_back(holder);
  return commit(vault, {"role.added", holder, std::move(holders), {}, actor.signer, actor.signer, actor.identity});
}

Result<RoleChange> remove_role(Vault& vault, const Actor& actor, const std::string& name) {
  if (auto r = may(actor.holder.role, Action::remove_role); !r) return r.error();
  if (auto r = check_pinned(vault, actor); !r) return r.error();
  const auto* there = named(vault.roster(), name);
  if (there == nullptr) return settle_roles(vault);
  const RoleHolder leaver = *there;
  if (leaver.name == actor.holder.name)
    return Error{Fault::denied,
                 "nobody takes the own role: another IT Manager does, and signs anew what you have signed"};
  if (leaver.role == keys::Role::recovery && vault.roster().with(keys::Role::recovery).size() == 1)
    return Error{Fault::denied, "it is the last recovery: without one nothing opens when the IT Manager's key is lost"};
  auto holders = vault.roster().holders();
  std::erase_if(holders, [&](const RoleHolder& h) { return h.name == name; });
  return commit(
      vault,
      {"role.removed", leaver, std::move(holders), {leaver.signing_key}, actor.signer, actor.signer, actor.identity});
}

Result<RoleChange> replace_keys(Vault& vault, const Actor& actor, const std::string& name,
                                const keys::Recipient& recipient, base::ByteView signing_key) {
  if (auto r = may(actor.holder.role, Action::rotate_keys); !r) return r.error();
  if (auto r = check_pinned(vault, actor); !r) return r.error();
  if (name == actor.holder.name) return Error{Fault::usage, "your own keys are rotated with -o FILE"};
  const auto* there = named(vault.roster(), name);
  if (there == nullptr) return Error{Fault::not_found, "nobody of this name holds a role"};
  auto key = NoteVerifier::make(name, signing_key);
  if (!key) return Error{Fault::usage, key.error().what};
  const RoleHolder old = *there;
  const RoleHolder next{old.role, name, recipient, *key};
  if (same(old, next)) return settle_roles(vault);
  if (old.recipient == recipient || old.signing_key == *key)
    return Error{Fault::usage, "one of the two keys is the old one; make both anew with \"callvault key new\""};
  auto holders = vault.roster().holders();
  *std::ranges::find(holders, name, &RoleHolder::name) = next;
  return commit(
      vault, {"key.rotated", next, std::move(holders), {old.signing_key}, actor.signer, actor.signer, actor.identity});
}

Result<RoleChange> rotate_identity(Vault& vault, const keys::Identity& old, const keys::Identity& next) {
  const auto* before = vault.roster().holding(old.recipient());
  const auto* after = vault.roster().holding(next.recipient());
  const auto* who = before != nullptr ? before : after;
  if (who == nullptr) return Error{Fault::denied, "this identity holds no role in this vault"};
  if (auto r = may(who->role, Action::rotate_keys); !r) return r.error();
  const RoleHolder holder = *who;
  auto successor = signer_of(next, holder.name);
  if (!successor) return successor.error();
  if (before == nullptr) {  // goes on after a cut
    if (!(successor->verifier() == holder.signing_key))
      return Error{Fault::denied, "the signing key of the new identity is not the one in recipients.note"};
    return settle_roles(vault);
  }
  if (after != nullptr) return Error{Fault::usage, "the new identity holds a role already"};
  auto signer = signer_of(old, holder.name);
  if (!signer) return signer.error();
  if (!(signer->verifier() == holder.signing_key))
    return Error{Fault::denied, "the signing key of this identity is not the one in recipients.note"};
  if (!lists(vault.trust().it_manager, signer->verifier()))
    return Error{Fault::denied, "your signing key is not pinned in trust.toml"};
  const RoleHolder replaced{holder.role, holder.name, next.recipient(), successor->verifier()};
  auto holders = vault.roster().holders();
  *std::ranges::find(holders, holder.name, &RoleHolder::name) = replaced;
  return commit(vault, {"key.rotated", replaced, std::move(holders), {holder.signing_key}, *signer, *successor, old});
}

Result<RoleChange> recover(Vault& vault, const keys::Identity& recovery, const keys::Identity& next,
                           const std::string& name) {
  const auto* who = vault.roster().holding(recovery.recipient());
  if (who == nullptr) return Error{Fault::denied, "this identity holds no role in this vault"};
  if (auto r = may(who->role, Action::name_it_manager); !r) return r.error();
  auto signer = signer_of(recovery, who->name);
  if (!signer) return signer.error();
  if (!(signer->verifier() == who->signing_key) || !lists(vault.trust().recovery, signer->verifier()))
    return Error{Fault::denied, "the signing key of this recovery identity is not the one that counts here"};
  if (auto r = check_name(name); !r) return r.error();
  auto successor = signer_of(next, name);
  if (!successor) return Error{Fault::usage, successor.error().what};
  const RoleHolder holder{keys::Role::it_manager, name, next.recipient(), successor->verifier()};
  if (const auto* there = named(vault.roster(), name); there != nullptr && same(*there, holder))
    return settle_roles(vault);  // goes on after a cut
  std::vector<RoleHolder> holders{holder};
  std::vector<NoteVerifier> leavers;
  for (const auto& h : vault.roster().holders()) {
    if (h.role == keys::Role::recovery) {
      holders.push_back(h);
    } else {
      leavers.push_back(h.signing_key);
    }
  }
  return commit(vault,
                {"key.recovered", holder, std::move(holders), std::move(leavers), *signer, *successor, recovery});
}

}  // namespace vault
