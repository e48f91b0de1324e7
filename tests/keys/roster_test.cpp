#include "keys/roster.h"

#include "keys/kdf.h"
#include "tests/testkit/expect.h"

namespace keys {
namespace {

using base::Fault;
using testkit::must;

NoteSigner signer_of(std::string_view name, unsigned char fill) {
  base::Bytes bytes(32, std::byte{fill});
  return must(NoteSigner::create(name, must(base::SecretBytes::take(std::span(bytes)))));
}

RoleHolder holder(Role role, const std::string& name, unsigned char fill) {
  base::Bytes key(32, std::byte{fill});
  key[31] = std::byte{0};  // below the field's prime
  return {role, name, must(Recipient::from_key(key)), signer_of(name, fill).verifier()};
}

const RoleHolder kAnna = holder(Role::it_manager, "anna", 1);
const RoleHolder kTom = holder(Role::tech_manager, "tom", 2);
const RoleHolder kSafe = holder(Role::recovery, "safe", 3);
const RoleHolder kNew = holder(Role::it_manager, "nora", 4);
const PinnedKeys kPinned{{kAnna.signing_key}, {kSafe.signing_key}};

std::string roster_by(const NoteSigner& signer, const std::vector<RoleHolder>& holders, std::uint64_t version = 3) {
  return must(Roster::make(version, holders, signer));
}

NoteSigner anna() { return signer_of("anna", 1); }
NoteSigner safe() { return signer_of("safe", 3); }

std::string line_of(const RoleHolder& h) {
  return std::string(name_of(h.role)) + ": " + h.recipient.text() + " " + h.signing_key.text() + "\n";
}

// A roster text with a right signature of the IT Manager.
base::Result<Roster> verify_text(const std::string& text) {
  return Roster::verify(must(anna().sign(text)), kPinned, 0);
}

const std::string kHead = "callvault/v1/roster\nversion: 3\n";
const std::string kLines = line_of(kAnna) + line_of(kTom) + line_of(kSafe);

TEST(Roster, IsMadeAndVerified) {
  const auto roster = Roster::verify(roster_by(anna(), {kAnna, kTom, kSafe}), kPinned, 3);
  ASSERT_OK(roster);
  EXPECT_EQ(roster->version(), 3u);
  ASSERT_EQ(roster->holders().size(), 3u);
  EXPECT_EQ(roster->holders()[1].name, "tom");
  EXPECT_EQ(roster->holders()[1].role, Role::tech_manager);
  EXPECT_EQ(roster->holders()[1].recipient, kTom.recipient);
  EXPECT_EQ(roster->holders()[1].signing_key, kTom.signing_key);
}

TEST(Roster, TextIsTheDocumentedOne) {
  const std::string note = roster_by(anna(), {kAnna, kTom, kSafe});
  EXPECT_EQ(note.substr(0, note.find("\n\n") + 1), kHead + kLines);
}

TEST(Roster, FindsHoldersByRoleAndRecipient) {
  const RoleHolder deputy = holder(Role::it_manager, "bert", 5);
  const auto roster = must(Roster::verify(roster_by(anna(), {kAnna, deputy, kSafe}), kPinned, 0));
  EXPECT_EQ(roster.with(Role::it_manager).size(), 2u);
  EXPECT_EQ(roster.with(Role::recovery).size(), 1u);
  EXPECT_TRUE(roster.with(Role::tech_manager).empty());
  ASSERT_NE(roster.holding(deputy.recipient), nullptr);
  EXPECT_EQ(roster.holding(deputy.recipient)->name, "bert");
  EXPECT_EQ(roster.holding(kTom.recipient), nullptr);
  EXPECT_EQ(roster.signing_keys(), (std::vector{kAnna.signing_key, deputy.signing_key, kSafe.signing_key}));
}

TEST(Roster, RecipientIdIsTheHashOfTheKey) {
  EXPECT_EQ(kAnna.recipient_id(), "r-" + base::hex(sha256(kAnna.recipient.key())).substr(0, 16));
  EXPECT_EQ(kAnna.recipient_id().size(), 18u);
  EXPECT_NE(kAnna.recipient_id(), kTom.recipient_id());
}

TEST(Roster, RolesHaveTheirNames) {
  for (const Role role : {Role::it_manager, Role::tech_manager, Role::recovery})
    EXPECT_EQ(must(role_named(name_of(role))), role);
  for (const char* name : {"", "IT-manager", "it_manager", "admin"})
    EXPECT_FAULT(Fault::usage, role_named(name)) << name;
}

// --- Attacks ---------------------------------------------------------------------------------------------------------

// Signed by the recovery and the new IT Manager it counts before the pin changes, and after.
TEST(Roster, OfARecoveryThatTheNewItManagerSignedTooCountsUnderBothPins) {
  const std::string note = must(signer_of("nora", 4).cosign(roster_by(safe(), {kNew, kSafe})));
  EXPECT_OK(Roster::verify(note, kPinned, 3));
  EXPECT_OK(Roster::verify(note, {{kNew.signing_key}, {kSafe.signing_key}}, 3));
  const std::string more = must(signer_of("nora", 4).cosign(roster_by(safe(), {kNew, kTom, kSafe})));
  EXPECT_FAULT(Fault::denied, Roster::verify(more, kPinned, 3));
}

TEST(RosterAttack, Unsigned) {
  EXPECT_FAULT(Fault::damaged, Roster::verify(kHead + kLines, kPinned, 0));
  EXPECT_FAULT(Fault::damaged, Roster::verify("", kPinned, 0));
}

TEST(RosterAttack, OlderVersionPutBack) {
  const std::string note = roster_by(anna(), {kAnna, kSafe}, 3);
  EXPECT_OK(Roster::verify(note, kPinned, 3));
  EXPECT_FAULT(Fault::expired, Roster::verify(note, kPinned, 4));
}

TEST(RosterAttack, SignedByAForeignKey) {
  EXPECT_FAULT(Fault::denied, Roster::verify(roster_by(signer_of("mallory", 9), {kAnna, kSafe}), kPinned, 0));
  EXPECT_FAULT(Fault::denied, Roster::verify(roster_by(signer_of("anna", 9), {kAnna, kSafe}), kPinned, 0));
  EXPECT_FAULT(Fault::denied, Roster::verify(roster_by(anna(), {kAnna, kSafe}), {}, 0));
}

TEST(RosterAttack, SignedByAHolderThatIsNotPinned) {
  EXPECT_FAULT(Fault::denied, Roster::verify(roster_by(signer_of("tom", 2), {kAnna, kTom, kSafe}), kPinned, 0));
  EXPECT_FAULT(Fault::denied, Roster::verify(roster_by(signer_of("nora", 4), {kNew, kSafe}), kPinned, 0));
}

TEST(RosterAttack, WithoutRecoveryOrItManager) {
  EXPECT_FAULT(Fault::damaged, verify_text(kHead + line_of(kAnna) + line_of(kTom)));
  EXPECT_FAULT(Fault::damaged, verify_text(kHead + line_of(kTom) + line_of(kSafe)));
  EXPECT_FAULT(Fault::damaged, verify_text(kHead));
  EXPECT_FAULT(Fault::usage, Roster::make(1, {kAnna, kTom}, anna()));
  EXPECT_FAULT(Fault::usage, Roster::make(1, {kTom, kSafe}, anna()));
  EXPECT_FAULT(Fault::usage, Roster::make(1, {}, anna()));
}

TEST(RosterAttack, RecipientAddedSwappedOrTakenOutAfterSigning) {
  const std::string note = roster_by(anna(), {kAnna, kTom, kSafe});
  const std::string line = line_of(kTom);
  for (const std::string& changed : {line + line_of(holder(Role::tech_manager, "eve", 7)),
                                     line_of(holder(Role::tech_manager, "tom", 7)), std::string()}) {
    std::string attack = note;
    attack.replace(attack.find(line), line.size(), changed);
    EXPECT_FAULT(Fault::damaged, Roster::verify(attack, kPinned, 0)) << changed;
  }
}

TEST(RosterAttack, AnyByteChanged) {
  const std::string note = roster_by(anna(), {kAnna, kTom, kSafe});
  for (std::size_t i = 0; i < note.size(); ++i) {
    std::string attack = note;
    attack[i] ^= 1;
    EXPECT_FALSE(Roster::verify(attack, kPinned, 0)) << "byte " << i;
  }
}

TEST(RosterAttack, DoubledNameRecipientOrSigningKey) {
  const RoleHolder same_name = holder(Role::tech_manager, "anna", 7);
  RoleHolder same_recipient = holder(Role::tech_manager, "eve", 7);
  same_recipient.recipient = kSafe.recipient;
  RoleHolder same_key = holder(Role::tech_manager, "eve", 7);
  same_key.signing_key = signer_of("eve", 1).verifier();
  for (const RoleHolder& extra : {same_name, same_recipient, same_key, kAnna}) {
    EXPECT_FAULT(Fault::damaged, verify_text(kHead + line_of(kAnna) + line_of(extra) + line_of(kSafe)))
        << line_of(extra);
    EXPECT_FAULT(Fault::usage, Roster::make(1, {kAnna, extra, kSafe}, anna())) << line_of(extra);
  }
}

TEST(RosterAttack, OfAnotherTypeOrShape) {
  EXPECT_OK(verify_text(kHead + kLines));
  const std::string anna_line = line_of(kAnna);
  for (const std::string& text : {
           "callvault/v1/record\nversion: 3\n" + kLines,
           "callvault/v1/roster\n" + kLines,
           "callvault/v1/roster\n" + kLines + "version: 3\n",
           kHead + "version: 3\n" + kLines,
           kHead + "version: 4\n" + kLines,
           "callvault/v1/roster\nversion: 03\n" + kLines,
           "callvault/v1/roster\nversion: -3\n" + kLines,
           "callvault/v1/roster\nversion: \n" + kLines,
           "callvault/v1/roster\nversion: 18446744073709551616\n" + kLines,
           kHead + kLines + "admin: x y\n",
           kHead + kLines + "tech-manager: \n",
           kHead + kLines + "tech-manager: " + kNew.recipient.text() + "\n",
           kHead + kLines + "tech-manager: " + kNew.recipient.text() + "  " + kNew.signing_key.text() + "\n",
           kHead + kLines + "tech-manager: " + kNew.signing_key.text() + " " + kNew.recipient.text() + "\n",
           kHead + kLines + "tech-manager: age1nothing " + kNew.signing_key.text() + "\n",
           kHead + kLines + "tech-manager: " + kNew.recipient.text() + " " + kNew.signing_key.text() + " \n",
           kHead + kLines + "\n",
       })
    EXPECT_FAULT(Fault::damaged, verify_text(text)) << text;
}

TEST(RosterAttack, BadNames) {
  for (const std::string name : {"Anna", "a.b", "a/b", "012345678901234567890123456789012"}) {
    const RoleHolder bad = holder(Role::tech_manager, name, 7);
    EXPECT_FAULT(Fault::damaged, verify_text(kHead + kLines + line_of(bad))) << name;
    EXPECT_FAULT(Fault::usage, Roster::make(1, {kAnna, kSafe, bad}, anna())) << name;
  }
  RoleHolder other_name = kTom;
  other_name.name = "tim";
  EXPECT_FAULT(Fault::usage, Roster::make(1, {kAnna, kSafe, other_name}, anna()));
}

// --- Recovery --------------------------------------------------------------------------------------------------------

TEST(RosterRecovery, NamesANewItManager) {
  const auto roster = Roster::verify(roster_by(safe(), {kNew, kSafe}, 4), kPinned, 4);
  ASSERT_OK(roster);
  EXPECT_EQ(roster->with(Role::it_manager).front().name, "nora");
}

TEST(RosterRecovery, NewItManagerSignsTheNextVersionOncePinned) {
  EXPECT_OK(Roster::verify(roster_by(signer_of("nora", 4), {kNew, kTom, kSafe}, 5),
                           {{kNew.signing_key}, {kSafe.signing_key}}, 5));
}

TEST(RosterRecovery, MaySignNothingElse) {
  const RoleHolder other_safe = holder(Role::recovery, "vault", 8);
  const RoleHolder second = holder(Role::it_manager, "otto", 6);
  const std::vector<std::vector<RoleHolder>> attempts = {
      {kAnna, kSafe},             // the IT Manager there is
      {kAnna, kTom, kSafe},       // and a tech manager
      {kNew, kTom, kSafe},        // a new one, and a tech manager
      {kNew, second, kSafe},      // two new ones
      {kNew, kAnna, kSafe},       // a new one beside the old one
      {kNew, kSafe, other_safe},  // and a recovery of its own
      {kNew, other_safe},         // that takes its place
  };
  for (std::size_t i = 0; i < attempts.size(); ++i)
    EXPECT_FAULT(Fault::denied, Roster::verify(roster_by(safe(), attempts[i], 4), kPinned, 0)) << "attempt " << i;
}

TEST(RosterRecovery, RenamedPinnedKeyIsNoNewItManager) {
  const RoleHolder renamed{Role::it_manager, "nora", kNew.recipient, signer_of("nora", 1).verifier()};
  EXPECT_FAULT(Fault::denied, Roster::verify(roster_by(safe(), {renamed, kSafe}), kPinned, 0));
}

TEST(RosterRecovery, CannotPassAsTheItManager) {
  const RoleHolder as_it{Role::it_manager, "safe", kNew.recipient, kSafe.signing_key};
  const RoleHolder other_safe = holder(Role::recovery, "vault", 8);
  EXPECT_FAULT(Fault::denied, Roster::verify(roster_by(safe(), {as_it, other_safe}), kPinned, 0));
}

TEST(RosterRecovery, BesideTheItManagersSignatureDoesNotLimitIt) {
  const std::string by_anna = roster_by(anna(), {kAnna, kTom, kSafe});
  const std::string by_safe = roster_by(safe(), {kAnna, kTom, kSafe});
  const auto signature = [](const std::string& note) { return note.substr(note.find("\n\n") + 2); };
  EXPECT_OK(Roster::verify(by_anna + signature(by_safe), kPinned, 0));
  EXPECT_OK(Roster::verify(by_safe + signature(by_anna), kPinned, 0));
  const std::string of_another = signature(roster_by(safe(), {kNew, kSafe}));
  EXPECT_FAULT(Fault::damaged, Roster::verify(by_anna + of_another, kPinned, 0));
}

}  // namespace
}  // namespace keys
