// Commands: each function adds one command with its options to the command line. When the command line names it,
// `context.run` becomes what to do; `context` outlives the command line.
#pragma once

#include "cli/context.h"

namespace CLI {
class App;
}

namespace cli {

void add_init(CLI::App& app, Context& context);
void add_customer(CLI::App& app, Context& context);
void add_ingest(CLI::App& app, Context& context);
void add_watch(CLI::App& app, Context& context);
void add_list(CLI::App& app, Context& context);
void add_show(CLI::App& app, Context& context);
void add_get(CLI::App& app, Context& context);
void add_verify(CLI::App& app, Context& context);
void add_deliver(CLI::App& app, Context& context);
void add_delivery(CLI::App& app, Context& context);
void add_grant(CLI::App& app, Context& context);
void add_open(CLI::App& app, Context& context);
void add_audit(CLI::App& app, Context& context);
void add_check(CLI::App& app, Context& context);
void add_hostkey(CLI::App& app, Context& context);
void add_restrict(CLI::App& app, Context& context);
void add_release(CLI::App& app, Context& context);
void add_recorder(CLI::App& app, Context& context);

void add_role(CLI::App& app, Context& context);
void add_key(CLI::App& app, Context& context);
void add_standing(CLI::App& app, Context& context);

}  // namespace cli
