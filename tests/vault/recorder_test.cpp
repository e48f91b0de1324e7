#include "vault/recorder.h"

#include "tests/testkit/expect.h"
#include "tests/testkit/temp_vault.h"
#include "vault/customer.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must, testkit::TempVault;

SshKey some_key(unsigned char seed = 1) {
  base::Bytes blob;
  base::put_string(blob, "ssh-ed25519");
  base::put_string(blob, base::Bytes(32, std::byte{seed}));
  return must(SshKey::from_blob(blob));
}

class Recorder : public ::testing::Test {
 protected:
  NewRecorder pbx(const std::string& name = "pbx-1", unsigned char seed = 1) {
    return {name, some_key(seed), "customer", "acme", "inbound"};
  }
  RecorderRow row(const std::string& name = "pbx-1") { return must(v->catalog().recorder(name)).value(); }
  std::string rows() { return v.sql("SELECT name, state, class, customer, category FROM recorder ORDER BY name"); }
  std::string entries() { return v.sql("SELECT COUNT(*) FROM audit"); }

  TempVault v;
};

TEST_F(Recorder, IsFoundByNameAndKeyTogether) {
  must(add_recorder(*v, v.actor(), pbx()));
  EXPECT_EQ(rows(), "pbx-1|open|customer|acme|inbound");
  EXPECT_OK(verified_recorder(*v, row()));
  EXPECT_TRUE(must(recorder_with(*v, "pbx-1", some_key().blob())));
  EXPECT_FALSE(must(recorder_with(*v, "pbx-1", some_key(2).blob())));
  EXPECT_FALSE(must(recorder_with(*v, "acme", some_key().blob()))) << "a customer has no key";
  EXPECT_FALSE(must(recorder_with(*v, "pbx-1", base::as_bytes("no key"))));
  EXPECT_OK(still_takes(*v, row()));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Recorder, OneKeyCanBeTwoRecorders) {
  must(add_recorder(*v, v.actor(), pbx()));
  auto second = pbx("pbx-2");
  second.klass = "own";
  second.customer = second.category = "";
  must(add_recorder(*v, v.actor(), second));
  EXPECT_EQ(must(recorder_with(*v, "pbx-1", some_key().blob()))->customer, "acme");
  EXPECT_EQ(must(recorder_with(*v, "pbx-2", some_key().blob()))->klass, "own");
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Recorder, ARemovedOneIsNoneAndCanComeBack) {
  must(add_recorder(*v, v.actor(), pbx()));
  const auto before = row();
  must(remove_recorder(*v, v.actor(), "pbx-1"));
  EXPECT_FALSE(must(recorder_with(*v, "pbx-1", some_key().blob())));
  EXPECT_FAULT(Fault::denied, still_takes(*v, before));
  EXPECT_OK(verified_recorder(*v, row()));
  EXPECT_FAULT(Fault::not_found, remove_recorder(*v, v.actor(), "pbx-1"));
  EXPECT_EQ(v.damage(), "");
  must(add_recorder(*v, v.actor(), pbx("pbx-1", 2)));
  EXPECT_TRUE(must(recorder_with(*v, "pbx-1", some_key(2).blob())));
  EXPECT_FALSE(must(recorder_with(*v, "pbx-1", some_key(1).blob())));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Recorder, BadRequestsLeaveNoTrace) {
  must(add_recorder(*v, v.actor(), pbx("taken")));
  must(add_customer(*v, v.actor(), "closed", "", 0));
  must(close_customer(*v, v.actor(), "closed"));
  const auto before = rows() + entries();
  EXPECT_FAULT(Fault::usage, add_recorder(*v, v.actor(), pbx("taken", 2)));
  EXPECT_FAULT(Fault::usage, add_recorder(*v, v.actor(), pbx("acme")));
  for (const char* name : {"", "../x", "PBX", "-a", "a b"})
    EXPECT_FAULT(Fault::usage, add_recorder(*v, v.actor(), pbx(name)));
  auto request = pbx();
  request.category = "No Category";
  EXPECT_FAULT(Fault::usage, add_recorder(*v, v.actor(), request));
  request = pbx();
  request.customer = "nobody";
  EXPECT_FAULT(Fault::not_found, add_recorder(*v, v.actor(), request));
  request.customer = "closed";
  EXPECT_FAULT(Fault::denied, add_recorder(*v, v.actor(), request));
  EXPECT_FAULT(Fault::denied, add_recorder(*v, must(recognise(*v, v.recovery())), pbx()));
  EXPECT_FAULT(Fault::denied, remove_recorder(*v, must(recognise(*v, v.recovery())), "taken"));
  EXPECT_FAULT(Fault::not_found, remove_recorder(*v, v.actor(), "nobody"));
  EXPECT_EQ(rows() + entries(), before);
}

TEST_F(Recorder, ItsNameIsNoCustomers) {
  must(add_recorder(*v, v.actor(), pbx()));
  EXPECT_FAULT(Fault::usage, add_customer(*v, v.actor(), "pbx-1", "", 0));
  EXPECT_EQ(v.sql("SELECT id FROM customer"), "acme");
}

TEST_F(Recorder, ATechManagerAddsAndRemovesToo) {
  auto identity = v.add_tech_manager();  // opens the vault anew, so first
  auto tech = must(recognise(*v, std::move(identity)));
  must(add_recorder(*v, tech, pbx()));
  must(remove_recorder(*v, tech, "pbx-1"));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(Recorder, AnEditedRowIsRefusedAndNamed) {
  must(add_customer(*v, v.actor(), "globex", "", 0));
  must(add_recorder(*v, v.actor(), pbx()));
  const std::string other = some_key(2).text();
  for (const std::string& edit :
       {std::string("customer = 'globex'"), std::string("class = 'own', customer = NULL"),
        std::string("category = 'message'"), "ssh_key = '" + other + "'", std::string("signed_at = signed_at + 1"),
        std::string("statement = 'x'"), std::string("id = 'w-0000000000000000'")}) {
    const auto saved = v.save();
    v.sql("UPDATE recorder SET " + edit);
    EXPECT_FALSE(must(recorder_with(*v, "pbx-1", some_key(1).blob()))) << edit;
    EXPECT_FALSE(must(recorder_with(*v, "pbx-1", some_key(2).blob()))) << edit;
    EXPECT_NE(v.damage().find("recorder pbx-1"), std::string::npos) << edit << ": " << v.damage();
    EXPECT_FAULT(Fault::damaged, remove_recorder(*v, v.actor(), "pbx-1"));
    v.put_back(saved);
  }
}

TEST_F(Recorder, AStatementOfAnotherRecorderIsNotItsOwn) {
  must(add_recorder(*v, v.actor(), pbx()));
  must(add_recorder(*v, v.actor(), pbx("pbx-2", 2)));
  v.sql("UPDATE recorder SET statement = (SELECT statement FROM recorder WHERE name = 'pbx-2') WHERE name = 'pbx-1'");
  EXPECT_FALSE(must(recorder_with(*v, "pbx-1", some_key(1).blob())));
}

TEST_F(Recorder, CheckMissesADeletedRowAndSeesOneThatWasPutBack) {
  must(add_recorder(*v, v.actor(), pbx()));
  v.sql("CREATE TABLE old AS SELECT * FROM recorder");
  must(remove_recorder(*v, v.actor(), "pbx-1"));
  v.sql("DELETE FROM recorder; INSERT INTO recorder SELECT * FROM old; DROP TABLE old");
  EXPECT_NE(v.damage().find("the audit log says otherwise"), std::string::npos) << v.damage();
  v.sql("DELETE FROM recorder");
  EXPECT_EQ(v.damage(), "") << "it was removed";
  must(add_recorder(*v, v.actor(), pbx()));
  v.sql("DELETE FROM recorder");
  EXPECT_NE(v.damage().find("recorder pbx-1"), std::string::npos) << v.damage();
  EXPECT_NE(v.damage().find("is missing"), std::string::npos) << v.damage();
}

}  // namespace
}  // namespace vault
