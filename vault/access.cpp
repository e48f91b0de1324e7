#include "vault/access.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>

#include "keys/aead.h"
#include "keys/kdf.h"
#include "keys/sealed_header.h"
#include "vault/role.h"

namespace vault {

using base::Error;
using base::Fault;
using base::Result;

namespace {

constexpr std::string_view kType = "callvault/v1/access";

std::string yes_no(bool value) { return value ? "yes" : "no"; }

keys::NoteFields fields_of(const AccessStatement& s) {
  keys::NoteFields note;
  note.type = kType;
  note.fields = {{"access", s.terms.id},
                 {"kind", std::string(keys::name_of(s.terms.kind))},
                 {"account", s.terms.account},
                 {"customer", s.customer.empty() ? "-" : s.customer},
                 {"not-before", std::to_string(s.terms.not_before)},
                 {"expires", std::to_string(s.terms.expires)},
                 {"salt", base::base64(s.terms.salt)},
                 {"recipient", s.recipient.text()},
                 {"slot", std::to_string(s.slot)},
                 {"strict", yes_no(s.strict)},
                 {"any-address", yes_no(s.any_address)}};
  if (!s.takes_in.empty()) {
    note.fields.emplace_back("takes-in", s.takes_in);
    note.fields.emplace_back("turn", std::to_string(s.turn));
  }
  note.fields.emplace_back("by", s.by);
  return note;
}

// Whose signature counts under an access of this kind. The recovery's never does: it names a new IT Manager and nothing
// else.
std::vector<keys::NoteVerifier> signers(const keys::Roster& roster, std::string_view kind) {
  const Action needed = kind == keys::name_of(keys::AccessKind::grant) ? Action::grant : Action::deliver;
  std::vector<keys::NoteVerifier> out;
  for (const auto& holder : roster.holders()) {
    if (may(holder.role, needed)) out.push_back(holder.signing_key);
  }
  return out;
}

base::Bytes entry_ad(std::string_view access) {
  auto ad = base::to_bytes(keys::label::kEntry);
  base::put_string(ad, access);
  return ad;
}

}  // namespace

Result<std::string> sign_access(const AccessStatement& statement, const keys::NoteSigner& signer) {
  return signer.sign(fields_of(statement).print());
}

namespace {

Result<AccessStatement> verified(const AccessRow& row, const std::vector<keys::NoteVerifier>& known) {
  auto note = keys::verify_note(row.statement, known);
  if (!note) return note.error().at("statement of " + row.id);
  auto fields = keys::NoteFields::parse(note->text, kType);
  if (!fields) return fields.error().at("statement of " + row.id);
  auto recipient_text = fields->get("recipient");
  auto salt_text = fields->get("salt");
  if (!recipient_text || !salt_text) return Error{Fault::damaged, "statement of " + row.id + " lacks a field"};
  auto recipient = keys::Recipient::parse(*recipient_text);
  auto salt = base::unbase64(*salt_text);
  auto kind = keys::access_kind(row.kind);
  if (!recipient || !salt || !kind || salt->size() != 32)
    return Error{Fault::damaged, "statement of " + row.id + " holds no valid key"};
  AccessStatement out{{row.id, row.account, *kind, row.not_before, row.expires, std::move(*salt)},
                      std::move(*recipient),
                      row.customer,
                      row.slot,
                      row.strict,
                      row.any_address,
                      note->signer,
                      row.takes_in,
                      row.turn};
  // Printed again from the columns, it must be the very text that was signed.
  if (fields_of(out).print() != note->text)
    return Error{Fault::damaged, "access " + row.id + " was changed: its statement says otherwise"};
  return out;
}

// An access of nobody's, under a statement that its own signer signed.
struct Decoy {
  AccessRow row;
  keys::NoteVerifier signer;
};

Result<Decoy> make_decoy() {
  auto seed = base::SecretBytes::random(32);
  if (!seed) return seed.error();
  auto signer = keys::NoteSigner::create("it-manager", *seed);
  if (!signer) return signer.error();
  base::Bytes key = base::random_bytes(32);
  key[31] &= std::byte{0x7f};
  auto nobody = keys::Recipient::from_key(key);
  if (!nobody) return nobody.error();
  AccessRow row;
  row.id = new_id('d');
  row.kind = keys::name_of(keys::AccessKind::delivery);
  row.account = row.customer = "customer";
  row.not_before = 1'800'000'000;
  row.expires = row.not_before + 7 * 86400;
  row.slot = 4096;
  const keys::AccessTerms terms{row.id,         row.account, keys::AccessKind::delivery,
                                row.not_before, row.expires, base::random_bytes(32)};
  auto statement =
      sign_access({terms, *nobody, row.customer, row.slot, row.strict, row.any_address, "it-manager"}, *signer);
  if (!statement) return statement.error();
  row.statement = std::move(*statement);
  return Decoy{std::move(row), signer->verifier()};
}

}  // namespace

Result<AccessStatement> verified_access(const Vault& vault, const AccessRow& row) {
  return verified(row, signers(vault.roster(), row.kind));
}

Result<void> verify_in_vain(const Vault& vault) {
  static const Result<Decoy> decoy = make_decoy();
  if (!decoy) return decoy.error();
  auto known = signers(vault.roster(), decoy->row.kind);
  known.push_back(decoy->signer);
  auto statement = verified(decoy->row, known);
  return statement ? Result<void>() : statement.error();
}

Result<SealedItem> seal_item(const AccessStatement& access, const base::SecretBytes& access_secret,
                             const ItemToSeal& item) {
  auto header = keys::header_for(access.recipient, item.file_key);
  if (!header) return header.error();
  auto sealed = keys::seal_header({item.recording, access.terms.id}, item.recording_secret, &access_secret, *header);
  if (!sealed) return sealed.error();
  auto file = keys::seal_to({access.recipient}, item.entry);
  if (!file) return file.error();
  auto entry = keys::xchacha_seal(access_secret, entry_ad(access.terms.id), *file);
  if (!entry) return entry.error();
  return SealedItem{base::base64(*sealed), base::base64(*entry)};
}

Result<base::Bytes> open_entry(std::string_view access, const base::SecretBytes& access_secret,
                               const std::string& sealed) {
  auto bytes = base::unbase64(sealed);
  if (!bytes) return bytes.error().at("folder entry");
  auto file = keys::xchacha_open(access_secret, entry_ad(access), *bytes);
  if (!file) return file.error().at("folder entry");
  return base::Bytes(file->reveal().begin(), file->reveal().end());
}

std::string network_of(const std::string& address) {
  std::array<unsigned char, 16> raw{};
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (inet_pton(AF_INET, address.c_str(), raw.data()) == 1) {
    raw[3] = 0;
    inet_ntop(AF_INET, raw.data(), text.data(), text.size());
    return std::string(text.data()) + "/24";
  }
  if (inet_pton(AF_INET6, address.c_str(), raw.data()) == 1) {
    constexpr std::array<unsigned char, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::equal(mapped.begin(), mapped.end(), raw.begin()))  // ::ffff:203.0.113.7 is an IPv4 client
      return network_of(std::to_string(raw[12]) + "." + std::to_string(raw[13]) + "." + std::to_string(raw[14]) + "." +
                        std::to_string(raw[15]));
    std::fill(raw.begin() + 8, raw.end(), static_cast<unsigned char>(0));
    inet_ntop(AF_INET6, raw.data(), text.data(), text.size());
    return std::string(text.data()) + "/64";
  }
  return address;
}

}  // namespace vault
