// AgeVector: one file of tests/vectors/age, as make_vectors.cpp writes it.
#pragma once

#include <fstream>
#include <string>

#include "base/files.h"
#include "tests/testkit/expect.h"

namespace testkit {

struct AgeVector {
  std::string name;
  std::string expect;    // "opens", or "FAULT at STAGE"
  std::string released;  // "N bytes, sha256 HEX"
  std::string comment;
  std::string identity;  // this or the passphrase
  std::string passphrase;
  base::Bytes file;
};

inline base::Path age_vector_folder() { return base::Path(CALLVAULT_SOURCE_DIR) / "tests/vectors/age"; }

inline AgeVector read_age_vector(const std::string& name) {
  AgeVector out{name, {}, {}, {}, {}, {}, {}};
  std::ifstream in((age_vector_folder() / name).string());
  const auto after = [](const std::string& line, std::string_view key, std::string& value) {
    if (!line.starts_with(key)) return false;
    value = line.substr(key.size());
    return true;
  };
  bool in_file = false;
  for (std::string line, value; std::getline(in, line);) {
    if (!in_file) {
      in_file = line == "file:";
      const bool known = in_file || after(line, "expect: ", out.expect) || after(line, "released: ", out.released) ||
                         after(line, "comment: ", out.comment) || after(line, "identity: ", out.identity) ||
                         after(line, "passphrase: ", out.passphrase);
      EXPECT_TRUE(known) << name << ": " << line;
    } else if (after(line, "> ", value)) {
      base::put_raw(out.file, base::as_bytes(value + "\n"));
    } else if (after(line, "hex ", value)) {
      base::put_raw(out.file, must(base::unhex(value)));
    } else if (after(line, "zeros ", value)) {
      out.file.resize(out.file.size() + std::stoul(value));
    } else {
      ADD_FAILURE() << name << ": " << line;
    }
  }
  EXPECT_TRUE(in_file) << name;
  return out;
}

}  // namespace testkit
