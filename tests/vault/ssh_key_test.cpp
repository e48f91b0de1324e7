#include "vault/ssh_key.h"

#include "tests/testkit/expect.h"

namespace vault {
namespace {

using base::Bytes;
using base::Fault;
using testkit::must;

Bytes number(std::size_t bits) {  // an mpint with its highest and its lowest bit set
  Bytes out((bits + 7) / 8, std::byte{0});
  out.front() |= std::byte{1} << ((bits - 1) % 8);
  out.back() |= std::byte{1};
  if ((out.front() & std::byte{0x80}) != std::byte{0}) out.insert(out.begin(), std::byte{0});
  return out;
}

Bytes rsa(std::size_t bits, const Bytes& exponent = number(17)) {
  Bytes blob;
  base::put_string(blob, "ssh-rsa");
  base::put_string(blob, exponent);
  base::put_string(blob, number(bits));
  return blob;
}

Bytes ed25519(std::size_t size = 32) {
  Bytes blob;
  base::put_string(blob, "ssh-ed25519");
  base::put_string(blob, Bytes(size, std::byte{7}));
  return blob;
}

Bytes ecdsa(std::string_view curve, std::size_t point, std::byte form = std::byte{4}) {
  Bytes blob;
  base::put_string(blob, "ecdsa-sha2-" + std::string(curve));
  base::put_string(blob, curve);
  Bytes bytes(point, std::byte{9});
  bytes.front() = form;
  base::put_string(blob, bytes);
  return blob;
}

std::string line(std::string_view type, const Bytes& blob) { return std::string(type) + " " + base::base64(blob); }

TEST(SshKey, TakesTheKindsThatLibsshVerifies) {
  for (const auto& text :
       {line("ssh-ed25519", ed25519()), line("ssh-rsa", rsa(3072)), line("ssh-rsa", rsa(4096)),
        line("ssh-rsa", rsa(16384)), line("ecdsa-sha2-nistp256", ecdsa("nistp256", 65)),
        line("ecdsa-sha2-nistp384", ecdsa("nistp384", 97)), line("ecdsa-sha2-nistp521", ecdsa("nistp521", 133))}) {
    const auto key = must(SshKey::parse_file("# the key\n\n" + text + " pbx@example\r\n"));
    EXPECT_EQ(key.text(), text);
    EXPECT_EQ(must(SshKey::parse(text)).blob(), key.blob());
    EXPECT_EQ(must(SshKey::from_blob(key.blob())).text(), text);
    EXPECT_LE(key.blob().size(), kMaxSshKeyBlob);
  }
}

TEST(SshKey, FingerprintIsTheOneOfSshKeygen) {
  const auto key = must(SshKey::parse(
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"));  // any public key will do
  EXPECT_EQ(key.fingerprint(), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
}

TEST(SshKey, RefusesWhatIsNoSuchKeyWithAReason) {
  const std::string good = line("ssh-ed25519", ed25519());
  Bytes trailing = ed25519();
  trailing.push_back(std::byte{0});
  const std::pair<std::string, std::string_view> cases[] = {
      {"", "no public key"},
      {"hello\n", "no public key"},
      {"ssh-ed25519\n", "no public key"},
      {good + "\n" + good + "\n", "more than one"},
      {"command=\"x\" " + good, "options"},
      {"no-pty,from=\"10.0.0.1\" " + good, "options"},
      {"-----BEGIN OPENSSH PRIVATE KEY-----\n", "private key"},
      {"ssh-ed25519 AAAA*", "base64"},
      {line("ssh-rsa", ed25519()), "another kind"},
      {line("ssh-ed25519", ed25519(31)), "no key of its kind"},
      {line("ssh-ed25519", ed25519(33)), "no key of its kind"},
      {line("ssh-ed25519", trailing), "no key of its kind"},
      {line("ssh-rsa", rsa(2048)), "3072"},
      {line("ssh-rsa", rsa(3071)), "3072"},
      {line("ssh-rsa", rsa(16392)), "no key of its kind"},
      {line("ssh-rsa", rsa(20000)), "too long"},
      {line("ssh-rsa", rsa(3072, {})), "no key of its kind"},
      {line("ssh-rsa", rsa(3072, {std::byte{1}})), "no key of its kind"},
      {line("ssh-rsa", rsa(3072, {std::byte{0}, std::byte{3}})), "no key of its kind"},
      {line("ssh-rsa", rsa(3072, {std::byte{0x83}})), "no key of its kind"},
      {line("ecdsa-sha2-nistp256", ecdsa("nistp384", 97)), "another kind"},
      {line("ecdsa-sha2-nistp256", ecdsa("nistp256", 64)), "no key of its kind"},
      {line("ecdsa-sha2-nistp256", ecdsa("nistp256", 65, std::byte{2})), "no key of its kind"},
      {"ssh-dss AAAAB3NzaC1kc3M=", "kind that is not taken"},
  };
  for (const auto& [text, reason] : cases) {
    const auto key = SshKey::parse_file(text);
    ASSERT_FALSE(key) << text;
    EXPECT_EQ(key.error().fault, Fault::usage) << text;
    EXPECT_NE(key.error().what.find(reason), std::string::npos) << text << ": " << key.error().what;
  }
}

TEST(SshKey, OneOfTheCatalogueIsExact) {
  const std::string good = line("ssh-ed25519", ed25519());
  EXPECT_OK(SshKey::parse(good));
  for (const std::string& text : {good + " comment", good + "\n", " " + good, std::string("ssh-ed25519"),
                                  line("ssh-rsa", ed25519()), std::string()})
    EXPECT_FAULT(Fault::damaged, SshKey::parse(text));
  EXPECT_FAULT(Fault::damaged, SshKey::from_blob({}));
  EXPECT_FAULT(Fault::damaged, SshKey::from_blob(base::as_bytes("ssh-ed25519")));
}

}  // namespace
}  // namespace vault
