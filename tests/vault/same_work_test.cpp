// What a log-in costs must not tell whether an account exists, nor how many accesses it has or had: the steps that cost
// something are counted, as the libraries see them.
#include <dlfcn.h>
#include <sodium.h>
#include <sqlite3.h>

#include <cstdio>
#include <string>

#include "tests/testkit/expect.h"
#include "tests/testkit/temp_vault.h"
#include "vault/claim.h"
#include "vault/customer.h"

namespace {

int signatures = 0;       // verified
int multiplications = 0;  // on Curve25519
int statements = 0;       // of SQL
int sql_steps = 0;        // of SQLite's machine, of all statements

template <class F>
F next(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

int note_statement(unsigned, void*, void* statement, void*) {
  ++statements;
  sql_steps += sqlite3_stmt_status(static_cast<sqlite3_stmt*>(statement), SQLITE_STMTSTATUS_VM_STEP, 1);
  return 0;
}

int attach(sqlite3* db, char**, const sqlite3_api_routines*) {
  return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, &note_statement, nullptr);
}

}  // namespace

// In the place of libsodium's own, for the whole test program.
extern "C" int crypto_sign_verify_detached(const unsigned char* signature, const unsigned char* text,
                                           unsigned long long size, const unsigned char* key) {
  ++signatures;
  return next<decltype(&crypto_sign_verify_detached)>("crypto_sign_verify_detached")(signature, text, size, key);
}
extern "C" int crypto_scalarmult(unsigned char* out, const unsigned char* scalar, const unsigned char* point) {
  ++multiplications;
  return next<decltype(&crypto_scalarmult)>("crypto_scalarmult")(out, scalar, point);
}

namespace vault {
namespace {

using testkit::must, testkit::TempVault;

constexpr std::size_t kLimit = 8;

class SameWork : public ::testing::Test {
 protected:
  SameWork() {
    v.close();
    sqlite3_auto_extension(reinterpret_cast<void (*)()>(&attach));
    static_cast<void>(v->catalog());
    for (const std::string account : {"one", "eight", "ended"}) must(add_customer_named(account));
    for (unsigned i = 0; i < kLimit; ++i) deliver_to("eight");
    deliver_to("one");
    for (int i = 0; i < 3; ++i) must(end_access(*v, deliver_to("ended"), "finished", "service"));
    static_cast<void>(must(candidates(*v, "nobody", kLimit)));  // what is made once
  }
  ~SameWork() override { sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(&attach)); }

  base::Result<void> add_customer_named(const std::string& account) {
    return add_customer(*v, v.actor(), account, account, 0);
  }
  std::string deliver_to(const std::string& account) {
    DeliveryRequest request;
    request.customer = account;
    request.recordings = {v.recording(next_seed_++, 3000, account)};
    v.clock.advance(1);
    return must(deliver(*v, v.actor(), request)).id;
  }

  struct Work {
    std::size_t found;
    int signatures, multiplications, statements, sql_steps;
  };
  Work work_for(const std::string& account) {
    signatures = multiplications = statements = sql_steps = 0;
    const std::size_t found = must(candidates(*v, account, kLimit)).size();
    return {found, signatures, multiplications, statements, sql_steps};
  }

  TempVault v;

 private:
  unsigned next_seed_ = 1;
};

TEST_F(SameWork, AsManySignaturesAndMultiplicationsForEveryAccount) {
  const Work unknown = work_for("nobody");
  EXPECT_EQ(unknown.found, 0U);
  EXPECT_EQ(unknown.signatures, static_cast<int>(kLimit));
  EXPECT_EQ(unknown.multiplications, static_cast<int>(kLimit));
  for (const auto& [account, accesses] : {std::pair("one", 1U), std::pair("ended", 3U), std::pair("eight", 8U)}) {
    const Work known = work_for(account);
    EXPECT_EQ(known.found, accesses);
    EXPECT_EQ(known.signatures, unknown.signatures) << account;
    EXPECT_EQ(known.multiplications, unknown.multiplications) << account;
    EXPECT_EQ(known.statements, unknown.statements) << account;
  }
}

// Rows are read in any case; what is left is to sort those that there are (docs/decisions.md, 28).
TEST_F(SameWork, AsManyRowsAreReadForAnUnknownAccount) {
  const int eight = work_for("eight").sql_steps;
  EXPECT_GT(work_for("nobody").sql_steps, eight / 3);
}

// A customer of many years: the log of what it had must not be read at each try.
TEST_F(SameWork, AThousandEndedAccessesCostNoMoreThanTwenty) {
  const auto end_more = [&](int count) {
    v.sql("WITH RECURSIVE n(i) AS (SELECT (SELECT max(slot) FROM access) + 1 UNION ALL SELECT i + 1 FROM n LIMIT " +
          std::to_string(count) +
          ") INSERT INTO access (id, kind, account, customer, state, not_before, expires, slot, strict, any_address,"
          " statement, created_at) SELECT 'd-' || i, kind, account, customer, 'finished', not_before, expires, i,"
          " strict, any_address, statement, created_at + i FROM n, access WHERE id = (SELECT min(id) FROM access WHERE"
          " account = 'ended')");
  };
  end_more(20);
  const Work twenty = work_for("ended");
  end_more(1000);
  const Work thousand = work_for("ended");
  EXPECT_GT(twenty.sql_steps, 0);
  EXPECT_LE(thousand.sql_steps, twenty.sql_steps + 50);
}

}  // namespace
}  // namespace vault
