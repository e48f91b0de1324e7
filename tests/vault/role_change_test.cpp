#include "vault/role_change.h"

#include "tests/testkit/expect.h"
#include "tests/testkit/faulty_files.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_vault.h"
#include "vault/claim.h"
#include "vault/customer.h"
#include "vault/erase.h"
#include "vault/recorder.h"
#include "vault/restriction.h"

namespace vault {
namespace {

using base::Fault;
using keys::Identity;
using keys::Role;
using keys::RoleHolder;
using testkit::must;
using testkit::TempVault;

keys::NoteSigner signer_of(const Identity& identity, const std::string& name) {
  return must(keys::NoteSigner::create(name, *identity.signing_seed()));
}

RoleHolder holder_of(const Identity& identity, Role role, const std::string& name) {
  return {role, name, identity.recipient(), signer_of(identity, name).verifier()};
}

Identity new_identity() { return must(Identity::generate()); }

Actor acting(TempVault& v, const Identity& identity) {
  return must(recognise(*v, must(Identity::parse(must(identity.text("a copy"))))));
}

// An added holder: roles change, and headers are none of this file's business.
Identity joined(TempVault& v, Role role, const std::string& name) {
  auto identity = new_identity();
  must(add_role(*v, v.actor(), holder_of(identity, role, name)));
  return identity;
}

std::string statements(TempVault& v) {
  return v.sql(
      "SELECT statement FROM customer; SELECT statement FROM access; SELECT opening, release FROM restriction");
}

bool depends_on(TempVault& v, const std::string& name) {
  return statements(v).find("\xe2\x80\x94 " + name + " ") != std::string::npos;
}

TEST(AddRole, TheNewOneCountsAtOnceAndAfterReopening) {
  TempVault v;
  const auto tom = joined(v, Role::tech_manager, "tom");
  EXPECT_EQ(v->roster().version(), 2u);
  EXPECT_OK(add_customer(*v, acting(v, tom), "beta", "Beta Ltd", 0));
  v.reopen();
  EXPECT_OK(recognise(*v, must(Identity::parse(must(tom.text("t"))))));
  EXPECT_EQ(v.damage(false), "");
  const auto entries = must(v->audit().entries(0, 100, nullptr));
  EXPECT_EQ(entries[entries.size() - 2].name, "role.added");
  EXPECT_EQ(entries[entries.size() - 2].subjects,
            (std::vector<std::string>{"tom", "tech-manager", "version-2", "signed-anew-0"}));
}

TEST(AddRole, CustomersNamesOpenForTheNewSet) {
  TempVault v;
  const auto tom = joined(v, Role::tech_manager, "tom");
  EXPECT_EQ(must(customer_name(must(v->catalog().customer("acme")), tom)), "Acme Ltd");
  must(remove_role(*v, v.actor(), "tom"));
  EXPECT_FAULT(Fault::denied, customer_name(must(v->catalog().customer("acme")), tom));
  EXPECT_EQ(must(customer_name(must(v->catalog().customer("acme")), v.recovery())), "Acme Ltd");
}

// Whoever has a manager's key and can write the catalogue makes rows that are well signed: the log has not seen them.
TEST(RemoveRole, WhatTheLogDoesNotKnowIsNamedAndNotSignedAnew) {
  TempVault v;
  const auto tom = joined(v, Role::tech_manager, "tom");
  must(v->catalog().change([&]() -> base::Result<void> {
    AccessRow row;
    row.id = new_id('s');
    row.kind = "standing";
    row.account = row.customer = "acme";
    row.state = "open";
    row.not_before = row.created_at = v.clock.now();
    row.expires = v.clock.now() + 86400;
    row.slot = must(v->catalog().take_slot(v->slots().high_water()));
    row.takes_in = "inbound";
    must(v->slots().reserve(row.slot));
    AccessStatement statement{
        {row.id, "acme", keys::AccessKind::standing, row.not_before, row.expires, base::Bytes(32, std::byte{1})},
        new_identity().recipient(),
        "acme",
        row.slot,
        false,
        false,
        "tom",
        "inbound"};
    row.statement = must(sign_access(statement, signer_of(tom, "tom")));
    return v->catalog().add_access(row);
  }));
  EXPECT_NE(v.damage().find("the audit log does not know it"), std::string::npos) << v.damage();
  const auto done = must(remove_role(*v, v.actor(), "tom"));
  EXPECT_EQ(done.signed_anew, 0U);
  EXPECT_EQ(done.left, 1U);
  EXPECT_TRUE(depends_on(v, "tom"));
}

TEST(Check, AnOldRosterThatWasPutBackIsNamed) {
  TempVault v;
  joined(v, Role::tech_manager, "tom");
  const auto old = must(base::read_file(v.folder() / file::kRoster, 1 << 20));
  must(remove_role(*v, v.actor(), "tom"));
  EXPECT_EQ(v.damage(false), "");
  v.close();
  testkit::put_file(v.folder() / file::kRoster, old);
  v.sql("UPDATE setting SET value = '2' WHERE name = 'roster_version'; DELETE FROM setting WHERE name = 'roster_note'");
  v.reopen();
  EXPECT_EQ(v->roster().version(), 2U);
  EXPECT_NE(v.damage(false).find("an old one was put back"), std::string::npos) << v.damage(false);
}

TEST(RemoveRole, RecordersOfALeaverUploadOn) {
  TempVault v;
  const auto tom = joined(v, Role::tech_manager, "tom");
  base::Bytes blob;
  base::put_string(blob, "ssh-ed25519");
  base::put_string(blob, base::Bytes(32, std::byte{1}));
  for (const std::string name : {"pbx-1", "pbx-2"})
    must(add_recorder(*v, acting(v, tom), {name, must(SshKey::from_blob(blob)), "customer", "acme", ""}));
  must(remove_recorder(*v, acting(v, tom), "pbx-2"));
  v.sql("UPDATE recorder SET category = 'edited' WHERE name = 'pbx-2'");
  must(remove_role(*v, v.actor(), "tom"));
  const auto kept = must(v->catalog().recorder("pbx-1")).value();
  EXPECT_OK(verified_recorder(*v, kept));
  EXPECT_EQ(kept.statement.find("\xe2\x80\x94 tom "), std::string::npos);
  const auto edited = must(v->catalog().recorder("pbx-2")).value();
  EXPECT_FAULT(Fault::denied, verified_recorder(*v, edited)) << "nobody signs what was edited";
}

TEST(AddRole, OnlyTheItManagerAndNothingChanges) {
  TempVault v;
  const auto tom = joined(v, Role::tech_manager, "tom");
  const auto next = holder_of(new_identity(), Role::tech_manager, "next");
  const std::string before = v.sql("SELECT * FROM setting; SELECT * FROM audit");
  EXPECT_FAULT(Fault::denied, add_role(*v, acting(v, tom), next));
  EXPECT_FAULT(Fault::denied, add_role(*v, acting(v, v.recovery()), next));
  EXPECT_FAULT(Fault::denied, remove_role(*v, acting(v, tom), "recovery"));
  EXPECT_FAULT(Fault::denied, replace_keys(*v, acting(v, tom), "it-manager", next.recipient, next.signing_key.key()));
  EXPECT_FAULT(Fault::denied, rotate_identity(*v, tom, new_identity()));
  EXPECT_FAULT(Fault::denied, rotate_identity(*v, v.recovery(), new_identity()));
  EXPECT_FAULT(Fault::denied, recover(*v, tom, new_identity(), "it-manager"));
  EXPECT_FAULT(Fault::denied, recover(*v, v.it_manager(), new_identity(), "it-manager"));
  EXPECT_FAULT(Fault::usage, recover(*v, v.recovery(), new_identity(), "grantee"));
  EXPECT_EQ(v.sql("SELECT * FROM setting; SELECT * FROM audit"), before);
}

TEST(AddRole, NamesAndKeysAreTakenOnce) {
  TempVault v;
  const auto tom = joined(v, Role::tech_manager, "tom");
  const auto other = new_identity();
  EXPECT_FAULT(Fault::usage, add_role(*v, v.actor(), holder_of(other, Role::tech_manager, "tom")));
  EXPECT_FAULT(Fault::usage, add_role(*v, v.actor(), holder_of(tom, Role::it_manager, "tom")));
  EXPECT_FAULT(Fault::usage, add_role(*v, v.actor(), holder_of(tom, Role::tech_manager, "tim")));
  for (const char* name : {"service", "customer", "recorder", "grantee", "nobody", "Tom", "a.b"})
    EXPECT_FAULT(Fault::usage, add_role(*v, v.actor(), holder_of(other, Role::tech_manager, name))) << name;
  EXPECT_EQ(v->roster().version(), 2u);
  EXPECT_FALSE(must(add_role(*v, v.actor(), holder_of(tom, Role::tech_manager, "tom"))).anything);
}

TEST(AddRole, ADeputyIsPinnedAndSignsTheNextRoster) {
  TempVault v;
  const auto bert = new_identity();
  const auto done = must(add_role(*v, v.actor(), holder_of(bert, Role::it_manager, "bert")));
  EXPECT_TRUE(done.pins_changed);
  EXPECT_EQ(v->trust().it_manager.size(), 2u);
  EXPECT_OK(add_role(*v, acting(v, bert), holder_of(new_identity(), Role::tech_manager, "tom")));
  v.reopen();
  EXPECT_EQ(v->roster().holders().size(), 4u);
}

TEST(AddRole, ADeputyWithoutItsPinIsToldWhoHelps) {
  TempVault v;
  const auto bert = joined(v, Role::it_manager, "bert");
  Trust trust = v->trust();
  std::erase_if(trust.it_manager, [](const auto& key) { return key.name() == "bert"; });
  must(write_trust(v.folder(), trust, base::system_files()));
  v.reopen();
  EXPECT_NE(v.damage(false).find("trust.toml does not pin the key of it-manager bert"), std::string::npos);
  const auto tom = holder_of(new_identity(), Role::tech_manager, "tom");
  EXPECT_FAULT(Fault::denied, add_role(*v, acting(v, bert), tom));
  EXPECT_TRUE(must(add_role(*v, v.actor(), holder_of(bert, Role::it_manager, "bert"))).pins_changed);
  EXPECT_EQ(v.damage(false), "");
  EXPECT_OK(add_role(*v, acting(v, bert), tom));
}

// Everything that Tom signed: a customer, a delivery that runs, one that waits for its erasure.
TEST(RemoveRole, WhatTheLeaverSignedIsSignedAnew) {
  TempVault v;
  const auto id = v.recording(1);
  auto tom = joined(v, Role::tech_manager, "tom");
  must(add_customer(*v, acting(v, tom), "beta", "", 5));
  const auto made = must(deliver(*v, v.actor(), {"acme", {id}, {}, {}, {}, false, false}));
  must(revoke_delivery(*v, v.actor(), made.id));
  // Signed by Tom, as if he had delivered it: his header for the recording is the business of vault/rewrap.
  const auto delivery = v.deliver({id});
  auto statement = must(verified_access(*v, must(v->catalog().access(delivery.id))));
  statement.by = "tom";
  must(v->catalog().change([&] {
    return v->catalog().set_access_statement(delivery.id, must(sign_access(statement, signer_of(tom, "tom"))));
  }));
  ASSERT_TRUE(depends_on(v, "tom"));

  const auto done = must(remove_role(*v, v.actor(), "tom"));
  EXPECT_EQ(done.signed_anew, 2u);
  EXPECT_EQ(done.left, 0u);
  ASSERT_EQ(done.taken_over.size(), 1u);  // its password is known to Tom
  EXPECT_EQ(done.taken_over[0].kind + " " + done.taken_over[0].id + " " + done.taken_over[0].account,
            "delivery " + delivery.id + " acme");
  EXPECT_FALSE(depends_on(v, "tom"));
  EXPECT_EQ(v.damage(), "");
  EXPECT_OK(verified_customer(*v, must(v->catalog().customer("beta"))));
  EXPECT_EQ(must(verified_access(*v, must(v->catalog().access(delivery.id)))).by, "it-manager");
  EXPECT_EQ(must(candidates(*v, "acme", 8)).size(), 2u);
  EXPECT_FAULT(Fault::denied, recognise(*v, std::move(tom)));
}

TEST(RemoveRole, RestrictionsOfADeputyGoOnAndSoDoTheirReleases) {
  TempVault v;
  const auto bert = joined(v, Role::it_manager, "bert");
  const auto a = v.recording(1);
  const auto b = v.recording(2);
  for (const auto& id : {a, b}) must(restrict_recording(*v, acting(v, bert), id, "contested"));
  must(release_recording(*v, acting(v, bert), b, ""));
  EXPECT_EQ(must(remove_role(*v, v.actor(), "bert")).signed_anew, 3u);
  EXPECT_FALSE(depends_on(v, "bert"));
  EXPECT_FAULT(Fault::restricted, unrestricted(*v, a));
  EXPECT_OK(unrestricted(*v, b));
  EXPECT_EQ(v->trust().it_manager.size(), 1u);
  for (const auto& row : must(v->catalog().restrictions(std::nullopt))) EXPECT_OK(verified_restriction(*v, row));
}

// To sign what was edited would make it true.
TEST(RemoveRole, AnEditedRowIsNotSignedAnew) {
  TempVault v;
  const auto tom = joined(v, Role::tech_manager, "tom");
  must(add_customer(*v, acting(v, tom), "beta", "", 5));
  v.sql("UPDATE customer SET linger = 600 WHERE id = 'beta'");
  const auto done = must(remove_role(*v, v.actor(), "tom"));
  EXPECT_EQ(done.left, 1u);
  EXPECT_FALSE(verified_customer(*v, must(v->catalog().customer("beta"))));
  EXPECT_NE(v.damage(false).find("customer beta"), std::string::npos);
}

TEST(RemoveRole, NotOneselfAndNotTheLastRecovery) {
  TempVault v;
  EXPECT_FAULT(Fault::denied, remove_role(*v, v.actor(), "it-manager"));
  EXPECT_FAULT(Fault::denied, remove_role(*v, v.actor(), "recovery"));
  EXPECT_EQ(v->roster().version(), 1u);
  joined(v, Role::recovery, "second");
  EXPECT_OK(remove_role(*v, v.actor(), "recovery"));
  EXPECT_EQ(v->trust().recovery.front().name(), "second");
  EXPECT_FALSE(must(remove_role(*v, v.actor(), "never-there")).anything);
}

TEST(RemoveRole, WhoHasTheVaultOpenFromBeforeActsNoMore) {
  TempVault v;
  const auto tom = joined(v, Role::tech_manager, "tom");
  auto toms = must(v.try_open());
  const Actor actor = must(recognise(toms, must(Identity::parse(must(tom.text("t"))))));
  must(remove_role(*v, v.actor(), "tom"));
  EXPECT_FAULT(Fault::busy, toms.roster_is_newest());
  EXPECT_OK(v->roster_is_newest());
  EXPECT_FAULT(Fault::busy, add_customer(toms, actor, "beta", "", 0));
  EXPECT_FAULT(Fault::not_found, v->catalog().customer("beta"));
}

TEST(Roster, AnOlderFileOrOneOfSomebodyWhoLeftIsRefused) {
  TempVault v;
  const auto first = must(base::read_file(v / "recipients.note", 1 << 20));
  const auto bert = joined(v, Role::it_manager, "bert");
  const auto by_bert = must(keys::Roster::make(9, v.holders(), signer_of(bert, "bert")));
  must(remove_role(*v, v.actor(), "bert"));
  v.put_roster(by_bert);
  EXPECT_FAULT(Fault::denied, v.try_open());
  // The catalogue has the newest one: an older file can do no harm.
  v.put_roster(base::to_text(first));
  EXPECT_EQ(v->roster().version(), 3u);
  EXPECT_NE(must(base::read_file(v / "recipients.note", 1 << 20)).size(), 0u);
  CheckRequest repair;
  repair.repair = true;
  must(check(*v, repair));
  EXPECT_NE(must(base::read_file(v / "recipients.note", 1 << 20)), first);
  EXPECT_EQ(v.damage(false), "");
}

TEST(Roster, AnExtraRecipientIsRefused) {
  TempVault v;
  joined(v, Role::tech_manager, "tom");
  auto holders = v.holders();
  const auto mallory = new_identity();
  holders.push_back(holder_of(mallory, Role::it_manager, "mallory"));
  const auto note = must(keys::Roster::make(8, holders, signer_of(mallory, "mallory")));
  v.put_roster(note);
  EXPECT_FAULT(Fault::denied, v.try_open());
  // Nor does a row of the catalogue carry it in.
  v.sql("UPDATE setting SET value = '8' WHERE name = 'roster_version'");
  v.sql("UPDATE setting SET value = '" + note + "' WHERE name = 'roster_note'");
  EXPECT_FAULT(Fault::denied, v.try_open());
}

TEST(Rotate, TheOldKeysCountNoMore) {
  TempVault v;
  must(restrict_recording(*v, v.actor(), v.recording(1), ""));
  const auto old = v.it_manager();
  const auto next = new_identity();
  const auto done = must(rotate_identity(*v, old, next));
  EXPECT_EQ(done.signed_anew, 2u);  // customer and restriction
  EXPECT_TRUE(done.pins_changed);
  ASSERT_EQ(v->trust().it_manager.size(), 1u);
  EXPECT_EQ(v->trust().it_manager.front(), signer_of(next, "it-manager").verifier());
  EXPECT_FAULT(Fault::denied, recognise(*v, v.it_manager()));
  EXPECT_OK(verified_customer(*v, must(v->catalog().customer("acme"))));
  EXPECT_OK(add_customer(*v, acting(v, next), "beta", "", 0));
  v.reopen();
  EXPECT_FALSE(must(rotate_identity(*v, old, next)).anything);
  EXPECT_FAULT(Fault::denied, rotate_identity(*v, old, new_identity()));
}

TEST(Rotate, SomebodyElsesKeysAreEnteredByTheItManager) {
  TempVault v;
  auto tom = joined(v, Role::tech_manager, "tom");
  must(add_customer(*v, acting(v, tom), "beta", "", 0));
  const auto next = new_identity();
  const auto key = signer_of(next, "tom").verifier();
  EXPECT_EQ(must(replace_keys(*v, v.actor(), "tom", next.recipient(), key.key())).signed_anew, 1u);
  EXPECT_FAULT(Fault::denied, recognise(*v, std::move(tom)));
  EXPECT_OK(add_customer(*v, acting(v, next), "gamma", "", 0));
  EXPECT_FALSE(must(replace_keys(*v, v.actor(), "tom", next.recipient(), key.key())).anything);
  EXPECT_FAULT(Fault::not_found, replace_keys(*v, v.actor(), "tim", next.recipient(), key.key()));
  EXPECT_FAULT(Fault::usage, replace_keys(*v, v.actor(), "it-manager", next.recipient(), key.key()));
  EXPECT_FAULT(Fault::usage, replace_keys(*v, v.actor(), "tom", new_identity().recipient(), key.key()));
  EXPECT_EQ(v.damage(false), "");
}

TEST(Recover, NamesANewItManagerAndNobodyElseStays) {
  TempVault v;
  const auto tom = joined(v, Role::tech_manager, "tom");
  joined(v, Role::it_manager, "bert");
  must(add_customer(*v, acting(v, tom), "beta", "", 0));
  const auto next = new_identity();
  const auto done = must(recover(*v, v.recovery(), next, "nora"));
  EXPECT_EQ(done.signed_anew, 2u);
  ASSERT_EQ(v->roster().holders().size(), 2u);
  EXPECT_EQ(v->trust().it_manager.size(), 1u);
  EXPECT_EQ(v->trust().it_manager.front().name(), "nora");
  EXPECT_FAULT(Fault::denied, recognise(*v, v.it_manager()));
  EXPECT_EQ(must(customer_name(must(v->catalog().customer("acme")), next)), "Acme Ltd");
  v.reopen();
  EXPECT_OK(add_role(*v, acting(v, next), holder_of(new_identity(), Role::tech_manager, "tom")));
  v.reopen();
  EXPECT_EQ(v.damage(false), "");
}

// After each file call that fails the vault opens, and the same command again ends where the first would have.
template <class Act>
void every_cut(Act act) {
  for (std::int64_t k = 0, finished = 0; finished == 0; ++k) {
    SCOPED_TRACE("cut at call " + std::to_string(k));
    TempVault v;
    {
      testkit::FaultyFiles faulty(k);
      auto cut = v.try_open(faulty);
      if (cut) (void)act(v, *cut);
      cut = base::Error{Fault::failed, "the process has ended"};
      finished = faulty.reached() ? 0 : 1;
    }
    v.reopen();
    ASSERT_OK(act(v, *v));
    v.reopen();
    EXPECT_EQ(v->roster().version(), 2u);
    EXPECT_EQ(v.damage(false), "");
    EXPECT_FALSE(must(act(v, *v)).anything);
    ASSERT_LT(k, 200);
  }
}

TEST(RoleChangeFault, AddingADeputy) {
  const auto bert = new_identity();
  every_cut([&](TempVault& v, Vault& vault) {
    return add_role(vault, must(recognise(vault, v.it_manager())), holder_of(bert, Role::it_manager, "bert"));
  });
}

TEST(RoleChangeFault, Rotating) {
  const auto next = new_identity();
  every_cut([&](TempVault& v, Vault& vault) { return rotate_identity(vault, v.it_manager(), next); });
}

TEST(RoleChangeFault, Recovering) {
  const auto next = new_identity();
  every_cut([&](TempVault& v, Vault& vault) { return recover(vault, v.recovery(), next, "nora"); });
}

}  // namespace
}  // namespace vault
