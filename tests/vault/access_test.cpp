#include "vault/access.h"

#include "keys/sealed_header.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_vault.h"
#include "vault/claim.h"
#include "vault/customer.h"
#include "vault/folder_entry.h"
#include "vault/open_recording.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must, testkit::TempVault;

struct Edit {
  const char* name;
  const char* set;  // of the row of the first delivery
};
void PrintTo(const Edit& edit, std::ostream* out) { *out << edit.name; }

class EditedAccess : public ::testing::TestWithParam<Edit> {};

TEST_P(EditedAccess, IsDamagedAndNoCandidate) {
  TempVault v;
  must(add_customer(*v, v.actor(), "other", "", 0));
  const auto one = v.deliver({v.recording(1)});
  const auto two = v.deliver({v.recording(2)});
  ASSERT_OK(verified_access(*v, must(v->catalog().access(one.id))));
  v.sql("UPDATE access SET " + std::string(GetParam().set) + " WHERE id = '" + one.id + "'");
  const auto row = must(v->catalog().access(one.id));
  EXPECT_FAULT(Fault::damaged, verified_access(*v, row));
  for (const auto& account : {row.account, std::string("acme")})
    for (const auto& candidate : must(candidates(*v, account, 8))) EXPECT_EQ(candidate.row.id, two.id);
  EXPECT_EQ(must(candidates(*v, "acme", 8)).size(), 1U);  // the other one still works
  EXPECT_NE(v.damage(false).find(one.id), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Column, EditedAccess,
    ::testing::Values(Edit{"account", "account = 'other'"}, Edit{"customer", "customer = 'other'"},
                      Edit{"no_customer", "customer = NULL"}, Edit{"expires", "expires = expires + 86400"},
                      Edit{"not_before", "not_before = not_before - 1"}, Edit{"slot", "slot = slot + 500"},
                      Edit{"strict", "strict = 1"}, Edit{"any_address", "any_address = 1"},
                      Edit{"kind_grant", "kind = 'grant'"}, Edit{"kind_standing", "kind = 'standing'"},
                      Edit{"statement_empty", "statement = ''"},
                      Edit{"statement_cut", "statement = substr(statement, 1, 100)"},
                      Edit{"statement_edited", "statement = replace(statement, 'any-address: no', 'any-address: yes')"},
                      Edit{"statement_and_column",
                           "any_address = 1, statement = replace(statement, 'any-address: no', "
                           "'any-address: yes')"},
                      Edit{"statement_of_another",
                           "statement = (SELECT a.statement FROM access a WHERE a.id <> access.id)"}),
    [](const auto& test) { return std::string(test.param.name); });

class Statement : public ::testing::Test {
 protected:
  // The statement as the IT Manager signed it, with one thing changed, signed by `signer`.
  AccessRow signed_anew(const keys::NoteSigner& signer) {
    auto row = must(v->catalog().access(delivery.id));
    auto statement = must(verified_access(*v, row));
    statement.by = signer.verifier().name();
    row.statement = must(sign_access(statement, signer));
    return row;
  }
  TempVault v;
  std::string id = v.recording(1);
  Delivery delivery = v.deliver({id});
};

TEST_F(Statement, OfAnotherIdIsDamaged) {
  auto row = must(v->catalog().access(delivery.id));
  row.id = "d-0000000000000000";
  EXPECT_FAULT(Fault::damaged, verified_access(*v, row));
}

TEST_F(Statement, SignedAnewByTheSamePersonIsFine) { EXPECT_OK(verified_access(*v, signed_anew(v.actor().signer))); }

TEST_F(Statement, OfAStrangerIsDenied) {
  const auto stranger = must(keys::NoteSigner::create("it-manager", testkit::secret_of(32, 9)));
  EXPECT_FALSE(verified_access(*v, signed_anew(stranger)));
}

TEST_F(Statement, OfTheServiceKeyIsDenied) { EXPECT_FALSE(verified_access(*v, signed_anew(v->service()))); }

// The recovery's signature counts under the name of a new IT Manager and nowhere else.
TEST_F(Statement, OfTheRecoveryIsDenied) {
  const auto recovery = v.recovery();
  const auto signer = must(keys::NoteSigner::create("recovery", *recovery.signing_seed()));
  EXPECT_FAULT(Fault::denied, verified_access(*v, signed_anew(signer)));
}

TEST_F(Statement, NamingAnotherSignerIsDamaged) {
  auto row = must(v->catalog().access(delivery.id));
  auto statement = must(verified_access(*v, row));
  statement.by = "recovery";
  row.statement = must(sign_access(statement, v.actor().signer));
  EXPECT_FAULT(Fault::damaged, verified_access(*v, row));
}

// What the password opens, and what it does not.
class AccessKey : public Statement {
 protected:
  base::Result<base::SecretBytes> file_key(const keys::Identity& key, const std::string& recording,
                                           const std::string& access) {
    const auto sealed = must(base::unbase64(must(v->catalog().header(recording, access)).value()));
    const auto access_secret = must(v->slots().read(must(v->catalog().access(access)).slot));
    const auto secret = must(v->slots().read(must(v->catalog().recording(recording)).columns.slot));
    auto header = keys::open_header({recording, access}, secret, &access_secret, sealed);
    if (!header) return header.error();
    return key.unwrap_one(header->reveal());
  }
};

TEST_F(AccessKey, OpensItsItem) {
  const auto key = v.key_of(delivery);
  const auto opened = must(open_recording(*v, id, v.it_manager()));
  EXPECT_TRUE(must(file_key(key, id, delivery.id)) == opened.file_key);
  const auto item = must(v->catalog().items(delivery.id)).front();
  const auto secret = must(v->slots().read(must(v->catalog().access(delivery.id)).slot));
  const auto entry_file = must(open_entry(delivery.id, secret, item.entry));
  const auto entry = must(parse_entry(must(keys::open_sealed(key, entry_file)).reveal()));
  EXPECT_EQ(entry.name, "call-1.wav");
  EXPECT_EQ(entry.size, 3044U);
  EXPECT_EQ(entry.sha256, opened.metadata.sha256);
  EXPECT_FAULT(Fault::damaged, open_entry("d-0000000000000000", secret, item.entry));
  EXPECT_FAULT(Fault::damaged, open_entry(delivery.id, testkit::secret_of(32, 1), item.entry));
}

TEST_F(AccessKey, OfAnotherDeliveryOpensNothing) {
  const auto other = v.deliver({v.recording(2)});
  EXPECT_FAULT(Fault::denied, file_key(v.key_of(other), id, delivery.id));
}

TEST_F(AccessKey, WithAnotherAccessSecretOpensNothing) {
  const auto sealed = must(base::unbase64(must(v->catalog().header(id, delivery.id)).value()));
  const auto secret = must(v->slots().read(must(v->catalog().recording(id)).columns.slot));
  const auto wrong = testkit::secret_of(32, 0);
  EXPECT_FAULT(Fault::damaged, keys::open_header({id, delivery.id}, secret, &wrong, sealed));
  EXPECT_FAULT(Fault::damaged, keys::open_header({id, delivery.id}, secret, nullptr, sealed));
  EXPECT_FAULT(Fault::damaged, keys::open_header({id, delivery.id}, wrong, &secret, sealed));
}

TEST_F(AccessKey, UnderEditedTermsIsAnotherKey) {
  const auto statement = must(verified_access(*v, must(v->catalog().access(delivery.id))));
  const auto password = must(keys::Password::parse(delivery.password.reveal()));
  ASSERT_TRUE(must(password.derive(statement.terms)).recipient() == statement.recipient);
  const std::vector<std::function<void(keys::AccessTerms&)>> edits{[](auto& t) { t.id = "d-0000000000000000"; },
                                                                   [](auto& t) { t.account = "other"; },
                                                                   [](auto& t) { t.kind = keys::AccessKind::standing; },
                                                                   [](auto& t) { ++t.expires; },
                                                                   [](auto& t) { --t.not_before; },
                                                                   [](auto& t) { t.salt.front() ^= std::byte{1}; }};
  for (const auto& edit : edits) {
    auto terms = statement.terms;
    edit(terms);
    EXPECT_FAULT(Fault::denied, file_key(must(password.derive(terms)), id, delivery.id));
  }
}

TEST(NetworkOf, CutsIpv4To24Bits) {
  EXPECT_EQ(network_of("203.0.113.7"), "203.0.113.0/24");
  EXPECT_EQ(network_of("203.0.113.255"), "203.0.113.0/24");
  EXPECT_NE(network_of("203.0.114.7"), network_of("203.0.113.7"));
}

TEST(NetworkOf, CutsIpv6To64Bits) {
  EXPECT_EQ(network_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(network_of("2001:db8:1:2:ffff::1"), network_of("2001:0db8:0001:0002::"));
  EXPECT_NE(network_of("2001:db8:1:3::1"), network_of("2001:db8:1:2::1"));
}

TEST(NetworkOf, AMappedAddressIsItsIpv4Network) {
  EXPECT_EQ(network_of("::ffff:203.0.113.7"), "203.0.113.0/24");
  EXPECT_EQ(network_of("::ffff:cb00:7109"), network_of("203.0.113.7"));
  EXPECT_NE(network_of("::fffe:203.0.113.7"), network_of("203.0.113.7"));
}

TEST(NetworkOf, OtherTextStaysAsItIs) {
  for (const std::string text : {"", "localhost", "203.0.113", "203.0.113.7/24", "fe80::1%eth0"})
    EXPECT_EQ(network_of(text), text);
}

}  // namespace
}  // namespace vault
