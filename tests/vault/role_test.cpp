#include "vault/role.h"

#include <set>

#include "base/files.h"
#include "tests/testkit/expect.h"

namespace vault {
namespace {

using base::Fault;
using keys::Role;
using testkit::must;

// The whole table, written down a second time: a change of it must be meant.
struct Row {
  Action action;
  bool it_manager, tech_manager, recovery;
};
constexpr Row kRows[] = {
    {Action::add_customer, true, true, false},
    {Action::change_customer, true, true, false},
    {Action::deliver, true, true, false},
    {Action::revoke_delivery, true, true, false},
    {Action::reissue_delivery, true, true, false},
    {Action::read_recording, true, true, true},
    {Action::read_audit_details, true, false, false},
    {Action::restrict_recording, true, false, false},
    {Action::release_recording, true, false, false},
    {Action::read_restricted, true, false, true},
    {Action::add_role, true, false, false},
    {Action::remove_role, true, false, false},
    {Action::rotate_keys, true, false, false},
    {Action::name_it_manager, false, false, true},
    {Action::drill_recovery, false, false, true},
    {Action::add_recorder, true, true, false},
    {Action::remove_recorder, true, true, false},
    {Action::grant, true, false, false},
    {Action::revoke_grant, true, false, false},
    {Action::add_standing, true, true, false},
    {Action::revoke_standing, true, true, false},
};

TEST(Role, MayWhatTheTableSaysAndNothingElse) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(name_of(row.action));
    for (const auto& [role, allowed] : {std::pair{Role::it_manager, row.it_manager},
                                        {Role::tech_manager, row.tech_manager},
                                        {Role::recovery, row.recovery}}) {
      if (allowed) {
        EXPECT_OK(may(role, row.action));
      } else {
        EXPECT_FAULT(Fault::denied, may(role, row.action));
      }
    }
  }
}

TEST(Role, EveryActionStandsInTheTableOfTheTest) {
  std::set<Action> tested;
  for (const Row& row : kRows) tested.insert(row.action);
  for (const Action action : all_actions()) EXPECT_TRUE(tested.contains(action)) << name_of(action);
}

TEST(Role, TheDocumentedTableIsTheOneInForce) {
  std::string wanted = "| action | it-manager | tech-manager | recovery |\n|---|---|---|---|\n";
  for (const Action action : all_actions()) {
    wanted += "| " + std::string(name_of(action)) + " |";
    for (const Role role : {Role::it_manager, Role::tech_manager, Role::recovery})
      wanted += may(role, action) ? " yes |" : " - |";
    wanted += "\n";
  }
  const auto page = must(base::read_file(CALLVAULT_SOURCE_DIR "/docs/roles.md", 1 << 20));
  EXPECT_NE(base::to_text(page).find(wanted), std::string::npos) << "docs/roles.md needs this table:\n" << wanted;
}

TEST(Role, ARefusalNamesRoleAndAction) {
  const auto r = may(Role::recovery, Action::deliver);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().what, "recovery may not deliver");
}

}  // namespace
}  // namespace vault
