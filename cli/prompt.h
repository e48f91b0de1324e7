// Prompt: how a passphrase comes in: asked for on the terminal without an echo, or read from a file.
#pragma once

#include <string_view>

#include "base/path.h"
#include "base/secret.h"

namespace cli {

// On /dev/tty, not stdin, so that pipes stay free. A signal ends or stops the program as ever, with the terminal's echo
// turned on again first. Fault::denied without a terminal.
base::Result<base::SecretBytes> ask_passphrase(std::string_view question);

// Twice, until both are the same.
base::Result<base::SecretBytes> ask_new_passphrase(std::string_view question);

// The first line, without its end. Warns on stderr when others can read the file.
base::Result<base::SecretBytes> read_passphrase_file(const base::Path& file);

bool terminal_there();

}  // namespace cli
