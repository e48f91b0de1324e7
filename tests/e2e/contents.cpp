// Prints "ID SHA256" of the audio of every sealed recording, decrypted here, so that tests can count contents.
// VAULT IDENTITY PASSPHRASE-FILE. Never installed.
#include <array>
#include <cstdio>

#include "keys/kdf.h"
#include "tests/testkit/expect.h"
#include "vault/open_recording.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const base::SystemClock clock;
  auto vault = testkit::must(vault::Vault::open(argv[1], clock));
  const auto identity = testkit::must(keys::read_identity(argv[2], [&] {
    auto text = testkit::must(base::read_file(argv[3], 1024));
    text.pop_back();  // the newline
    return base::SecretBytes::take(std::span(text));
  }));
  vault::RecordingFilter sealed;
  sealed.state = "sealed";
  for (const auto& row : testkit::must(vault.catalog().recordings(sealed))) {
    const auto recording = testkit::must(vault::open_recording(vault, row.columns.recording, identity));
    auto audio = testkit::must(vault::open_audio(vault, recording));
    keys::Sha256Stream hash;
    base::Bytes piece(1 << 20);
    for (std::uint64_t at = 0; at < audio.size();) {
      const auto n = testkit::must(audio.read(at, piece));
      hash.update(std::span(piece).first(n));
      at += n;
    }
    std::printf("%s %s\n", row.columns.recording.c_str(), base::hex(hash.finish()).c_str());
  }
  return 0;
}
