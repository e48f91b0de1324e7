// The stock `age` tool against our files, and our code against its files. Skipped loudly when age is missing.
#include <cstdlib>

#include "keys/age_file.h"
#include "keys/age_stream.h"
#include "tests/testkit/age_vector.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_folder.h"

namespace {

using base::Bytes;
using base::ByteView;
using base::Fault;
using testkit::must;
using testkit::pattern;
using testkit::secret;

constexpr std::size_t kSizes[] = {0, 1, 65535, 65536, 65537, 10'000'000};

int run(const std::string& command) {
  return std::system(command.c_str());
}  // NOLINT(cert-env33-c): fixed words and temporary paths

// Runs a command on a terminal of its own and types lines at its prompts: age asks for passphrases nowhere else.
constexpr std::string_view kTypist = R"(import os, pty, sys
answers = sys.argv[1].split(",")
pid, terminal = pty.fork()
if pid == 0: os.execvp(sys.argv[2], sys.argv[2:])
seen = b""
while True:
    try: part = os.read(terminal, 1024)
    except OSError: break
    if not part: break
    seen += part
    if answers and seen.rstrip().endswith(b":"):
        os.write(terminal, answers.pop(0).encode() + b"\n")
        seen = b""
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
)";

class AgeTool : public ::testing::Test {
 protected:
  void SetUp() override {
    if (run("command -v age >/dev/null") != 0) GTEST_SKIP() << "SKIPPED: age not installed";
    testkit::put_file(path("typist.py"), base::as_bytes(kTypist));
    testkit::put_file(path("key.txt"), must(me_.text("test")).reveal());
  }

  base::Path path(const char* name) const { return folder_ / name; }
  std::string at(const char* name) const { return "'" + path(name).string() + "'"; }
  void put(const char* name, ByteView bytes) { testkit::put_file(path(name), bytes); }
  Bytes get(const char* name) const { return must(base::read_file(path(name), std::size_t{64} << 20)); }
  bool age(const std::string& args) { return run("age " + args + " 2>" + at("errors")) == 0; }
  bool age_typing(const std::string& answers, const std::string& args) {
    if (run("command -v python3 >/dev/null") != 0) return false;
    return run("python3 " + at("typist.py") + " " + answers + " age " + args + " >" + at("terminal") + " </dev/null") ==
           0;
  }
  base::Result<Bytes> ours(const char* name, const keys::OpenWith& with) {
    Bytes out;
    const auto r =
        keys::open_age_file(must(base::open_to_read(path(name))), with, [&](ByteView part) -> base::Result<void> {
          base::put_raw(out, part);
          return {};
        });
    if (!r) return r.error();
    return out;
  }

  testkit::TempFolder folder_;
  keys::Identity me_ = must(keys::Identity::generate());
};

TEST_F(AgeTool, OpensOurHeaderAndObject) {  // A01
  const auto file_key = must(base::SecretBytes::random(16));
  const auto header = must(keys::header_for(me_.recipient(), file_key));
  for (const std::size_t size : kSizes) {
    const Bytes object = must(keys::seal_payload(file_key, pattern(size)));
    put("file.age", base::concat({header, object}));
    ASSERT_TRUE(age("-d -i " + at("key.txt") + " " + at("file.age") + " >" + at("out"))) << size;
    EXPECT_EQ(get("out"), pattern(size)) << size;
  }
}

TEST_F(AgeTool, OpensWhatWeSealToSeveral) {
  const auto other = must(keys::Identity::generate());
  put("file.age", must(keys::seal_to({other.recipient(), me_.recipient()}, pattern(100))));
  ASSERT_TRUE(age("-d -i " + at("key.txt") + " -o " + at("out") + " " + at("file.age")));
  EXPECT_EQ(get("out"), pattern(100));
}

TEST_F(AgeTool, RefusesOurFileForAnotherKey) {
  put("file.age", must(keys::seal_to({must(keys::Identity::generate()).recipient()}, pattern(100))));
  EXPECT_FALSE(age("-d -i " + at("key.txt") + " -o " + at("out") + " " + at("file.age")));
}

TEST_F(AgeTool, WeOpenWhatItSealsToARecipient) {
  for (const std::size_t size : kSizes)
    for (const std::string mode : {"", "-a "}) {
      put("plain", pattern(size));
      ASSERT_TRUE(age(mode + "-r " + me_.recipient().text() + " -o " + at("file.age") + " " + at("plain")));
      EXPECT_EQ(must(ours("file.age", {&me_, {}})), pattern(size)) << size << mode;
    }
}

TEST_F(AgeTool, OurReaderOpensItsBinaryFiles) {
  for (const std::size_t size : kSizes) {
    put("plain", pattern(size));
    ASSERT_TRUE(age("-r " + me_.recipient().text() + " -o " + at("file.age") + " " + at("plain")));
    const Bytes file = get("file.age");
    const auto parsed = must(keys::parse_age_header(file));
    EXPECT_EQ(parsed.size, keys::kOneX25519Header);
    auto reader = must(keys::StreamReader::open(must(me_.unwrap(file, parsed)),
                                                must(base::open_to_read(path("file.age"))), parsed.size));
    Bytes out(reader.size());
    EXPECT_EQ(must(reader.read(0, out)), size);
    EXPECT_EQ(out, pattern(size));
  }
}

TEST_F(AgeTool, WeOpenWhatItSealsWithAPassphrase) {
  const auto ask = [](const char* text) {
    return [text]() -> base::Result<base::SecretBytes> { return secret(text); };
  };
  for (const std::string mode : {"", "-a "}) {
    put("plain", pattern(65537));
    ASSERT_TRUE(age_typing("open-sesame,open-sesame", mode + "-p -o " + at("file.age") + " " + at("plain")));
    EXPECT_EQ(must(ours("file.age", {nullptr, ask("open-sesame")})), pattern(65537));
    EXPECT_FAULT(Fault::denied, ours("file.age", {nullptr, ask("open-says-me")}));
  }
}

TEST_F(AgeTool, ReadsOurIdentityFile) {
  put("identity.age", must(keys::encrypt_identity(me_, "IT Manager", secret("open-sesame"))));
  put("file.age", must(keys::seal_to({me_.recipient()}, pattern(100))));
  ASSERT_TRUE(age_typing("open-sesame", "-d -o " + at("identity.txt") + " " + at("identity.age")));
  EXPECT_EQ(get("identity.txt"), testkit::bytes_of(must(me_.text("IT Manager"))));
  ASSERT_TRUE(age_typing("open-sesame", "-d -i " + at("identity.age") + " -o " + at("out") + " " + at("file.age")));
  EXPECT_EQ(get("out"), pattern(100));
  ASSERT_TRUE(age("-d -i " + at("identity.txt") + " -o " + at("out2") + " " + at("file.age")));
}

TEST_F(AgeTool, WeReadAnIdentityFileThatItEncrypted) {
  ASSERT_EQ(run("age-keygen -o " + at("new.txt") + " 2>" + at("errors")), 0);
  const auto plain = must(keys::read_identity(path("new.txt"), {}));
  for (const std::string mode : {"", "-a "}) {
    ASSERT_TRUE(age_typing("pass,pass", mode + "-p -o " + at("new.age") + " " + at("new.txt")));
    const auto identity =
        must(keys::read_identity(path("new.age"), []() -> base::Result<base::SecretBytes> { return secret("pass"); }));
    EXPECT_TRUE(identity.recipient() == plain.recipient());
    EXPECT_EQ(identity.signing_seed(), nullptr);
  }
}

// Stock age as a second opinion on our vectors: it opens what opens and refuses what is refused.
TEST_F(AgeTool, AgreesWithTheVectors) {
  int checked = 0;
  for (const std::string& name : must(base::list_folder(testkit::age_vector_folder()))) {
    const auto v = testkit::read_age_vector(name);
    if (v.identity.empty()) continue;  // age takes passphrases on a terminal only
    if (v.comment.find("age 1.1.1 opens it") != std::string::npos) continue;  // where we are stricter
    put("key", base::as_bytes(v.identity + "\n"));
    put("file.age", v.file);
    EXPECT_EQ(age("-d -i " + at("key") + " " + at("file.age") + " >" + at("out")), v.expect == "opens") << name;
    ++checked;
  }
  EXPECT_GT(checked, 70);
}

}  // namespace
