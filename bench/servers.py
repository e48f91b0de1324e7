"""The two servers of the benchmarks: callvaultd with a vault, and OpenSSH internal-sftp over the plain files.

Both listen on 127.0.0.1 only, on a free port, without any configuration of the machine or the user. callvault's clients
log in with a one-time password, which SSH_ASKPASS reads from a private file; OpenSSH's with a key.
"""

import contextlib
import getpass
import json
import os
import pathlib
import re
import secrets
import select
import shutil
import socket
import subprocess
import tempfile
import time

from harness import Failed, call, end, write_private

CIPHER = "chacha20-poly1305@openssh.com"  # the OpenSSH client's first choice
START_LIMIT, ERASE_LIMIT = 30, 300  # seconds
# For runs of many log-ins: limits that are there to stop them. One claim takes at most 64 connections.
MANY_LOGINS = {"connections_per_minute": 1_000_000, "connections_burst": 1_000_000, "connections_total": 10_000,
               "unauthenticated_total": 10_000, "unauthenticated_per_address": 10_000, "claim.connections": 64}


class Login:
    """How a client logs in. The password is in a private file; without one it is by key"""

    def __init__(self, port, fingerprint, user, options, askpass=None, password=None, key=None):
        self.port, self.fingerprint, self.user, self.options = port, fingerprint, user, options
        self.password, self.key = password, key
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SSH_")}
        self.environment = clean | {"LC_ALL": "C"}
        if askpass:
            self.environment |= {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
        self.host = f"{user}@127.0.0.1"

    def client(self, program, *more):
        """A command line of sftp or ssh, up to the host"""
        return [program, "-q", "-F", "/dev/null", "-c", CIPHER, f"-oPort={self.port}", "-oCompression=no",
                "-oLogLevel=ERROR", "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null",
                "-oGlobalKnownHostsFile=/dev/null", *self.options, *more]

    def batch(self, *more):
        """sftp with its commands in a file or on stdin; -b alone would forbid passwords"""
        return self.client("sftp", "-oBatchMode=no", *more)

    def run(self):
        """What subprocess needs: a clean environment, and no terminal to ask on"""
        return {"env": self.environment, "start_new_session": True}


class Target:
    """A server that waits for one run: its main process, a log-in for each folder, and when its work is done"""

    def __init__(self, pid, logins, finished=lambda: None):
        self.pid, self.logins, self.finished = pid, logins, finished
        self.login = logins[0]


class OpenSSH:
    name = "openssh"

    def __init__(self, place):
        if os.geteuid() == 0 and not os.path.isdir("/run/sshd"):  # sshd wants it for its unprivileged half
            os.mkdir("/run/sshd", 0o755)
            place.stack.callback(os.rmdir, "/run/sshd")
        self.folder = place.control / "sshd"
        self.folder.mkdir()
        for key in ("host", "user"):
            call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", self.folder / key])
        shutil.copy(self.folder / "user.pub", self.folder / "authorized")
        self.fingerprint = call(["ssh-keygen", "-lf", self.folder / "host.pub"]).split()[1]

    @contextlib.contextmanager
    def prepare(self, *folders, more=""):
        """Serves the first of the folders: one account sees no other"""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        conf, log = self.folder / "conf", self.folder / "log"
        conf.write_text(
            f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {self.folder}/host\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder}/authorized\nStrictModes no\nPermitRootLogin prohibit-password\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nUseDNS no\nCompression no\n"
            f"MaxStartups 10000\nSubsystem sftp internal-sftp\nForceCommand internal-sftp -d {folders[0]}\n{more}"
        )
        sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"]) or "sshd"
        with open(log, "wb") as err:
            server = subprocess.Popen([sshd, "-D", "-e", "-f", str(conf)], stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        try:
            wait_for_port(server, port, log)
            options = ["-i", str(self.folder / "user"), "-oIdentitiesOnly=yes", "-oIdentityAgent=none",
                       "-oPreferredAuthentications=publickey"]
            login = Login(port, self.fingerprint, getpass.getuser(), options, key=self.folder / "user")
            yield Target(server.pid, [login] * len(folders))
        finally:
            end(server)


def wait_for_port(server, port, log):
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Failed(f"sshd does not start: {log.read_text(errors='replace').strip()[-600:]}")


class Callvault:
    name = "callvault"

    def __init__(self, place):
        self.place, build = place, place.options.build
        self.tool, self.daemon = build / "bin/callvault", build / "bin/callvaultd"
        for program in (self.tool, self.daemon):
            if not os.access(program, os.X_OK):
                raise Failed(f"{program} is missing: build it, or name the folder with --build")

    @contextlib.contextmanager
    def prepare(self, *folders, settings=None):
        """A fresh vault, with a customer and a delivery for each folder"""
        with self.vault(settings or {}) as vault:
            vault.start()
            logins = [vault.deliver(f"c{n:03}", folder) for n, folder in enumerate(folders)]
            yield Target(vault.server.pid, logins, vault.finished)

    @contextlib.contextmanager
    def vault(self, settings):
        with self.place.folder("vault-") as folder, \
                tempfile.TemporaryDirectory(prefix="keys-", dir=self.place.control) as secret:
            vault = Vault(self, folder / "vault", pathlib.Path(secret), settings)
            try:
                yield vault
            finally:
                vault.stop()


class Vault:
    """A vault in a folder of its own, and its daemon"""

    def __init__(self, programs, folder, secret, settings):
        self.programs, self.folder, self.secret, self.server, self.expected = programs, folder, secret, None, 0
        self.passphrase = secret / "passphrase"
        write_private(self.passphrase, secrets.token_hex(16) + "\n")
        self.command("init", folder, "--operator", "bench", "--identity-out", secret / "identity", "--recovery-out",
                     secret / "recovery")
        configure(folder / "callvault.toml", settings)

    def command(self, *words):
        return call([self.programs.tool, "--passphrase-file", self.passphrase, *words])

    def tool(self, *words):
        return self.command("--vault", self.folder, "--identity", self.secret / "identity", *words)

    def start(self):
        log = self.secret / "log"
        with open(log, "wb") as err:
            self.server = subprocess.Popen([self.programs.daemon, "--vault", self.folder, "--listen", "127.0.0.1:0"],
                                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err)
        ready, _, _ = select.select([self.server.stdout], [], [], START_LIMIT)
        words = self.server.stdout.readline().decode().split() if ready else []
        if words[:2] != ["listening", "on"]:
            raise Failed(f"callvaultd does not start: {log.read_text(errors='replace').strip()[-600:]}")
        self.port, self.fingerprint = int(words[2].rpartition(":")[2]), words[3]

    def stop(self):
        if self.server:
            end(self.server)
            self.server.stdout.close()

    def deliver(self, customer, folder):
        """Ingests all files of the folder for a new customer, and puts them up for download"""
        self.tool("customer", "add", customer)
        taken = json.loads(self.tool("--json", "ingest", folder, "--customer", customer))
        files = len(os.listdir(folder))
        if len(taken) != files or any(r.get("error") or r["duplicate"] for r in taken):
            raise Failed(f"ingest took {len(taken)} of {files}: {[r for r in taken if r.get('error') or r['duplicate']][:3]}")
        self.expected += files
        return self.login(json.loads(self.tool("--json", "deliver", customer, "--all"))[0])

    def reissue(self, login):
        """The same delivery once more, unclaimed, under a new password"""
        return self.login(json.loads(self.tool("--json", "delivery", "reissue", login.delivery))[0])

    def login(self, delivery):
        password, askpass = self.secret / f"{delivery['delivery']}.password", self.secret / f"{delivery['delivery']}.askpass"
        write_private(password, delivery["password"] + "\n")
        write_private(askpass, f"#!/bin/sh\nexec cat '{password}'\n", 0o700)
        options = ["-oPubkeyAuthentication=no", "-oPreferredAuthentications=password", "-oNumberOfPasswordPrompts=1"]
        login = Login(self.port, self.fingerprint, delivery["account"], options, askpass, password)
        login.delivery = delivery["delivery"]
        return login

    def finished(self):
        """Waits until every recording is durably erased; asked from outside, so that it costs the server nothing"""
        deadline = time.monotonic() + ERASE_LIMIT
        while time.monotonic() < deadline:
            listed = subprocess.run([self.programs.tool, "--vault", self.folder, "--json", "list", "--state", "erased"],
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            if listed.returncode == 0 and len(json.loads(listed.stdout or "[]")) >= self.expected:
                return
            time.sleep(0.02)
        raise Failed("the recordings are not erased after the download")


def configure(path, settings):
    """Settings by key; by "table.key" where several tables have the key"""
    text = path.read_text()
    for name, value in settings.items():
        *table, key = name.split(".")
        before = rf"(?ms)(^\[{table[0]}\]\n(?:(?!^\[).)*?)" if table else "(?m)()"
        text, found = re.subn(rf"{before}^{key} = (\"[^\"]*\"|\d+)", rf"\g<1>{key} = {json.dumps(value)}", text)
        if found != 1:
            raise Failed(f"callvault.toml has {found} keys {name}")
    path.write_text(text)
