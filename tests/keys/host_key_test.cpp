#include "keys/host_key.h"

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

#include "tests/testkit/expect.h"
#include "tests/testkit/temp_folder.h"

namespace keys {
namespace {

using base::Fault;
using testkit::must;
using testkit::TempFolder;

// What a command prints on stdout, or nothing when it fails.
std::string output_of(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  std::string out;
  for (int c; (c = std::fgetc(pipe)) != EOF;) out += static_cast<char>(c);
  return ::pclose(pipe) == 0 ? out : std::string();
}

bool has_ssh_keygen() { return !output_of("command -v ssh-keygen").empty(); }

TEST(HostKey, IsAnOpensshFileForItsOwnerOnly) {
  const TempFolder folder;
  const base::Path file = folder / "host_key";
  ASSERT_OK(make_host_key(file));
  struct stat s {};
  ASSERT_EQ(::stat(file.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777, 0600u);
  EXPECT_TRUE(base::to_text(must(base::read_file(file, 4096))).starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
}

TEST(HostKey, IsNeverReplaced) {
  const TempFolder folder;
  const base::Path file = folder / "host_key";
  must(make_host_key(file));
  const auto before = must(base::read_file(file, 4096));
  EXPECT_FALSE(make_host_key(file));
  EXPECT_EQ(must(base::read_file(file, 4096)), before);
}

TEST(HostKey, IsAnotherOneEachTime) {
  const TempFolder folder;
  must(make_host_key(folder / "a"));
  must(make_host_key(folder / "b"));
  EXPECT_NE(must(host_key_fingerprint(folder / "a")), must(host_key_fingerprint(folder / "b")));
}

TEST(HostKey, FingerprintAndPublicLineHaveTheUsualForms) {
  const TempFolder folder;
  must(make_host_key(folder / "key"));
  const std::string print = must(host_key_fingerprint(folder / "key"));
  ASSERT_TRUE(print.starts_with("SHA256:"));
  EXPECT_EQ(must(base::unbase64(print.substr(7), base::Padding::none)).size(), 32u);
  const std::string line = must(host_key_public_line(folder / "key"));
  ASSERT_TRUE(line.starts_with("ssh-ed25519 AAAA"));
  EXPECT_EQ(must(base::unbase64(line.substr(12))).size(), 51u);
}

TEST(HostKey, SshKeygenPrintsTheSame) {
  if (!has_ssh_keygen()) GTEST_SKIP() << "SKIPPED: ssh-keygen not installed";
  const TempFolder folder;
  const base::Path file = folder / "key";
  must(make_host_key(file));
  const std::string listed = output_of("ssh-keygen -lf " + file.string());
  EXPECT_NE(listed.find("256 " + must(host_key_fingerprint(file)) + " "), std::string::npos) << listed;
  EXPECT_NE(listed.find("(ED25519)"), std::string::npos) << listed;
  EXPECT_TRUE(output_of("ssh-keygen -yf " + file.string()).starts_with(must(host_key_public_line(file))));
}

TEST(HostKeyDamage, MissingFile) {
  const TempFolder folder;
  EXPECT_FAULT(Fault::not_found, host_key_fingerprint(folder / "none"));
  EXPECT_FAULT(Fault::not_found, host_key_public_line(folder / "none"));
}

TEST(HostKeyDamage, EmptyCutLongOrForeignFile) {
  const TempFolder folder;
  must(make_host_key(folder / "key"));
  const base::Bytes whole = must(base::read_file(folder / "key", 4096));
  const base::Bytes half(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(whole.size() / 2));
  const base::Path file = folder / "bad";
  for (const base::Bytes& bytes :
       {base::Bytes(), half, base::to_bytes("not a key\n"), base::Bytes(100000, std::byte{'A'})}) {
    must(base::system_files().replace_whole(file, bytes));
    EXPECT_FAULT(Fault::damaged, host_key_fingerprint(file)) << bytes.size() << " bytes";
  }
}

TEST(HostKeyDamage, KeyOfAnotherType) {
  if (!has_ssh_keygen()) GTEST_SKIP() << "SKIPPED: ssh-keygen not installed";
  const TempFolder folder;
  const base::Path file = folder / "rsa";
  ASSERT_FALSE(output_of("ssh-keygen -t rsa -b 2048 -N '' -f " + file.string()).empty());
  EXPECT_FAULT(Fault::damaged, host_key_fingerprint(file));
}

TEST(HostKeyDamage, KeyUnderAPassphrase) {
  if (!has_ssh_keygen()) GTEST_SKIP() << "SKIPPED: ssh-keygen not installed";
  const TempFolder folder;
  const base::Path file = folder / "locked";
  ASSERT_FALSE(output_of("ssh-keygen -t ed25519 -N 'long enough' -f " + file.string()).empty());
  EXPECT_FAULT(Fault::damaged, host_key_public_line(file));
}

}  // namespace
}  // namespace keys
