// Program: runs one program to its end, without a shell, stdin or terminal.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace testkit {

struct Ran {
  int code = -1;  // exit code; 128 + signal when a signal ended it
  std::string out, err;
};

// `arguments` begin with the program (looked up in PATH). The environment is PATH and `environment` only. A program
// that cannot be started has the code 127.
Ran run(const std::vector<std::string>& arguments,
        const std::vector<std::pair<std::string, std::string>>& environment = {});

}  // namespace testkit
