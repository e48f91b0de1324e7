#include "vault/vault.h"

#include <boost/filesystem/operations.hpp>

#include "keys/challenge.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_vault.h"

namespace vault {
namespace {

namespace fs = boost::filesystem;
using base::Fault;
using keys::Roster;
using testkit::must, testkit::TempVault;

// Rosters that must not be believed.
class RosterOnDisk : public ::testing::Test {
 protected:
  std::string note() { return base::to_text(must(base::read_file(v / file::kRoster, 1 << 20))); }
  keys::RoleHolder stranger() {
    const auto identity = must(keys::Identity::generate());
    return {keys::Role::tech_manager, "stranger", identity.recipient(),
            must(keys::NoteSigner::create("stranger", *identity.signing_seed())).verifier()};
  }
  void expect_refused() {
    v.close();
    EXPECT_FALSE(v.try_open());
  }
  TempVault v;
};

TEST_F(RosterOnDisk, Missing) {
  v.close();
  fs::remove(v / file::kRoster);
  expect_refused();
}

TEST_F(RosterOnDisk, Unsigned) {
  const auto text = note();
  v.put_roster(text.substr(0, text.find("\n\n") + 1));
  expect_refused();
}

TEST_F(RosterOnDisk, WithAnExtraRecipient) {
  auto text = note();
  const auto extra = stranger();
  text.insert(text.find("\n\n"), "\ntech-manager: " + extra.recipient.text() + " " + extra.signing_key.text());
  v.put_roster(text);
  expect_refused();
}

TEST_F(RosterOnDisk, WithAnotherRecipientForTheItManager) {
  auto text = note();
  const auto mine = v.holders().front().recipient.text();
  text.replace(text.find(mine), mine.size(), stranger().recipient.text());
  v.put_roster(text);
  expect_refused();
}

TEST_F(RosterOnDisk, SignedByAStrangerUnderTheItManagersName) {
  const auto forger = must(keys::NoteSigner::create("it-manager", testkit::secret_of(32, 1)));
  v.put_roster(must(Roster::make(2, v.holders(), forger)));
  expect_refused();
}

TEST_F(RosterOnDisk, SignedByTheServiceKey) {
  v.put_roster(must(Roster::make(2, v.holders(), v->service())));
  expect_refused();
}

TEST_F(RosterOnDisk, SignedByTheRecoveryWithATechManager) {
  auto all = v.holders();
  all.push_back(stranger());
  const auto recovery = v.recovery();
  v.put_roster(must(Roster::make(2, all, must(keys::NoteSigner::create("recovery", *recovery.signing_seed())))));
  expect_refused();
}

TEST_F(RosterOnDisk, WithoutRecovery) {
  keys::NoteFields text{"callvault/v1/roster", {{"version", "2"}}};
  const auto mine = v.holders().front();
  text.fields.emplace_back("it-manager", mine.recipient.text() + " " + mine.signing_key.text());
  v.put_roster(must(v.actor().signer.sign(text.print())));
  expect_refused();
}

TEST_F(RosterOnDisk, OlderThanTheCatalogueSaw) {
  const auto first = note();
  v.add_tech_manager();
  (void)*v;  // sees version 2
  v.put_roster(first);
  expect_refused();
}

TEST_F(RosterOnDisk, ANewVersionIsSeenOnceWithAnEntry) {
  v.add_tech_manager();
  for (int i = 0; i < 3; ++i) v.reopen();
  EXPECT_EQ(v.sql("SELECT value FROM setting WHERE name = 'roster_version'"), "2");
  EXPECT_EQ(v.sql("SELECT count(*) FROM audit WHERE leaf LIKE '%event: roster.seen%'"), "1");
  EXPECT_EQ(v->roster().holders().size(), 3U);
  EXPECT_EQ(v.damage(), "");
}

// Files of a vault that do not belong together.
class Parts : public ::testing::Test {
 protected:
  void take_from_another(const char* name) {
    TempVault other;
    other.close();
    v.close();
    testkit::put_file(v / name, must(base::read_file(other / name, 1 << 24)));
  }
  TempVault v;
};

TEST_F(Parts, ServiceKeyOfAnotherVault) {
  take_from_another("service.key");
  EXPECT_FAULT(Fault::damaged, v.try_open());
}

TEST_F(Parts, TrustOfAnotherVault) {
  take_from_another("trust.toml");
  EXPECT_FALSE(v.try_open());
}

TEST_F(Parts, RosterOfAnotherVault) {
  take_from_another("recipients.note");
  EXPECT_FALSE(v.try_open());
}

TEST_F(Parts, ConfigurationOfAnotherVault) {
  take_from_another("callvault.toml");
  EXPECT_FAULT(Fault::damaged, v.try_open());
}

TEST_F(Parts, CatalogueOfAnotherVaultIsFoundByCheck) {
  take_from_another("catalog.db");
  EXPECT_TRUE(!v.try_open() || !v.damage().empty());
}

TEST_F(Parts, CutServiceKey) {
  v.close();
  testkit::put_file(v / "service.key", base::as_bytes("short"));
  EXPECT_FAULT(Fault::damaged, v.try_open());
}

TEST_F(Parts, MissingOnes) {
  const auto saved = v.save();
  for (const char* name :
       {"callvault.toml", "trust.toml", "catalog.db", "recipients.note", "service.key", "slots/root.key"}) {
    v.put_back(saved);
    fs::remove(v / name);
    EXPECT_FALSE(v.try_open()) << name;
  }
  v.put_back(saved);
  EXPECT_OK(v.try_open());
}

class EditedSetting : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Names, EditedSetting, ::testing::Values("roster_version", "slots_generation"));

TEST_P(EditedSetting, IsDamageOrANewerVault) {
  TempVault v;
  for (const std::string value : {"", "x", "-1", "99999999999999999999", "7000000"}) {
    v.close();
    v.sql("INSERT OR REPLACE INTO setting VALUES ('" + std::string(GetParam()) + "', '" + value + "')");
    EXPECT_FALSE(v.try_open()) << value;
  }
}

TEST(SourceKey, TellsPathsAndContentsApartAndNeedsThisVault) {
  TempVault a;
  TempVault b;
  EXPECT_EQ(a->source_key("/x/y", "12"), a->source_key("/x/y", "12"));
  EXPECT_NE(a->source_key("/x/y", "12"), a->source_key("/x/y1", "2"));
  EXPECT_NE(a->source_key("/x/y", "12"), a->source_key("/x/z", "12"));
  EXPECT_NE(a->source_key("/x/y", "12"), b->source_key("/x/y", "12"));
}

}  // namespace
}  // namespace vault
