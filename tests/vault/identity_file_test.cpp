#include "vault/identity_file.h"

#include <boost/filesystem/operations.hpp>

#include "tests/testkit/expect.h"
#include "tests/testkit/faulty_files.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_vault.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must;
using testkit::secret;

constexpr unsigned kWeak = 10;

base::Result<keys::Identity> read(const base::Path& file, const char* passphrase) {
  return keys::read_identity(file, [&] { return base::Result<base::SecretBytes>(secret(passphrase)); });
}

TEST(IdentityFile, IsWrittenOnceAndReadAgain) {
  const testkit::TempFolder temp;
  const auto identity = must(keys::Identity::generate());
  ASSERT_OK(write_identity(temp / "tom.age", identity, "c", secret("long enough"), base::system_files(), kWeak));
  EXPECT_EQ(must(read(temp / "tom.age", "long enough")).recipient(), identity.recipient());
  EXPECT_FAULT(Fault::denied, read(temp / "tom.age", "something else"));
  const auto before = must(base::read_file(temp / "tom.age", 1 << 20));
  EXPECT_FAULT(Fault::usage,
               write_identity(temp / "tom.age", identity, "c", secret("long enough"), base::system_files(), kWeak));
  EXPECT_EQ(must(base::read_file(temp / "tom.age", 1 << 20)), before);
  EXPECT_FAULT(Fault::usage,
               write_identity(temp / "b.age", identity, "c", secret("short"), base::system_files(), kWeak));
  EXPECT_FALSE(base::exists(temp / "b.age"));
}

TEST(IdentityFile, NotInTheFolderOfAVaultAlsoNotThroughALink) {
  const testkit::TempVault v;
  const testkit::TempFolder temp;
  boost::filesystem::create_directory_symlink(v.folder() / "run", temp / "link");
  for (const base::Path& place :
       {v.folder() / "tom.age", v.folder() / "objects" / "tom.age", temp / "link" / "tom.age"})
    EXPECT_FAULT(Fault::usage, check_identity_place(place)) << place;
  EXPECT_OK(check_identity_place(temp / "tom.age"));
}

// Somebody's other key may have that name.
TEST(IdentityFile, WhatIsCalledNewBesideItStays) {
  const testkit::TempFolder temp;
  const auto identity = must(keys::Identity::generate());
  const base::Path other = temp / "tom.age.new";
  testkit::put_file(other, base::as_bytes("another identity"));
  must(write_identity(temp / "tom.age", identity, "c", secret("long enough"), base::system_files(), kWeak));
  must(write_passphrase(temp / "tom.age", identity, secret("another one"), base::system_files(), kWeak));
  EXPECT_EQ(base::to_text(must(base::read_file(other, 1 << 20))), "another identity");
  EXPECT_EQ(must(base::list_folder(temp.path())).size(), 2U);
}

TEST(IdentityFile, AFailureLeavesNothingBeside) {
  const testkit::TempFolder temp;
  const auto identity = must(keys::Identity::generate());
  boost::filesystem::create_directory(temp / "in the way");
  testkit::put_file(temp / "in the way" / "file", base::as_bytes("x"));
  EXPECT_FALSE(write_passphrase(temp / "in the way", identity, secret("long enough"), base::system_files(), kWeak));
  EXPECT_EQ(must(base::list_folder(temp.path())).size(), 1U);
}

TEST(IdentityFile, ACutChangeOfThePassphraseLeavesTheOldOrTheNewOne) {
  const auto identity = must(keys::Identity::generate());
  for (std::int64_t k = 0, finished = 0; finished == 0; ++k) {
    SCOPED_TRACE("cut at call " + std::to_string(k));
    const testkit::TempFolder temp;
    const base::Path file = temp / "tom.age";
    must(write_identity(file, identity, "c", secret("the old one"), base::system_files(), kWeak));
    testkit::FaultyFiles faulty(k);
    const auto done = write_passphrase(file, identity, secret("the new one"), faulty, kWeak);
    finished = faulty.reached() ? 0 : 1;
    const auto old = read(file, "the old one");
    const auto next = read(file, "the new one");
    EXPECT_NE(static_cast<bool>(old), static_cast<bool>(next));
    if (done) {
      EXPECT_EQ(must(read(file, "the new one")).recipient(), identity.recipient());
    }
    ASSERT_LT(k, 50);
  }
}

}  // namespace
}  // namespace vault
