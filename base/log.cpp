#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace base {
namespace {

spdlog::logger& logger() {
  static const auto the_logger = [] {
    auto made = spdlog::stderr_logger_mt("callvault");
    made->set_pattern("%Y-%m-%dT%H:%M:%S%z %P %l: %v");
    return made;
  }();
  return *the_logger;
}

}  // namespace

void log_info(std::string_view what) { logger().info("{}", what); }
void log_warning(std::string_view what) { logger().warn("{}", what); }
void log_error(std::string_view what) { logger().error("{}", what); }

}  // namespace base
