// Every statement on the way of a customer finds its rows by an index: a million recordings must not slow down a
// log-in, the listing of a delivery, a claim or a download. SQLite's own hooks see what is really run; nothing is
// listed here.
#include <sqlite3.h>

#include <set>
#include <utility>

#include "tests/testkit/expect.h"
#include "tests/testkit/temp_vault.h"
#include "vault/claim.h"
#include "vault/erase.h"
#include "vault/open_recording.h"
#include "vault/restriction.h"

namespace {

using testkit::must;

// The statements of all connections that are opened while it lives, as they were written.
class Statements {
 public:
  Statements() {
    seen().clear();
    sqlite3_auto_extension(reinterpret_cast<void (*)()>(&attach));
  }
  ~Statements() { sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(&attach)); }
  Statements(const Statements&) = delete;
  Statements& operator=(const Statements&) = delete;

  // What was run since the last call.
  std::set<std::string> take() { return std::exchange(seen(), {}); }

 private:
  static std::set<std::string>& seen() {
    static std::set<std::string> all;
    return all;
  }
  static int attach(sqlite3* db, char**, const sqlite3_api_routines*) {
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, &note, nullptr);
  }
  static int note(unsigned, void*, void* statement, void*) {
    if (const char* text = sqlite3_sql(static_cast<sqlite3_stmt*>(statement))) seen().insert(text);
    return 0;
  }
};

bool touches_rows(const std::string& statement) {
  return statement.starts_with("SELECT") || statement.starts_with("UPDATE") || statement.starts_with("DELETE") ||
         statement.starts_with("INSERT");
}

// How SQLite will run a statement, a line for each step; "SCAN ..." reads a whole table or index.
std::string plan_of(testkit::TempVault& vault, const std::string& statement) {
  return vault.sql("EXPLAIN QUERY PLAN " + statement);
}

// The steps that read everything. A walk over a partial index is none: it holds only what it was made to find.
std::string scans_of(const std::string& plan) {
  std::string found;
  std::size_t begin = 0;
  while (begin < plan.size()) {
    const std::size_t end = std::min(plan.find('\n', begin), plan.size());
    const std::string step = plan.substr(begin, end - begin);
    if (step.find("|SCAN ") != std::string::npos && step.find(" INDEX access_to_erase") == std::string::npos)
      found += step + "\n";
    begin = end + 1;
  }
  return found;
}

class QueryPlan : public ::testing::Test {
 protected:
  QueryPlan() { vault_.close(); }

  // Every statement since the last call is planned; at least one of them must name `table`, or the way was not walked.
  void expect_indexed(const std::string& table) {
    bool named = false;
    for (const auto& statement : statements_.take()) {
      if (!touches_rows(statement) || statement.find("sqlite_") != std::string::npos ||
          statement.find("pragma_") != std::string::npos)
        continue;
      named = named || statement.find(" " + table) != std::string::npos;
      EXPECT_EQ(scans_of(plan_of(vault_, statement)), "") << statement;
    }
    EXPECT_TRUE(named) << "no statement about " << table << " was seen";
    statements_.take();  // our own EXPLAINs
  }

  std::vector<vault::Candidate> candidates() { return must(vault::candidates(*vault_, "acme", 8)); }

  testkit::TempVault vault_;
  Statements statements_;  // the vault's connections are opened after it
};

TEST_F(QueryPlan, WholeTableIsFound) {
  EXPECT_NE(scans_of(plan_of(vault_, "SELECT id FROM recording WHERE category = 'x'")), "");
  EXPECT_NE(scans_of(plan_of(vault_, "SELECT r.id FROM item i JOIN recording r ON r.size = i.sent")), "");
  EXPECT_NE(scans_of(plan_of(vault_, "SELECT state FROM recording ORDER BY state")), "");
  EXPECT_EQ(scans_of(plan_of(vault_, "SELECT id FROM recording WHERE id = 'x'")), "");
  const char* by_recipient = "DELETE FROM header WHERE recipient = 'x'";
  EXPECT_EQ(scans_of(plan_of(vault_, by_recipient)), "");
  vault_.sql("DROP INDEX header_by_recipient");
  EXPECT_NE(scans_of(plan_of(vault_, by_recipient)), "");
}

TEST_F(QueryPlan, LogIn) {
  (void)vault_.deliver({vault_.recording(1)});
  statements_.take();
  EXPECT_EQ(candidates().size(), 1u);
  EXPECT_TRUE(must(vault::candidates(*vault_, "nobody", 8)).empty());
  (void)must(vault_->audit().checkpoint());
  (void)must(vault_->catalog().customer("acme"));
  expect_indexed("access");
}

TEST_F(QueryPlan, Claim) {
  const auto delivery = vault_.deliver({vault_.recording(1)});
  const auto candidate = candidates().at(0);
  statements_.take();
  EXPECT_EQ(must(vault::enter(*vault_, candidate, "192.0.2.1", 0)), vault::Entrance::claimed);
  expect_indexed("access");
  EXPECT_EQ(must(vault::enter(*vault_, candidate, "192.0.2.1", 1)), vault::Entrance::joined);
  must(vault_->catalog().change([&] { return vault_->catalog().saw(delivery.id, vault_.clock.now()); }));
  expect_indexed("access");
}

TEST_F(QueryPlan, ListingAndOpening) {
  const auto id = vault_.recording(1);
  const auto delivery = vault_.deliver({id});
  statements_.take();
  EXPECT_EQ(must(vault_->catalog().items(delivery.id)).size(), 1u);
  expect_indexed("item");
  EXPECT_OK(vault::unrestricted(*vault_, id));
  expect_indexed("restriction");
  EXPECT_OK(vault::verified_record(*vault_, must(vault_->catalog().recording(id))));
  EXPECT_TRUE(must(vault_->catalog().header(id, delivery.id)));
  expect_indexed("header");
}

TEST_F(QueryPlan, CoverageDeliveryAndErasure) {
  const auto delivery = vault_.deliver({vault_.recording(1)});
  EXPECT_EQ(must(vault::enter(*vault_, candidates().at(0), "192.0.2.1", 0)), vault::Entrance::claimed);
  statements_.take();
  must(vault_->catalog().change([&] { return vault_->catalog().store_coverage(delivery.id, 0, "x", 1); }));
  expect_indexed("item");
  vault_.mark_delivered(delivery);
  EXPECT_EQ(must(vault::finish_erasures(*vault_)).recordings, 1u);
  expect_indexed("recording");
}

TEST_F(QueryPlan, RestrictionAndRelease) {
  const auto id = vault_.recording(1);
  const auto delivery = vault_.deliver({id});
  const auto actor = vault_.actor();
  vault_.mark_delivered(delivery, vault_.clock.now() + 60);
  statements_.take();
  must(vault::restrict_recording(*vault_, actor, id, ""));
  expect_indexed("restriction");
  vault_.clock.advance(90);
  EXPECT_EQ(must(vault::release_recording(*vault_, actor, id, "")),
            vault::Released::to_be_erased);  // its time to linger is over
  EXPECT_TRUE(vault_.gone(id));
  expect_indexed("restriction");
}

// A batch of a rewrap finds its recordings by their slots, not among all that are held.
TEST_F(QueryPlan, HeadersAreWalkedBySlot) {
  (void)vault_.recording(1);
  statements_.take();
  EXPECT_EQ(must(vault_->catalog().held(0, 100, 10)).size(), 1u);
  int seen = 0;
  for (const auto& statement : statements_.take()) {
    if (statement.find("BETWEEN") == std::string::npos) continue;
    ++seen;
    const std::string plan = plan_of(vault_, statement);
    EXPECT_NE(plan.find("(slot>? AND slot<?)"), std::string::npos) << plan;
    EXPECT_EQ(plan.find("B-TREE"), std::string::npos) << plan;
  }
  EXPECT_EQ(seen, 1);
}

TEST_F(QueryPlan, WhatCollects) {
  vault::DeliveryRequest request;
  request.customer = "acme";
  request.only_new = true;
  const auto made = must(vault::deliver_collecting(*vault_, vault_.actor(), request, 2));
  statements_.take();
  vault_.recording(1);
  expect_indexed("access");
  vault_.recording(2);
  expect_indexed("item");
  for (const auto& candidate : candidates()) {
    const bool first = candidate.row.id == made[0].id;
    EXPECT_EQ(must(vault::enter(*vault_, candidate, "192.0.2.1", 0)),
              first ? vault::Entrance::claimed : vault::Entrance::not_yet);
  }
  expect_indexed("access");
}

TEST_F(QueryPlan, WhatTheKeeperAsksAgainAndAgain) {
  const auto delivery = vault_.deliver({vault_.recording(1)});
  EXPECT_EQ(must(vault::enter(*vault_, candidates().at(0), "192.0.2.1", 0)), vault::Entrance::claimed);
  statements_.take();
  EXPECT_TRUE(must(vault::end_overdue(*vault_, [](const std::string&) { return true; })).empty());
  EXPECT_OK(vault_->catalog().access(delivery.id));
  expect_indexed("access");
  EXPECT_EQ(must(vault::finish_erasures(*vault_)).recordings, 0u);
  expect_indexed("recording");
  EXPECT_OK(vault::end_access(*vault_, delivery.id, "finished", "service"));
  expect_indexed("header");
}

}  // namespace
