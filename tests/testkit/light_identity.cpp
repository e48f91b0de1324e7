// Puts an identity file under its passphrase anew, with a scrypt that takes no time: tests that run a hundred commands
// need not wait a second in each. IDENTITY PASSPHRASE-FILE. Never installed.
#include "tests/testkit/expect.h"
#include "vault/identity_file.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto passphrase = [&] {
    auto text = testkit::must(base::read_file(argv[2], 1024));
    text.pop_back();  // the newline
    return base::SecretBytes::take(std::span(text));
  };
  const auto identity = testkit::must(keys::read_identity(argv[1], passphrase));
  testkit::must(vault::write_passphrase(argv[1], identity, testkit::must(passphrase()), base::system_files(), 10));
  return 0;
}
