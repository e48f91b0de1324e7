#include "vault/role.h"

#include <array>
#include <string>

namespace vault {
namespace {

struct Row {
  Action action;
  std::string_view name;
  bool it_manager, tech_manager, recovery;
};

// The recovery identity opens recordings and names a new IT Manager; it changes nothing else.
constexpr std::array<Row, 21> kTable{{
    {Action::add_customer, "add a customer", true, true, false},
    {Action::change_customer, "change a customer", true, true, false},
    {Action::deliver, "deliver", true, true, false},
    {Action::revoke_delivery, "revoke a delivery", true, true, false},
    {Action::reissue_delivery, "reissue a delivery", true, true, false},
    {Action::read_recording, "read a recording", true, true, true},
    {Action::read_audit_details, "read audit details", true, false, false},
    {Action::restrict_recording, "restrict a recording", true, false, false},
    {Action::release_recording, "release a restricted recording", true, false, false},
    {Action::read_restricted, "read a restricted recording", true, false, true},
    {Action::add_role, "give a role to somebody", true, false, false},
    {Action::remove_role, "take a role from somebody", true, false, false},
    {Action::rotate_keys, "rotate keys", true, false, false},
    {Action::name_it_manager, "name a new IT Manager", false, false, true},
    {Action::drill_recovery, "drill the recovery", false, false, true},
    {Action::add_recorder, "add a recorder", true, true, false},
    {Action::remove_recorder, "remove a recorder", true, true, false},
    {Action::grant, "grant", true, false, false},
    {Action::revoke_grant, "revoke a grant", true, false, false},
    {Action::add_standing, "add a standing log-in", true, true, false},
    {Action::revoke_standing, "revoke a standing log-in", true, true, false},
}};

const Row& row(Action action) {
  for (const Row& r : kTable) {
    if (r.action == action) return r;
  }
  std::abort();  // an action without a row is our own mistake
}

}  // namespace

std::string_view name_of(Action action) { return row(action).name; }

std::vector<Action> all_actions() {
  std::vector<Action> all;
  for (const Row& r : kTable) all.push_back(r.action);
  return all;
}

base::Result<void> may(keys::Role role, Action action) {
  const Row& r = row(action);
  const bool allowed = role == keys::Role::it_manager     ? r.it_manager
                       : role == keys::Role::tech_manager ? r.tech_manager
                                                          : r.recovery;
  if (allowed) return {};
  return base::Error{base::Fault::denied, std::string(keys::name_of(role)) + " may not " + std::string(r.name)};
}

}  // namespace vault
