#include "vault/customer.h"

#include "tests/testkit/expect.h"
#include "tests/testkit/temp_vault.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must, testkit::TempVault;

TEST(ValidAccount, IsShortAndPlain) {
  for (const std::string id : {"a", "acme", "acme-2", "0", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})
    EXPECT_TRUE(valid_account(id)) << id;
  for (const std::string id :
       {"", "-a", "Acme", "a b", "a_b", "a/b", "..", "\xc3\xa4", "a\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})
    EXPECT_FALSE(valid_account(id)) << id;
  EXPECT_FALSE(valid_account(std::string_view("a\0b", 3)));
}

class Customer : public ::testing::Test {
 protected:
  TempVault v;
};

TEST_F(Customer, NameIsForTheRoleHoldersOnly) {
  must(add_customer(*v, v.actor(), "new", "Jo Brightwater Ltd", 15));
  const auto row = must(v->catalog().customer("new"));
  EXPECT_EQ(row.linger, 15);
  EXPECT_EQ(must(customer_name(row, v.it_manager())), "Jo Brightwater Ltd");
  EXPECT_EQ(must(customer_name(row, v.recovery())), "Jo Brightwater Ltd");
  EXPECT_FAULT(Fault::denied, customer_name(row, must(keys::Identity::generate())));
  EXPECT_FALSE(v.holds(base::as_bytes("Brightwater")));
}

TEST_F(Customer, WithoutANameHasNone) {
  must(add_customer(*v, v.actor(), "new", "", 0));
  EXPECT_EQ(must(customer_name(must(v->catalog().customer("new")), v.it_manager())), "");
}

TEST_F(Customer, DamagedNameIsDamaged) {
  auto row = must(v->catalog().customer("acme"));
  row.name = "*";
  EXPECT_FAULT(Fault::damaged, customer_name(row, v.it_manager()));
  row.name = base::base64(base::as_bytes("no age file"));
  EXPECT_FAULT(Fault::damaged, customer_name(row, v.it_manager()));
}

TEST_F(Customer, BadRequestsLeaveNoTrace) {
  const auto before = v.sql("SELECT count(*) FROM audit");
  EXPECT_FAULT(Fault::usage, add_customer(*v, v.actor(), "acme", "", 0));
  EXPECT_FAULT(Fault::usage, add_customer(*v, v.actor(), "../x", "", 0));
  EXPECT_FAULT(Fault::usage, add_customer(*v, v.actor(), "new", "", -1));
  EXPECT_FAULT(Fault::usage, add_customer(*v, v.actor(), "new", "", 1441));
  EXPECT_FAULT(Fault::denied, add_customer(*v, must(recognise(*v, v.recovery())), "new", "", 0));
  EXPECT_FAULT(Fault::denied, close_customer(*v, must(recognise(*v, v.recovery())), "acme"));
  EXPECT_FAULT(Fault::not_found, close_customer(*v, v.actor(), "nobody"));
  EXPECT_EQ(v.sql("SELECT id, state FROM customer"), "acme|open");
  EXPECT_EQ(v.sql("SELECT count(*) FROM audit"), before);
}

TEST_F(Customer, AnEditedOneIsNotSignedByClosingIt) {
  v.sql("UPDATE customer SET linger = 52560000 WHERE id = 'acme'");
  const std::string before = v.sql("SELECT * FROM customer; SELECT COUNT(*) FROM audit");
  EXPECT_FAULT(Fault::damaged, close_customer(*v, v.actor(), "acme"));
  EXPECT_EQ(v.sql("SELECT * FROM customer; SELECT COUNT(*) FROM audit"), before);
}

TEST_F(Customer, AClosedOneIsNotOpenedByAnEdit) {
  const auto open_one = must(v->catalog().customer("acme")).statement;
  must(close_customer(*v, v.actor(), "acme"));
  v.sql("UPDATE customer SET state = 'open' WHERE id = 'acme'");
  EXPECT_FAULT(Fault::damaged, check_open(*v, "acme"));
  v.sql("UPDATE customer SET statement = '" + open_one + "' WHERE id = 'acme'");
  EXPECT_OK(check_open(*v, "acme"));  // its old statement says so: the log tells
  EXPECT_NE(v.damage().find("customer acme: the audit log says otherwise"), std::string::npos) << v.damage();
}

TEST_F(Customer, ClosesOnceAndStaysListed) {
  must(close_customer(*v, v.actor(), "acme"));
  EXPECT_FAULT(Fault::not_found, close_customer(*v, v.actor(), "acme"));
  EXPECT_EQ(must(v->catalog().customers()).at(0).state, "closed");
  EXPECT_EQ(v.damage(), "");
}

// check lists every state that nobody signed for.
struct Edit {
  const char* name;
  const char* sql;
};
void PrintTo(const Edit& edit, std::ostream* out) { *out << edit.name; }
class EditedCustomer : public ::testing::TestWithParam<Edit> {};
INSTANTIATE_TEST_SUITE_P(
    Column, EditedCustomer,
    ::testing::Values(
        Edit{"opened_again", "UPDATE customer SET state = 'open' WHERE id = 'shut'"},
        Edit{"closed", "UPDATE customer SET state = 'closed' WHERE id = 'acme'"},
        Edit{"made_up",
             "INSERT INTO customer SELECT 'extra', state, created_at, linger, plain_folder, name, statement "
             "FROM customer WHERE id = 'acme'"},
        Edit{"statement_empty", "UPDATE customer SET statement = '' WHERE id = 'acme'"},
        Edit{"statement_of_another",
             "UPDATE customer SET statement = (SELECT c.statement FROM customer c WHERE c.id = 'shut') WHERE id = "
             "'acme'"},
        Edit{"statement_edited",
             "UPDATE customer SET statement = replace(statement, 'acme', 'acne') WHERE id = 'acme'"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_P(EditedCustomer, IsFoundByCheck) {
  TempVault v;
  must(add_customer(*v, v.actor(), "shut", "", 0));
  must(close_customer(*v, v.actor(), "shut"));
  EXPECT_EQ(v.damage(), "");
  v.sql(GetParam().sql);
  EXPECT_NE(v.damage(), "");
}

}  // namespace
}  // namespace vault
