// The one name for Boost's path: all paths and directory walks of the project use it.
#pragma once

#include <boost/filesystem/path.hpp>

namespace base {

using Path = boost::filesystem::path;

}  // namespace base
