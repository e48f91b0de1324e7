"""What the tool ssh-audit says: the algorithms are those of sftp/ssh_policy.cpp, and all its complaints are known."""
import json
import re
import shutil
import subprocess
import unittest

from attacked import Attacked

ALGORITHMS = {
    "kex": ["curve25519-sha256", "curve25519-sha256@libssh.org", "kex-strict-s-v00@openssh.com"],
    "key": ["ssh-ed25519"],
    "enc": ["chacha20-poly1305@openssh.com", "aes256-ctr", "aes128-ctr"],
    "mac": ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"],
    "compression": ["none"]}
# (algorithm, warning) -> why it stays. The first two are what makes the check able to fail: they must be seen.
PLAIN_MAC = "using encrypt-and-MAC mode"
KNOWN = {
    ("hmac-sha2-256", PLAIN_MAC): "curl 7.88 with libssh2 1.10 knows no other; PuTTY 0.78 prefers it",
    ("hmac-sha2-512", PLAIN_MAC): "the same",
    ("kex-strict-s-v00@openssh.com", "unknown algorithm"): "the tool is older than strict key exchange",
    ("curve25519-sha256", "does not provide protection against post-quantum attacks"): "libssh 0.10 has no other",
    ("curve25519-sha256@libssh.org", "does not provide protection against post-quantum attacks"): "the same"}


def complaints(output):
    """[(level, algorithm, text)] of its lines `(kex) name -- [warn] text` and the continued `- [warn] text`."""
    found, name = [], None
    for line in output.splitlines():
        begins = re.match(r"\((?:kex|key|enc|mac)\) (\S+)", line)
        name = begins[1] if begins else name
        said = re.search(r"- \[(warn|fail)\] (.*?)\s*$", line)
        if said:
            found.append((said[1], name, said[2]))
    return found


class Audit(Attacked):
    def run_tool(self, *options):
        tool = shutil.which("ssh-audit")
        if tool is None:
            self.skipTest("ssh-audit is not installed")
        done = subprocess.run([tool, *options, "-p", str(self.daemon.port), "127.0.0.1"], capture_output=True,
                              text=True, timeout=120)
        self.assertIn(done.returncode, (0, 2, 3), done.stdout + done.stderr)  # nothing, warnings, failures
        return done.stdout

    def test_the_algorithms_are_ours_and_all_complaints_are_known(self):
        self.serve()
        told = json.loads(self.run_tool("-j"))
        told["kex"], told["key"] = ([one["algorithm"] for one in told[which]] for which in ("kex", "key"))
        self.assertEqual({which: told[which] for which in ALGORITHMS}, ALGORITHMS)
        self.assertEqual(told["banner"]["raw"], "SSH-2.0-callvault")
        output = self.run_tool("-n")
        said = complaints(output)
        self.assertEqual([one for one in said if one[0] == "fail"], [], output)
        self.assertEqual([one for one in said if one[1:] not in KNOWN], [], output)
        for name in ("hmac-sha2-256", "hmac-sha2-512"):
            self.assertIn(("warn", name, PLAIN_MAC), said, "nothing was understood of:\n" + output)
        self.check_others_are_served()


if __name__ == "__main__":
    unittest.main()
