// Replays a corpus folder through a fuzz target: FOLDER MINIMUM. Fails when fewer files are there than MINIMUM.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/files.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const base::Path folder(argv[1]);
  const auto names = base::list_folder(folder);
  if (!names) return std::fprintf(stderr, "no corpus: %s\n", names.error().what.c_str()), 1;
  for (const auto& name : *names) {
    const auto bytes = base::read_file(folder / name, std::size_t{64} * 1024 * 1024);
    if (!bytes) return std::fprintf(stderr, "%s\n", bytes.error().what.c_str()), 1;
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes->data()), bytes->size());
  }
  std::printf("%zu corpus files replayed\n", names->size());
  if (names->size() < std::strtoul(argv[2], nullptr, 10))
    return std::fprintf(stderr, "the corpus has fewer files than listed (%s)\n", argv[2]), 1;
  return 0;
}
