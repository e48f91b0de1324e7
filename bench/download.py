#!/usr/bin/env python3
"""Downloads side by side: callvaultd, which decrypts and erases, and OpenSSH internal-sftp, which serves the plain files.

Two modes: one file of 1 GiB, and 2,000 files of 245,760 bytes, both incompressible. The runs of a pair follow each
other at once, the first in turn; what is reported is the median, the range, and the ratio inside the same pair. A pair
in which other processes used more than 10 % of a core is thrown away and run again. The server's CPU time is that of
its whole process tree. Each callvault run has a fresh vault and delivery, made before the clock starts; with small
files its clock stops when all of them are durably erased. SHA-256 is compared once per server and mode before timing.

    bench/download.py --build build/release
    bench/download.py --only openssh --modes small --pairs 1          # no callvault needed
"""

import argparse
import contextlib
import getpass
import hashlib
import json
import os
import platform
import pathlib
import secrets
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

CIPHER = "chacha20-poly1305@openssh.com"
TICKS = os.sysconf("SC_CLK_TCK")
SETTLE = 0.15  # seconds after a run in which the server's processes end
SMALL_SIZE = 245_760
START_LIMIT, RUN_LIMIT, ERASE_LIMIT = 30, 1800, 300  # seconds


class Failed(Exception):
    pass


# ---- processes and their CPU time


def process_times():
    """pid -> (parent, CPU seconds of it and of the children it has waited for)"""
    out = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = pathlib.Path("/proc", pid, "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        out[int(pid)] = (int(fields[1]), sum(map(int, fields[11:15])) / TICKS)
    return out


def tree_cpu(root):
    times = process_times()
    if root not in times:
        raise Failed("the server ended")
    tree, grown = {root}, True
    while grown:
        more = {pid for pid, (parent, _) in times.items() if parent in tree} - tree
        grown = bool(more)
        tree |= more
    return sum(times[pid][1] for pid in tree)


def machine_cpu():
    """CPU seconds of all processes of the machine; steal counts as other people's work"""
    user, nice, system, _, _, _, _, steal, *_ = map(int, pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + steal) / TICKS


def own_cpu():
    """this script, and every child it has waited for: clients and commands"""
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def call(command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=RUN_LIMIT, **options)
    if done.returncode != 0:
        raise Failed(f"{command[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


# ---- data


def make_data(folder, mode, large_size, small_count):
    """Files of random bytes, an hour old, and their hashes by name"""
    sizes = {"g1.bin": large_size} if mode == "large" else {f"r{i:04}.bin": SMALL_SIZE for i in range(small_count)}
    hashes = {}
    folder.mkdir()
    for name, size in sizes.items():
        digest = hashlib.sha256()
        with open(folder / name, "wb") as out:
            for at in range(0, size, 4 << 20):
                piece = os.urandom(min(4 << 20, size - at))
                digest.update(piece)
                out.write(piece)
        hashes[name] = digest.hexdigest()
        hour_ago = time.time() - 3600
        os.utime(folder / name, (hour_ago, hour_ago))
    return hashes


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(4 << 20):
            digest.update(piece)
    return digest.hexdigest()


# ---- the two servers. Each offers prepare(mode), a context that yields a ready Target


class Target:
    """A server that waits for one run: its main process, how a client logs in, and when its work is done"""

    def __init__(self, pid, port, user, options, environment, finished=lambda: None):
        self.pid, self.port, self.user = pid, port, user
        self.options, self.environment, self.finished = options, environment, finished


class OpenSSH:
    name = "openssh"

    def __init__(self, control, data, stack):
        self.data = data
        if os.geteuid() == 0 and not os.path.isdir("/run/sshd"):  # sshd wants it for its unprivileged half
            os.mkdir("/run/sshd", 0o755)
            stack.callback(os.rmdir, "/run/sshd")
        folder = control / "sshd"
        folder.mkdir()
        for key in ("host", "user"):
            call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key])
        shutil.copy(folder / "user.pub", folder / "authorized")
        self.folder = folder

    @contextlib.contextmanager
    def prepare(self, mode):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        conf, log = self.folder / "conf", self.folder / "log"
        conf.write_text(
            f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {self.folder}/host\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder}/authorized\nStrictModes no\nPermitRootLogin prohibit-password\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nUseDNS no\nCompression no\n"
            f"MaxStartups 1000\nSubsystem sftp internal-sftp\nForceCommand internal-sftp -d {self.data / mode}\n"
        )
        with open(log, "wb") as err:
            server = subprocess.Popen([shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"]) or "sshd",
                                       "-D", "-e", "-f", str(conf)], stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        try:
            wait_for_port(server, port, log)
            options = ["-i", self.folder / "user", "-oIdentitiesOnly=yes", "-oIdentityAgent=none",
                       "-oPreferredAuthentications=publickey"]
            yield Target(server.pid, port, getpass.getuser(), options, {})
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

    def __init__(self, control, data, room, build):
        self.control, self.data, self.room = control, data, room
        self.tool, self.daemon = build / "bin/callvault", build / "bin/callvaultd"
        for program in (self.tool, self.daemon):
            if not os.access(program, os.X_OK):
                raise Failed(f"{program} is missing: build it, or name the folder with --build, or use --only openssh")

    @contextlib.contextmanager
    def prepare(self, mode):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.room, prefix="vault-"))
        secret = pathlib.Path(tempfile.mkdtemp(dir=self.control, prefix="keys-"))
        server = None
        try:
            vault = folder / "vault"
            password, askpass, passphrase = secret / "password", secret / "askpass", secret / "passphrase"
            write_private(passphrase, secrets.token_hex(16) + "\n")

            def tool(*words):
                return call([self.tool, "--passphrase-file", passphrase, *words])

            tool("init", vault, "--operator", "bench", "--identity-out", secret / "identity", "--recovery-out", secret / "recovery")
            at = ("--vault", vault, "--identity", secret / "identity")
            tool(*at, "customer", "add", "acme")
            log = secret / "log"
            with open(log, "wb") as err:
                server = subprocess.Popen([str(self.daemon), "--vault", str(vault), "--listen", "127.0.0.1:0"],
                                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err)
            port = self.listening_port(server, log)

            taken = json.loads(tool(*at, "--json", "ingest", self.data / mode, "--customer", "acme"))
            expected = len(os.listdir(self.data / mode))
            if len(taken) != expected or any(r.get("error") for r in taken):
                raise Failed(f"ingest took {len(taken)} of {expected}: {[r['error'] for r in taken if r.get('error')][:3]}")
            delivery = json.loads(tool(*at, "--json", "deliver", "acme", "--all"))
            delivery = delivery[0] if isinstance(delivery, list) else delivery
            write_private(password, delivery["password"] + "\n")
            write_private(askpass, f"#!/bin/sh\nexec cat '{password}'\n", 0o700)

            def finished():  # every recording durably erased; asked from outside, so that it costs the server nothing
                deadline = time.monotonic() + ERASE_LIMIT
                while time.monotonic() < deadline:
                    listed = subprocess.run([str(self.tool), "--vault", str(vault), "--json", "list", "--state", "erased"],
                                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                    if listed.returncode == 0 and len(json.loads(listed.stdout or "[]")) >= expected:
                        return
                    time.sleep(0.02)
                raise Failed("the recordings are not erased after the download")

            options = ["-oPubkeyAuthentication=no", "-oPreferredAuthentications=password", "-oNumberOfPasswordPrompts=1"]
            environment = {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
            yield Target(server.pid, port, delivery["account"], options, environment, finished)
        finally:
            if server:
                end(server)
                server.stdout.close()
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(secret, ignore_errors=True)

    @staticmethod
    def listening_port(server, log):
        ready, _, _ = select.select([server.stdout], [], [], START_LIMIT)
        words = server.stdout.readline().decode().split() if ready else []
        if words[:2] != ["listening", "on"]:
            raise Failed(f"callvaultd does not start: {log.read_text(errors='replace').strip()[-600:]}")
        return int(words[2].rpartition(":")[2])


def write_private(path, text, mode=0o600):
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w") as out:
        out.write(text)


# ---- one run


def client(target, mode, where):
    """One download with the OpenSSH client, without any configuration of the user: into `where`, or thrown away (None)"""
    options = ["-q", "-F", "/dev/null", "-c", CIPHER, "-P", str(target.port), "-oCompression=no", "-oLogLevel=ERROR",
               "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oGlobalKnownHostsFile=/dev/null",
               *target.options]
    host = f"{target.user}@127.0.0.1"
    if mode == "large":
        command, batch = [*options, f"{host}:g1.bin", where / "g1.bin" if where else "/dev/null"], None
    else:  # -b alone would forbid passwords
        command, batch = ["-oBatchMode=no", *options, "-b", "-", host], f"get -r . {where}\n"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SSH_")} | {"LC_ALL": "C"} | target.environment
    call(["sftp", *command], input=batch, env=environment, start_new_session=True)


def compare(server, mode, hashes, room):
    where = pathlib.Path(tempfile.mkdtemp(dir=room, prefix="compare-"))
    try:
        with server.prepare(mode) as target:
            client(target, mode, where)
            target.finished()
        for name, digest in hashes.items():
            if not (where / name).is_file() or sha256_of(where / name) != digest:
                raise Failed(f"{server.name}, {mode}: {name} did not arrive as it was")
    finally:
        shutil.rmtree(where)


def run(server, mode, room):
    """wall seconds, server CPU seconds, share of a core that others used"""
    where = pathlib.Path(tempfile.mkdtemp(dir=room, prefix="run-")) if mode == "small" else None
    try:
        with server.prepare(mode) as target:
            time.sleep(0.3)
            machine, own, cpu, start = machine_cpu(), own_cpu(), tree_cpu(target.pid), time.monotonic()
            client(target, mode, where)
            if mode == "small":
                target.finished()
            wall = time.monotonic() - start
            time.sleep(SETTLE)
            cpu = tree_cpu(target.pid) - cpu
            others = machine_cpu() - machine - cpu - (own_cpu() - own)
            share = max(0.0, others) / (time.monotonic() - start)
    finally:
        if where:
            shutil.rmtree(where)
    return wall, cpu, share


def measure(servers, mode, options, room):
    """The clean pairs, each a list of runs in the order of `servers`, and how many pairs were thrown away"""
    pairs, thrown = [], 0
    while len(pairs) < options.pairs and thrown < options.pairs * 4:
        turn = (len(pairs) + thrown) % len(servers)
        runs = {server: run(server, mode, room) for server in servers[turn:] + servers[:turn]}
        if max(share for _, _, share in runs.values()) > options.noise:
            thrown += 1
        else:
            pairs.append([runs[server] for server in servers])
        print(f"\r{mode}: {len(pairs)} of {options.pairs} pairs, {thrown} thrown away ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return pairs, thrown


# ---- the report


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}-{max(values):.{digits}f}]"


def report(mode, servers, pairs, thrown, options, total):
    print(f"{mode + ':':7}{len(pairs)} pairs, {thrown} thrown away (others over {options.noise:.0%} of a core)")
    if not pairs:
        print("       no clean pair: nothing to report")
        return
    for i, server in enumerate(servers):
        walls, cpus = [p[i][0] for p in pairs], [p[i][1] for p in pairs]
        rates, costs = [total / w / 1e6 for w in walls], [c / (total / 2**30) for c in cpus]
        print(f"  {server.name:22}{spread(walls):>22}{spread(rates, 0):>22}{spread(cpus):>22}{spread(costs):>22}")
    if len(servers) == 2:
        faster, cheaper = [p[0][0] / p[1][0] for p in pairs], [p[1][1] / p[0][1] for p in pairs]
        print(f"  {'speed, callvault/openssh':<26}{spread(faster):>18}{'CPU, callvault/openssh':>44}{spread(cheaper):>22}")


def machine_facts(folder, build):
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name")), platform.machine())
    file_system = call(["stat", "-f", "-c", "%T", folder]).strip()
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr.strip()
    try:
        revision = call(["git", "-C", pathlib.Path(__file__).resolve().parent, "describe", "--always", "--dirty"]).strip()
    except (Failed, OSError):
        revision = "unknown"
    return (f"machine: {model}, {os.cpu_count()} cores, Linux {platform.release()}, {folder} on {file_system}; {ssh}; "
            f"callvault {revision} ({build}); {CIPHER}; {time.strftime('%Y-%m-%d', time.gmtime())}")


def parse_options():
    def positive(text):
        if (value := int(text)) < 1:
            raise argparse.ArgumentTypeError("must be at least 1")
        return value

    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"), help="build folder with bin/callvaultd")
    p.add_argument("--dir", type=pathlib.Path, default=pathlib.Path("/dev/shm"), help="where data and vaults lie (4 GiB free)")
    p.add_argument("--pairs", type=positive, default=5, help="clean pairs to measure per mode")
    p.add_argument("--noise", type=float, default=0.10, help="share of a core that others may use in a run")
    p.add_argument("--only", choices=["openssh", "callvault"], help="measure one server alone")
    p.add_argument("--modes", nargs="+", choices=["large", "small"], default=["large", "small"])
    p.add_argument("--large-size", type=positive, default=2**30, help="bytes of the large file")
    p.add_argument("--small-count", type=positive, default=2000, help="number of small files")
    return p.parse_args()


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is cleaned up
    with contextlib.ExitStack() as stack:
        control = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callvault-bench-")))
        room = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callvault-bench-", dir=options.dir)))
        data = room / "data"
        data.mkdir()
        servers = []
        if options.only != "callvault":
            servers.append(OpenSSH(control, data, stack))
        if options.only != "openssh":
            servers.append(Callvault(control, data, room, options.build))

        results = []
        for mode in options.modes:
            hashes = make_data(data / mode, mode, options.large_size, options.small_count)
            for server in servers:
                compare(server, mode, hashes, room)
            total = options.large_size if mode == "large" else SMALL_SIZE * options.small_count
            results.append((mode, servers, *measure(servers, mode, options, room), options, total))
            shutil.rmtree(data / mode)

        print(f"{'median [range]':24}{'wall s':>22}{'MB/s':>22}{'server CPU s':>22}{'server CPU s/GiB':>22}")
        for result in results:
            report(*result)
        print(machine_facts(options.dir, options.build))
        return 0 if all(pairs for _, _, pairs, *_ in results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, subprocess.TimeoutExpired, OSError) as failure:
        print(f"download.py: error: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
