#include "cli/role_report.h"

#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "vault/rewrap.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using Json = nlohmann::ordered_json;

namespace {

Json taken_over(const vault::RoleChange& change) {
  Json all = Json::array();
  for (const auto& one : change.taken_over)
    all.push_back(Json{{"kind", one.kind}, {"id", one.id}, {"account", one.account}});
  return all;
}

// Whoever leaves has seen these passwords, or chosen these keys; nothing ends them by itself, since customers use them.
std::string still_good(const vault::RoleChange& change) {
  std::string text;
  for (const auto& one : change.taken_over) {
    const std::string command = one.kind == "delivery"   ? "delivery reissue"
                                : one.kind == "recorder" ? "recorder remove"
                                                         : one.kind + " revoke";
    text += "    callvault " + command + " " + one.id + (one.account.empty() ? "" : "    (" + one.account + ")") + "\n";
  }
  return text.empty() ? text : "  still let in whoever knows their passwords or keys; to end them:\n" + text;
}

}  // namespace

Result<void> finish_role_change(const Context& context, vault::Vault& vault, const keys::Identity& opener,
                                const vault::RoleChange& change, const std::string& what) {
  const auto headers = [&] {
    Progress progress("recordings", 0);
    return vault::rewrap(vault, opener, [&](const vault::RewrapProgress& p) { progress.at(p.done, p.all); });
  }();
  if (!headers) return headers.error().at("the roles are changed, the headers not all; repeat the command");
  if (!change.anything && headers->added == 0 && headers->moved == 0)
    return Error{Fault::not_found, "nothing to do: " + what};
  if (change.pins_changed) say_warning("trust.toml has changed: renew the copies of it that are kept elsewhere");
  if (change.left != 0)
    say_warning(std::to_string(change.left) +
                " statements or names could not be taken over; \"callvault check\" says more");
  if (context.json)
    return print(Json{{"roster_version", vault.roster().version()},
                      {"signed_anew", change.signed_anew},
                      {"headers_added", headers->added},
                      {"recordings_moved", headers->moved},
                      {"trust_changed", change.pins_changed},
                      {"taken_over", taken_over(change)}}
                     .dump(2) +
                 "\n");
  std::string text = what + " (recipients.note, version " + std::to_string(vault.roster().version()) + ")\n";
  if (change.signed_anew != 0) text += "  statements signed anew  " + std::to_string(change.signed_anew) + "\n";
  if (headers->added != 0) text += "  headers added           " + std::to_string(headers->added) + "\n";
  if (headers->moved != 0) text += "  recordings moved        " + std::to_string(headers->moved) + "\n";
  return print(text + still_good(change));
}

}  // namespace cli
