"""What the tool ssh-audit says: the algorithms are those of sftp/ssh_policy.cpp, and all its complaints are known."""
import json
import re
import subprocess
import unittest

from attacked import Attacked
from clients import PYTHON, missing
from offers import offered_to

OPENSSH = "OpenSSH_8.2"  # as the tool calls itself
LIBSSH2 = "libssh2_1.10.0"  # curl 7.88's, which knows no ETM
ALGORITHMS = {
    "kex": ["curve25519-sha256", "curve25519-sha256@libssh.org", "kex-strict-s-v00@openssh.com"],
    "key": ["ssh-ed25519"],
    "enc": ["chacha20-poly1305@openssh.com", "aes256-ctr", "aes128-ctr"],
    "compression": ["none"]}
MACS = {OPENSSH: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"]}
MACS[LIBSSH2] = MACS[OPENSSH] + ["hmac-sha2-256", "hmac-sha2-512"]
# (algorithm, warning) -> why it stays. Versions of the tool know the first or the others: one must be seen.
KNOWN = {
    ("kex-strict-s-v00@openssh.com", "unknown algorithm"): "the tool is older than strict key exchange",
    ("curve25519-sha256", "does not provide protection against post-quantum attacks"): "libssh 0.10 has no other",
    ("curve25519-sha256@libssh.org", "does not provide protection against post-quantum attacks"): "the same"}
PLAIN_MAC = "using encrypt-and-MAC mode"
KNOWN_TO = {OPENSSH: set(KNOWN), LIBSSH2: {*KNOWN, *((name, PLAIN_MAC) for name in ("hmac-sha2-256", "hmac-sha2-512"))}}
# The tool with another name than its own.
TOOL = """import sys
import ssh_audit.globals
ssh_audit.globals.SSH_HEADER = "SSH-{0}-" + sys.argv.pop(1)
from ssh_audit.ssh_audit import main
main()"""


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
    def run_tool(self, name, *options):
        if missing("ssh-audit", PYTHON, "python:ssh_audit"):
            self.skipTest("ssh-audit is not installed")
        done = subprocess.run([PYTHON, "-c", TOOL, name, *options, "-p", str(self.daemon.port), "127.0.0.1"],
                              capture_output=True, text=True, timeout=120)
        self.assertIn(done.returncode, (0, 2, 3), done.stdout + done.stderr)  # nothing, warnings, failures
        return done.stdout

    def check(self, name):
        self.serve()
        told = json.loads(self.run_tool(name, "-j"))
        told["kex"], told["key"] = ([one["algorithm"] for one in told[which]] for which in ("kex", "key"))
        self.assertEqual({which: told[which] for which in ALGORITHMS}, ALGORITHMS)
        self.assertEqual(told["mac"], MACS[name])
        self.assertEqual(told["banner"]["raw"], "SSH-2.0-callvault")
        output = self.run_tool(name, "-n")
        said = complaints(output)
        self.assertEqual([one for one in said if one[0] == "fail"], [], output)
        warned = {one[1:] for one in said}
        self.assertLessEqual(warned, KNOWN_TO[name], output)
        self.assertEqual(warned - set(KNOWN), KNOWN_TO[name] - set(KNOWN), output)
        self.assertTrue(warned & set(KNOWN), "nothing was understood of:\n" + output)
        self.check_others_are_served()

    def test_a_client_that_knows_etm_is_offered_nothing_weaker(self):
        self.check(OPENSSH)

    def test_curls_library_is_offered_plain_macs_too(self):
        self.check(LIBSSH2)

    def test_who_is_offered_plain_macs(self):
        self.serve()
        for name in ("OpenSSH_for_Windows_9.5", "PuTTY_Release_0.78", "WinSCP_release_6.3", "FileZilla_3.63.0",
                     "paramiko_2.12.0", "AsyncSSH_2.10.1", "rclone/v1.60.1", "ssh2js1.17.0"):
            self.assertEqual(offered_to(self.daemon.port, "SSH-2.0-" + name)["mac_up"], MACS[OPENSSH], name)
        for name in ("libssh2_1.10.0", "OpenSSH", "openssh_9.2", "x OpenSSH_9.2", "Go", "JSCH_0.2.1", "-", "OpenSS"):
            offered = offered_to(self.daemon.port, "SSH-2.0-" + name)
            self.assertEqual(offered["mac_up"], MACS[LIBSSH2], name)
            self.assertEqual(offered["mac_down"], MACS[LIBSSH2], name)
        self.check_others_are_served()


if __name__ == "__main__":
    unittest.main()
