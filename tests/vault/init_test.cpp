#include "vault/init.h"

#include <sys/stat.h>

#include <boost/filesystem/operations.hpp>

#include "tests/testkit/expect.h"
#include "tests/testkit/fake_clock.h"
#include "tests/testkit/faulty_files.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_folder.h"
#include "tests/testkit/temp_vault.h"

namespace vault {
namespace {

namespace fs = boost::filesystem;
using base::Fault, base::Path;
using testkit::FaultyFiles, testkit::must;

class Init : public ::testing::Test {
 protected:
  base::Result<Made> make(base::Files& files = base::system_files()) {
    return init(wanted, testkit::secret("a long passphrase"), clock, files, 10);
  }
  bool nothing_made() {
    return !base::exists(wanted.folder) && !base::exists(wanted.identity_out) && !base::exists(wanted.recovery_out);
  }
  testkit::TempFolder temp{testkit::TempFolder::in_memory()};
  testkit::FakeClock clock;
  NewVault wanted{temp.path() / "vault", "Example Telecom", temp.path() / "it.age", temp.path() / "recovery.txt"};
};

TEST_F(Init, MakesAVaultThatOpensAndIdentitiesThatFit) {
  const auto made = must(make());
  auto vault = must(Vault::open(wanted.folder, clock));
  const auto it = must(keys::read_identity(
      wanted.identity_out, [] { return base::SecretBytes::copy_of(base::as_bytes("a long passphrase")); }));
  EXPECT_EQ(it.recipient().text(), made.it_manager);
  EXPECT_FAULT(Fault::denied, keys::read_identity(wanted.identity_out, [] {
                 return base::SecretBytes::copy_of(base::as_bytes("another passphrase"));
               }));
  const auto recovery = must(keys::read_identity(wanted.recovery_out, [] {
    return base::Result<base::SecretBytes>(base::Error{Fault::failed, "asked"});
  }));
  EXPECT_EQ(recovery.recipient().text(), made.recovery);
  EXPECT_EQ(vault.config().vault_id, made.vault_id);
  EXPECT_EQ(made.fingerprint.substr(0, 7), "SHA256:");
  EXPECT_EQ(must(vault.audit().entries(0, 10, nullptr)).at(0).name, "vault.created");
}

TEST_F(Init, KeepsEveryFileToItsOwner) {
  must(make());
  for (const auto& entry : fs::recursive_directory_iterator(temp.path())) {
    struct stat info {};
    ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
    if (entry.path().filename().string().starts_with("catalog.db-")) continue;
    EXPECT_EQ(info.st_mode & 077U, 0U) << entry.path();
  }
}

TEST_F(Init, PutsNoSecretOfAnIdentityIntoTheFolder) {
  must(make());
  const auto recovery = base::to_text(must(base::read_file(wanted.recovery_out, 4096)));
  const auto key = recovery.substr(recovery.find("AGE-SECRET-KEY-1"), 74);
  for (const auto& entry : fs::recursive_directory_iterator(wanted.folder)) {
    if (!fs::is_regular_file(entry.status())) continue;
    const auto content = base::to_text(must(base::read_file(entry.path(), 1 << 24)));
    EXPECT_EQ(content.find("AGE-SECRET-KEY"), std::string::npos) << entry.path();
    EXPECT_EQ(content.find(key), std::string::npos) << entry.path();
  }
}

TEST_F(Init, TakesAnEmptyFolder) {
  fs::create_directory(wanted.folder);
  EXPECT_OK(make());
}

TEST_F(Init, RefusesAFolderThatHoldsSomething) {
  fs::create_directory(wanted.folder);
  testkit::put_file(wanted.folder / "thesis.txt", base::as_bytes("the only copy"));
  EXPECT_FAULT(Fault::usage, make());
  EXPECT_EQ(must(base::read_file(wanted.folder / "thesis.txt", 100)), base::to_bytes("the only copy"));
}

TEST_F(Init, RefusesASecondTime) {
  must(make());
  const auto before = must(base::read_file(wanted.identity_out, 1 << 16));
  EXPECT_FAULT(Fault::usage, make());
  fs::remove(wanted.recovery_out);
  EXPECT_FAULT(Fault::usage, make());
  EXPECT_EQ(must(base::read_file(wanted.identity_out, 1 << 16)), before);
  EXPECT_OK(Vault::open(wanted.folder, clock));
}

TEST_F(Init, RefusesIdentitiesInsideTheFolder) {
  fs::create_directory(wanted.folder);
  fs::create_directory_symlink(wanted.folder, temp.path() / "link");
  const NewVault good = wanted;
  for (const Path& inside : {wanted.folder / "it.age", wanted.folder / "deep" / "it.age",
                             temp.path() / "link" / "it.age", temp.path() / "x" / ".." / "vault" / "it.age"}) {
    wanted = good;
    wanted.identity_out = inside;
    EXPECT_FAULT(Fault::usage, make()) << inside;
    wanted = good;
    wanted.recovery_out = inside;
    EXPECT_FAULT(Fault::usage, make()) << inside;
  }
  EXPECT_TRUE(must(base::list_folder(wanted.folder)).empty());
}

TEST_F(Init, AFolderWhoseNameOnlyBeginsTheSameIsOutside) {
  fs::create_directory(temp.path() / "vault-keys");
  wanted.identity_out = temp.path() / "vault-keys" / "it.age";
  EXPECT_OK(make());
}

TEST_F(Init, RefusesFilesThatExist) {
  testkit::put_file(wanted.identity_out, base::as_bytes("mine"));
  EXPECT_FAULT(Fault::usage, make());
  EXPECT_EQ(must(base::read_file(wanted.identity_out, 100)), base::to_bytes("mine"));
  EXPECT_FALSE(base::exists(wanted.folder));
}

TEST_F(Init, RefusesOneFileForBothIdentities) {
  wanted.recovery_out = temp.path() / "." / "it.age";
  EXPECT_FAULT(Fault::usage, make());
  EXPECT_TRUE(nothing_made());
}

TEST_F(Init, RefusesAShortPassphrase) {
  EXPECT_FAULT(Fault::usage, init(wanted, testkit::secret("seven77"), clock, base::system_files(), 10));
  EXPECT_TRUE(nothing_made());
}

TEST_F(Init, WithoutAPlaceForTheIdentityLeavesNothing) {
  wanted.identity_out = temp.path() / "missing" / "it.age";
  EXPECT_FALSE(make());
  EXPECT_TRUE(nothing_made());
}

class InitFault : public Init, public ::testing::WithParamInterface<FaultyFiles::Loss> {};
INSTANTIATE_TEST_SUITE_P(Losses, InitFault,
                         ::testing::Values(FaultyFiles::Loss::unsynced_is_lost, FaultyFiles::Loss::all_is_kept));

TEST_P(InitFault, EveryFailureLeavesNothingHalfMade) {
  bool finished = false;
  for (std::int64_t k = 0; !finished; ++k) {
    SCOPED_TRACE("cut at call " + std::to_string(k));
    FaultyFiles files(k, GetParam());
    const auto made = make(files);
    finished = !files.reached();
    ASSERT_EQ(static_cast<bool>(made), finished);
    EXPECT_TRUE(finished || nothing_made());
    ASSERT_LT(k, 500);
  }
  EXPECT_OK(Vault::open(wanted.folder, clock));
}

}  // namespace
}  // namespace vault
