// Paths of clients: they name the folder, one of its files, or nothing; a canonical path is its own and never climbs.
#include <cstdint>
#include <cstdlib>

#include "sftp/folder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const sftp::Folder folder = *sftp::Folder::create({{"a.wav", 1, 1}, {"b (2).wav", 2, 2}});
  const std::string path(reinterpret_cast<const char*>(data), size);

  const auto place = folder.find(path);
  if (place && !place->is_folder && !path.ends_with(folder.files().at(place->file).name)) std::abort();

  const std::string real = sftp::Folder::real_path(path);
  if (real.empty() || real.front() != '/' || real.size() > path.size() + 1) std::abort();
  if (sftp::Folder::real_path(real) != real) std::abort();
  if ((real + "/").find("/../") != std::string::npos || real.find("//") != std::string::npos) std::abort();
  if (place) {  // what is found is found under its canonical path too
    const auto again = folder.find(real);
    if (!again || again->is_folder != place->is_folder || again->file != place->file) std::abort();
  }
  return 0;
}
