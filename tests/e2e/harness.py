"""A real vault, a real callvaultd and a real OpenSSH client for the end-to-end tests. Standard library only.

The programs come from the folder named by CALLVAULT_BIN. Everything lies in one temporary folder per test; every process is
ended by its own id; the daemon listens on 127.0.0.1 only.
"""
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import wave

import raw

BIN = os.environ.get("CALLVAULT_BIN", "build/release/bin")
MADE = os.environ.get("CALLVAULT_E2E_VAULT")  # a folder with a vault made by this program, which each test copies
PASSPHRASE = "correct horse battery staple"
SFTP = shutil.which("sftp")


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else \
            hashlib.sha256(f.read()).hexdigest()


def write_wav(path, payload, age_s=3600):
    """A WAV of 8 kHz 16-bit PCM with these bytes as sound, last changed `age_s` ago."""
    with wave.open(str(path), "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(8000)
        w.writeframes(payload)
    then = time.time() - age_s
    os.utime(path, (then, then))


def recording_name(n):
    """A FreePBX name with numbers from the ranges reserved for drama."""
    return f"in-020794601{n % 100:02d}-07700900{n % 1000:03d}-20261101-{9 + n // 3600:02d}{n // 60 % 60:02d}{n % 60:02d}" \
           f"-{1793523600 + n}.{1000 + n}.wav"


class Finished:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)


class Vault:
    """A vault in `folder`/vault, with its identity files beside it."""

    def __init__(self, folder, **claim):
        self.folder = folder
        self.dir = os.path.join(folder, "vault")
        self.identity = os.path.join(folder, "it-manager.age")
        self.recovery = os.path.join(folder, "recovery.txt")
        self.passphrase = os.path.join(folder, "passphrase")
        if MADE and folder != MADE:
            shutil.copytree(MADE, folder, dirs_exist_ok=True)
        else:
            self.make()
        self.configure(**{"settle": "1s", "without_close": "1s", "idle_after_all": "1s", **claim})

    def make(self):
        with open(self.passphrase, "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(PASSPHRASE + "\n")
        self.must("init", self.dir, "--operator", "Test Telecom", "--identity-out", self.identity, "--recovery-out",
                  self.recovery)
        subprocess.run([os.path.join(BIN, "light_identity"), self.identity, self.passphrase], check=True)

    def configure(self, **values):
        path = os.path.join(self.dir, "callvault.toml")
        with open(path) as f:
            text = f.read()
        for key, value in values.items():
            text, n = re.subn(rf"(?m)^{key} = (\"[^\"]*\"|\d+)",
                              f'{key} = {json.dumps(value)}', text)
            assert n == 1, f"no key {key} in callvault.toml"
        with open(path, "w") as f:
            f.write(text)

    def run(self, *args, identity=True, stdin=subprocess.DEVNULL):
        command = [os.path.join(BIN, "callvault"), "--vault", self.dir]
        if identity:
            command += ["--identity", self.identity, "--passphrase-file", self.passphrase]
        done = subprocess.run(command + list(args), stdin=stdin, capture_output=True, timeout=600)
        return Finished(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def must(self, *args, identity=True):
        done = self.run(*args, identity=identity)
        if done.code != 0:
            raise AssertionError(f"callvault {' '.join(args)}: exit {done.code}\n{done.out}\n{done.err}")
        return done

    def ingest(self, path, customer="acme"):
        return self.must("ingest", str(path), "--customer", customer, "--json", identity=False).json()

    def deliver(self, customer="acme", *more):
        return self.must("deliver", customer, *(more or ("--all",)), "--json").json()[0]

    def states(self):
        return {r["id"]: r["state"] for r in self.must("list", "--json", identity=False).json()}

    def state_of(self, delivery):
        return self.must("delivery", "show", delivery["delivery"], "--json", identity=False).json()["state"]

    def noted(self, event):
        """Subjects of each entry of the audit log about such an event."""
        shown = self.must("audit", "show", "--limit", "1000000", "--json", identity=False).json()
        return [e["subjects"] for e in shown if e["event"] == event]

    def check(self):
        return self.run("check", identity=False)


class Daemon:
    """callvaultd on a free port. `kill` and `stop` end it; a test's end does too."""

    def __init__(self, vault, program="callvaultd", before=(), **environment):
        self.vault = vault
        self.log = open(os.path.join(vault.folder, "daemon.log"), "ab")
        self.process = subprocess.Popen([*before, os.path.join(BIN, program), "--vault", vault.dir, "--listen", "127.0.0.1:0"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
                                        env={**os.environ, **environment})
        line = self.process.stdout.readline().decode()
        m = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+) (SHA256:\S+)\n", line)
        if not m:
            self.kill()
            raise AssertionError(f"callvaultd said {line!r}; see its log:\n{open(self.log.name).read()}")
        self.port, self.fingerprint = int(m[1]), m[2]

    @property
    def pid(self):
        return self.process.pid

    def descendants(self):
        """pids of listener and sessions, as (pid, name)."""
        found, todo = [], [self.pid]
        while todo:
            pid = todo.pop()
            with contextlib.suppress(OSError):
                for task in os.listdir(f"/proc/{pid}/task"):
                    children = open(f"/proc/{pid}/task/{task}/children").read().split()
                    for child in children:
                        with contextlib.suppress(OSError):
                            found.append((int(child), open(f"/proc/{child}/comm").read().strip()))
                            todo.append(int(child))
        return found

    def sessions(self):
        return [pid for pid, name in self.descendants() if name == "cv-session"]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        self.close()
        return code

    def kill(self):
        children = [pid for pid, _ in self.descendants()]
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.close()
        # The others end by themselves when the keeper is gone; wait, so that ports and files are free.
        deadline = time.time() + 10
        while time.time() < deadline and any(os.path.exists(f"/proc/{pid}") for pid in children):
            time.sleep(0.01)

    def close(self):
        self.process.stdout.close()
        self.log.close()


class Client:
    """OpenSSH's sftp with the password of one delivery."""

    more = ()  # options

    def __init__(self, folder, port, delivery):
        self.folder, self.port, self.account = folder, port, delivery["account"]
        secret = os.path.join(folder, f"password-{random.randrange(10**9)}")
        with open(secret, "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(delivery["password"] + "\n")
        self.askpass = secret + ".sh"
        with open(self.askpass, "w", opener=lambda p, f: os.open(p, f, 0o700)) as f:
            f.write(f'#!/bin/sh\nexec cat "{secret}"\n')

    def command(self, *options):
        return [SFTP, "-q", "-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "NumberOfPasswordPrompts=1", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=20", "-o",
                "PubkeyAuthentication=no", *options, "-P", str(self.port), f"{self.account}@127.0.0.1"]

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": self.folder, "SSH_ASKPASS": self.askpass, "SSH_ASKPASS_REQUIRE": "force",
                "DISPLAY": "none"}

    def start(self, commands, cwd):
        process = subprocess.Popen(self.command(*self.more), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, cwd=cwd, env=self.environment(), start_new_session=True)
        process.stdin.write("".join(c + "\n" for c in commands).encode())
        process.stdin.close()
        process.stdin = None
        return process

    def run(self, *commands, cwd=None):
        process = self.start(commands, cwd or self.folder)
        try:
            out, _ = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return Finished(process.returncode, out.decode("utf-8", "replace"), "")

    def refusal(self):
        """The words that a log-in is refused with; None when it is let in."""
        try:
            raw.RawClient(self).leave()
        except ConnectionError as refused:
            return str(refused)
        return None


class EndToEnd(unittest.TestCase):
    def setUp(self):
        if SFTP is None:
            self.skipTest("sftp (openssh-client) is not installed")
        self.folder = tempfile.mkdtemp(prefix="callvault-e2e-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.in_dir = os.path.join(self.folder, "spool")
        os.mkdir(self.in_dir)

    def new_vault(self, **claim):
        vault = Vault(self.folder, **claim)
        vault.must("customer", "add", "acme", "--name", "Acme Ltd")
        return vault

    def start(self, vault, program="callvaultd", **more):
        daemon = Daemon(vault, program, **more)
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.kill())
        return daemon

    def make_recordings(self, count, size=20_000, first=0):
        """WAV files with random sound; {name: sha256}."""
        made = {}
        for n in range(first, first + count):
            path = os.path.join(self.in_dir, recording_name(n))
            write_wav(path, os.urandom(size // 2 * 2))
            made[os.path.basename(path)] = sha256(path)
        return made

    def fetched(self, folder):
        """{name: sha256} of what lies in a download folder, without the notices."""
        return {name: sha256(os.path.join(folder, name)) for name in os.listdir(folder)
                if name not in ("READ-ME-FIRST.txt", "SHA256SUMS")}

    def until(self, condition, seconds, what):
        deadline = time.time() + seconds
        while time.time() < deadline:
            if condition():
                return
            time.sleep(0.05)
        self.fail(f"after {seconds} s: {what}")


if __name__ == "__main__":  # makes the vault of CALLVAULT_E2E_VAULT anew
    shutil.rmtree(MADE, ignore_errors=True)
    os.mkdir(MADE)
    Vault(MADE)
