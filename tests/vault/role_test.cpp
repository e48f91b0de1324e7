#include "vault/role.h"

#include "tests/testkit/expect.h"

namespace vault {
namespace {

using base::Fault;
using keys::Role;

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

TEST(Role, ARefusalNamesRoleAndAction) {
  const auto r = may(Role::recovery, Action::deliver);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().what, "recovery may not deliver");
}

}  // namespace
}  // namespace vault
