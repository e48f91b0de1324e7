#include "keys/roster.h"

#include <algorithm>
#include <array>

#include "keys/kdf.h"

namespace keys {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::string_view kType = "callvault/v1/roster";
constexpr std::string_view kVersion = "version";
constexpr std::array kRoles = {Role::it_manager, Role::tech_manager, Role::recovery};

bool is_holder_name(std::string_view name) {
  return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool has(const std::vector<RoleHolder>& holders, Role role) {
  return std::any_of(holders.begin(), holders.end(), [&](const RoleHolder& h) { return h.role == role; });
}

bool lists(const std::vector<NoteVerifier>& keys, const NoteVerifier& key) {
  return std::any_of(keys.begin(), keys.end(),
                     [&](const NoteVerifier& k) { return std::ranges::equal(k.key(), key.key()); });
}

// What is wrong with these holders; nullptr: nothing.
const char* fault_in(const std::vector<RoleHolder>& holders) {
  for (auto a = holders.begin(); a != holders.end(); ++a) {
    if (!is_holder_name(a->name)) return "a name has other characters than a-z, 0-9 and -, or not 1 to 32 of them";
    if (a->signing_key.name() != a->name) return "a signing key has another name than its holder";
    for (auto b = holders.begin(); b != a; ++b) {
      if (a->name == b->name) return "two entries have the same name";
      if (a->recipient == b->recipient) return "two entries have the same recipient";
      if (std::ranges::equal(a->signing_key.key(), b->signing_key.key()))
        return "two entries have the same signing key";
    }
  }
  if (!has(holders, Role::it_manager)) return "no it-manager";
  if (!has(holders, Role::recovery)) return "no recovery";
  return nullptr;
}

// "ROLE: RECIPIENT VERIFIER-KEY"; the holder's name is the verifier key's.
Result<RoleHolder> parse_holder(const std::string& role_name, const std::string& value) {
  const auto role = role_named(role_name);
  if (!role) return Error{Fault::damaged, "unknown line " + role_name};
  const std::size_t space = value.find(' ');
  if (space == std::string::npos) return Error{Fault::damaged, "an entry is RECIPIENT VERIFIER-KEY"};
  const auto recipient = Recipient::parse(value.substr(0, space));
  if (!recipient || recipient->text() != value.substr(0, space))
    return Error{Fault::damaged, "an entry has a bad recipient"};
  const auto signing_key = NoteVerifier::parse(value.substr(space + 1));
  if (!signing_key) return signing_key.error();
  return RoleHolder{*role, signing_key->name(), *recipient, *signing_key};
}

struct Contents {
  std::uint64_t version;
  std::vector<RoleHolder> holders;
};

Result<Contents> parse_contents(std::string_view text) {
  const auto lines = NoteFields::parse(text, kType);
  if (!lines) return lines.error();
  if (lines->fields.empty() || lines->fields.front().first != kVersion) return Error{Fault::damaged, "no version line"};
  const auto version = note_number(lines->fields.front().second);
  if (!version) return Error{Fault::damaged, "the version is not a number"};
  Contents out{*version, {}};
  for (auto line = lines->fields.begin() + 1; line != lines->fields.end(); ++line) {
    auto holder = parse_holder(line->first, line->second);
    if (!holder) return holder.error();
    out.holders.push_back(std::move(*holder));
  }
  if (const char* fault = fault_in(out.holders)) return Error{Fault::damaged, fault};
  return out;
}

bool only_names_a_new_it_manager(const std::vector<RoleHolder>& holders, const PinnedKeys& pinned) {
  std::size_t it_managers = 0;
  for (const RoleHolder& h : holders) {
    if (h.role == Role::tech_manager) return false;
    if (h.role == Role::recovery && !lists(pinned.recovery, h.signing_key)) return false;
    if (h.role != Role::it_manager) continue;
    if (++it_managers > 1 || lists(pinned.it_managers, h.signing_key)) return false;
  }
  return true;
}

}  // namespace

std::string_view name_of(Role role) {
  switch (role) {
    case Role::it_manager: return "it-manager";
    case Role::tech_manager: return "tech-manager";
    case Role::recovery: break;
  }
  return "recovery";
}

Result<Role> role_named(std::string_view name) {
  for (const Role role : kRoles)
    if (name_of(role) == name) return role;
  return Error{Fault::usage, "no such role; roles are it-manager, tech-manager and recovery"};
}

std::string recipient_id(const Recipient& recipient) { return "r-" + base::hex(sha256(recipient.key())).substr(0, 16); }

Result<Roster> Roster::verify(std::string_view note, const PinnedKeys& pinned, std::uint64_t at_least) {
  std::vector<NoteVerifier> all = pinned.it_managers;
  all.insert(all.end(), pinned.recovery.begin(), pinned.recovery.end());
  const auto verified = verify_note(note, all);
  if (!verified) return verified.error().at("roster");
  auto contents = parse_contents(verified->text);
  if (!contents) return contents.error().at("roster");
  const bool by_it_manager = static_cast<bool>(verify_note(note, pinned.it_managers));
  if (!by_it_manager && !only_names_a_new_it_manager(contents->holders, pinned))
    return Error{Fault::denied, "roster: the recovery may name a new it-manager and nothing else"};
  if (contents->version < at_least) return Error{Fault::expired, "roster: an older version was put back"};
  Roster out;
  out.version_ = contents->version;
  out.holders_ = std::move(contents->holders);
  return out;
}

Result<std::string> Roster::make(std::uint64_t version, const std::vector<RoleHolder>& holders,
                                 const NoteSigner& signer) {
  if (const char* fault = fault_in(holders)) return Error{Fault::usage, std::string("roster: ") + fault};
  NoteFields lines{std::string(kType), {{std::string(kVersion), std::to_string(version)}}};
  for (const RoleHolder& h : holders)
    lines.fields.emplace_back(name_of(h.role), h.recipient.text() + " " + h.signing_key.text());
  return signer.sign(lines.print());
}

std::vector<RoleHolder> Roster::with(Role role) const {
  std::vector<RoleHolder> out;
  std::ranges::copy_if(holders_, std::back_inserter(out), [&](const RoleHolder& h) { return h.role == role; });
  return out;
}

const RoleHolder* Roster::holding(const Recipient& recipient) const {
  const auto it = std::ranges::find_if(holders_, [&](const RoleHolder& h) { return h.recipient == recipient; });
  return it == holders_.end() ? nullptr : &*it;
}

std::vector<NoteVerifier> Roster::signing_keys() const {
  std::vector<NoteVerifier> out;
  for (const RoleHolder& h : holders_) out.push_back(h.signing_key);
  return out;
}

}  // namespace keys
