// Prints the file key of a recording in hex, so that the end-to-end test can look for it where it must not be.
// VAULT IDENTITY PASSPHRASE-FILE ID. Never installed.
#include <cstdio>

#include "tests/testkit/expect.h"
#include "vault/open_recording.h"

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const base::SystemClock clock;
  auto vault = testkit::must(vault::Vault::open(argv[1], clock));
  const auto identity = testkit::must(keys::read_identity(argv[2], [&] {
    auto text = testkit::must(base::read_file(argv[3], 1024));
    text.pop_back();  // the newline
    return base::SecretBytes::take(std::span(text));
  }));
  const auto recording = testkit::must(vault::open_recording(vault, argv[4], identity));
  std::printf("%s\n", base::hex(recording.file_key.reveal()).c_str());
  return 0;
}
