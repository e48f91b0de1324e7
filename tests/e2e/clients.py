"""The real SFTP clients: how each one is run, takes its password from a file or its input, and knows the host key.

A case is a function of a Site (where and as whom), the names it must fetch, and the folder they go to.
"""
import base64
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile

import filezilla
from harness import Finished

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # the one that has Debian's modules
NODE_MODULES = os.path.join(HERE, "node", "node_modules")
CASES = []


class Site:
    """One delivery behind one port, with a home folder for configuration files."""

    timeout = 300  # seconds that a client may take

    def __init__(self, home, port, delivery, host_key):
        os.makedirs(home)
        self.home, self.port, self.account, self.password = home, port, delivery["account"], delivery["password"]
        kind, key = host_key
        self.fingerprint = delivery["fingerprint"]
        self.password_file = self.secret("password", self.password + "\n")
        self.askpass = self.secret("askpass.sh", f'#!/bin/sh\nexec cat "{self.password_file}"\n', 0o700)
        self.known_hosts = self.secret("known_hosts", f"[127.0.0.1]:{port} {kind} {key}\n")
        self.ssh_options = ["-F", "/dev/null", "-o", f"UserKnownHostsFile={self.known_hosts}", "-o",
                            "StrictHostKeyChecking=yes", "-o", "PubkeyAuthentication=no", "-o",
                            "NumberOfPasswordPrompts=1", "-o", "ConnectTimeout=30"]

    def secret(self, name, text, mode=0o600):
        path = os.path.join(self.home, name)
        with open(path, "w", opener=lambda p, flags: os.open(p, flags, mode)) as f:
            f.write(text)
        return path

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": self.home, "LANG": "C.UTF-8", "SSH_ASKPASS": self.askpass,
                "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "none", "XDG_CONFIG_HOME": self.home,
                "NODE_PATH": NODE_MODULES}

    def run(self, command, cwd, stdin=""):
        done = subprocess.run(command, input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd,
                              env=self.environment(), start_new_session=True, timeout=self.timeout)
        return Finished(done.returncode, done.stdout.decode("utf-8", "replace"), "")

    def job(self, names, target, how):
        return json.dumps({"host": "127.0.0.1", "port": self.port, "account": self.account, "password": self.password,
                           "known_hosts": self.known_hosts, "names": names, "target": target, "how": how})


def host_key_of(vault):
    """(kind, key), as known_hosts has them."""
    words = vault.must("hostkey", identity=False).out.split()
    at = words.index("ssh-ed25519")
    return words[at], words[at + 1]


class Case:
    """`chunks`: it fetches a file in chunks over several connections. That can prove too little (docs/delivery.md, What it
    costs): one chunk was done before the first began, or was closed while more than it needs was on its way.
    `one_read`: the bytes that it asks for before it waits for the answer; None when it asks for many times as much.
    """

    def __init__(self, client, how, run, needs, chunks, one_read):
        self.client, self.how, self.run, self.needs, self.chunks = client, how, run, needs, chunks
        self.one_read = one_read

    @property
    def test_name(self):
        return "test_" + re.sub(r"\W+", "_", self.how).strip("_")

    def missing(self):
        return missing(*self.needs)


def missing(*needs):
    """What is not installed, in words; None when a client with these needs can run."""
    for need in needs:
        if need.startswith("python:"):
            found = subprocess.run([PYTHON, "-c", f"import {need[7:]}"], capture_output=True).returncode == 0
        elif need.startswith("npm:"):
            found = os.path.isdir(os.path.join(NODE_MODULES, need[4:]))
        elif need.startswith("/"):
            found = os.path.exists(need)
        else:
            found = shutil.which(need) is not None
        if not found:
            return f"{need} not installed"
    return None


def case(client, how, *needs, chunks=False, one_read=None):
    def add(run):
        CASES.append(Case(client, how, run, needs or (client,), chunks, one_read))
        return run
    return add


# --- OpenSSH

def sftp(site, target, *commands):
    batch = "".join(c + "\n" for c in commands)
    return site.run(["sftp", "-q", *site.ssh_options, "-P", str(site.port), f"{site.account}@127.0.0.1"], target, batch)


@case("openssh", "sftp get", "sftp")
def _(site, names, target):
    return sftp(site, target, *[f"get {n}" for n in names])


@case("openssh", "sftp get -p", "sftp")
def _(site, names, target):
    return sftp(site, target, *[f"get -p {n}" for n in names])


@case("openssh", "sftp get -r", "sftp")
def _(site, names, target):
    return sftp(site, target, f"get -r . {target}")


@case("openssh", "scp -s", "scp")
def _(site, names, target):
    return site.run(["scp", "-s", *site.ssh_options, "-P", str(site.port),
                     *[f"{site.account}@127.0.0.1:/{n}" for n in names], target], target)


@case("openssh", "scp -s -r", "scp")
def _(site, names, target):
    return site.run(["scp", "-s", "-r", *site.ssh_options, "-P", str(site.port), f"{site.account}@127.0.0.1:/", target],
                    target)


# --- PuTTY

def putty(site, program, target, *args, stdin=""):
    return site.run([program, "-batch", "-P", str(site.port), "-pwfile", site.password_file, "-hostkey",
                     site.fingerprint, *args], target, stdin)


def psftp(site, target, *commands):
    batch = site.secret("psftp.txt", "".join(c + "\n" for c in commands) + "quit\n")
    return putty(site, "psftp", target, "-b", batch, f"{site.account}@127.0.0.1")


@case("putty", "psftp get", "psftp")
def _(site, names, target):
    return psftp(site, target, *[f"get {n}" for n in names])


@case("putty", "psftp mget -r", "psftp")
def _(site, names, target):
    return psftp(site, target, "mget -r *")


@case("putty", "pscp -r", "pscp")
def _(site, names, target):
    return putty(site, "pscp", target, "-sftp", "-r", f"{site.account}@127.0.0.1:/*", target)


# --- curl

def curl(site, names, target, *options):
    key = base64.b64encode(base64.b64decode(site.fingerprint.removeprefix("SHA256:") + "==")).decode()
    config = f'user = "{site.account}:{site.password}"\nhostpubsha256 = "{key}"\nsilent\nshow-error\n'
    config += "".join(f'url = "sftp://127.0.0.1:{site.port}/{n}"\noutput = "{n}"\n' for n in names)
    return site.run(["curl", *options, "-K", site.secret("curl.txt", config)], target)


@case("curl", "curl")
def _(site, names, target):
    return curl(site, names, target)


@case("curl", "curl -Z")
def _(site, names, target):
    return curl(site, names, target, "-Z", "--parallel-max", "8")


# --- lftp

def lftp(site, target, *commands):
    ssh = " ".join(["ssh", "-a", "-x", *site.ssh_options])
    script = site.secret("lftp.txt", "\n".join([
        f'set sftp:connect-program "{ssh}"', "set net:max-retries 5", "set net:reconnect-interval-base 1",
        "set cmd:fail-exit yes", f"open -u {site.account},{site.password} sftp://127.0.0.1:{site.port}", *commands, ""]))
    return site.run(["lftp", "--norc", "-f", script], target)


@case("lftp", "lftp get")
def _(site, names, target):
    return lftp(site, target, *[f"get {n}" for n in names])


@case("lftp", "lftp pget -n4", chunks=True)
def _(site, names, target):
    return lftp(site, target, *[f"pget -n4 {n}" for n in names])


@case("lftp", "lftp mirror")
def _(site, names, target):
    return lftp(site, target, f"mirror / {target}")


@case("lftp", "lftp mirror -P4", chunks=True)
def _(site, names, target):
    return lftp(site, target, f"mirror -P4 --use-pget-n=3 / {target}")


@case("lftp", "lftp mirror --Remove-source-files")
def _(site, names, target):
    return lftp(site, target, "set cmd:fail-exit no", f"mirror --Remove-source-files --include-glob *.wav / {target}")


# --- rclone

def rclone(site, target, *args):
    obscured = subprocess.run(["rclone", "obscure", "-"], input=site.password, capture_output=True, text=True, check=True)
    config = site.secret("rclone.conf", f"[vault]\ntype = sftp\nhost = 127.0.0.1\nport = {site.port}\n"
                         f"user = {site.account}\npass = {obscured.stdout.strip()}\nknown_hosts_file = {site.known_hosts}\n")
    return site.run(["rclone", "--config", config, *args], target)


@case("rclone", "rclone copy")
def _(site, names, target):
    return rclone(site, target, "copy", "vault:/", target)


@case("rclone", "rclone copyto")
def _(site, names, target):
    for n in names:
        done = rclone(site, target, "copyto", f"vault:/{n}", os.path.join(target, n))
        if done.code:
            break
    return done


@case("rclone", "rclone sync")
def _(site, names, target):
    return rclone(site, target, "sync", "vault:/", target)


@case("rclone", "rclone move")
def _(site, names, target):
    return rclone(site, target, "move", "--include", "*.wav", "vault:/", target)


@case("rclone", "rclone multi-thread", chunks=True)
def _(site, names, target):
    return rclone(site, target, "copy", "--multi-thread-cutoff", "1M", "--multi-thread-streams", "4", "vault:/", target)


# --- Python

def python(site, names, target, module, how):
    return site.run([PYTHON, "-W", "ignore", os.path.join(HERE, "python_clients.py"), module], target,
                    site.job(names, target, how))


def python_case(module, how, **more):
    @case(module, f"{module} {how}", PYTHON, f"python:{module}", **more)
    def _(site, names, target):
        return python(site, names, target, module, how)


for _how in ("get", "getfo", "prefetch"):
    python_case("paramiko", _how)
python_case("paramiko", "read", one_read=8192)
for _how in ("get", "mget", "preserve"):
    python_case("asyncssh", _how)


# --- Node.js

def node_case(module, how):
    @case(module, f"{module} {how}", "node", f"npm:{module}")
    def _(site, names, target):
        return site.run(["node", os.path.join(HERE, "node", "clients.js"), module], target, site.job(names, target, how))


node_case("ssh2", "fastGet")
node_case("ssh2", "stream")
node_case("ssh2-sftp-client", "get")
node_case("ssh2-sftp-client", "fastGet")
node_case("ssh2-sftp-client", "downloadDir")


# --- mounts

@case("sshfs", "sshfs cp", "sshfs", "fusermount3", "/dev/fuse")
def _(site, names, target):
    mount = os.path.join(site.home, "mount")
    os.mkdir(mount)
    mounted = site.run(["sshfs", "-o", "password_stdin", *[o for o in site.ssh_options if o not in ("-F", "/dev/null")],
                        "-p", str(site.port), f"{site.account}@127.0.0.1:/", mount], target, site.password + "\n")
    if mounted.code:
        return mounted
    try:
        return site.run(["cp", *[os.path.join(mount, n) for n in names], target], target)
    finally:
        # As a person does, who looks before unmounting: sshfs with a password ends its ssh by a hang-up, at times before
        # that has passed on the CLOSE of the last file. The answer to this comes behind it.
        with contextlib.suppress(OSError):
            os.listdir(mount)
        site.run(["fusermount3", "-u", mount], target)


# --- desktop

@case("filezilla", "filezilla, two transfers", "filezilla", "Xvfb", "xdotool")
def _(site, names, target):
    return filezilla.fetch_all(site, len(names) + 2, target)


@case("gio", "gio copy", "gio", "dbus-run-session", "ssh", "/usr/libexec/gvfsd-sftp")
def _(site, names, target):
    """The file manager's way: gio asks for the password, a daemon of gvfs fetches, two SFTP channels on one connection."""
    # gvfs runs the first ssh in PATH, with the user's own settings and without looking at a local host's key.
    os.mkdir(os.path.join(site.home, "bin"))
    site.secret("bin/ssh", f'#!/bin/sh\nexec {shutil.which("ssh")} '
                f'{shlex.join([*site.ssh_options, "-o", "NoHostAuthenticationForLocalhost=no"])} "$@"\n', 0o700)
    server = f"sftp://{site.account}@127.0.0.1:{site.port}/"
    script = site.secret("gio.sh", f"""gio mount {server} || exit
{shlex.join(["gio", "copy", *[server + n for n in names], target])} || exit
exec gio mount -u {server}
""")
    with tempfile.TemporaryDirectory(prefix="gvfs-") as short:  # for ssh's control socket, whose path is short or fails
        return site.run(["env", "-u", "SSH_ASKPASS_REQUIRE", "-u", "DISPLAY", "GVFS_DISABLE_FUSE=1",
                         f"XDG_RUNTIME_DIR={short}", f"PATH={os.path.join(site.home, 'bin')}:{os.environ['PATH']}",
                         "dbus-run-session", "--", "sh", script], target, site.password + "\n")
