// Log: one door to the log, on stderr, a line per event. It takes fixed text, ids and numbers only:
// never a name, a number, an address, a password or foreign text (SecretBytes has no way in).
#pragma once

#include <string_view>

namespace base {

void log_info(std::string_view what);
void log_warning(std::string_view what);
void log_error(std::string_view what);

}  // namespace base
