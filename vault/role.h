// Role: may(role, action), the one table that says who may change what. Reading is not decided here but by which keys
// exist.
#pragma once

#include <vector>

#include "base/result.h"
#include "keys/roster.h"

namespace vault {

enum class Action {
  add_customer,
  change_customer,
  deliver,
  revoke_delivery,
  reissue_delivery,
  read_recording,
  read_audit_details,
  restrict_recording,
  release_recording,
  read_restricted,
  add_role,
  remove_role,
  rotate_keys,
  name_it_manager,
  drill_recovery,
  add_recorder,
  remove_recorder,
  grant,
  revoke_grant,
  add_standing,
  revoke_standing
};
std::string_view name_of(Action action);
std::vector<Action> all_actions();

// Fault::denied, naming role and action.
base::Result<void> may(keys::Role role, Action action);

}  // namespace vault
