"""What the side-by-side benchmarks share: CPU times, interleaved rounds, checked data, the report, and their options.

A *round* runs every contender once, one after the other, the first in turn. What is reported is the median, the range,
and the ratio inside the same round. A round in which other processes used more than `--noise` of a core is thrown away
and run again. The servers stand in servers.py.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")
SETTLE = 0.15  # seconds after a run in which the server's processes end
RUN_LIMIT = 1800  # seconds


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


def tree(root, times=None):
    """The server's main process and all below it"""
    times = times or process_times()
    if root not in times:
        raise Failed("the server ended")
    found, grown = {root}, True
    while grown:
        more = {pid for pid, (parent, _) in times.items() if parent in found} - found
        grown = bool(more)
        found |= more
    return found


def tree_cpu(root):
    times = process_times()
    return sum(times[pid][1] for pid in tree(root, times))


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


def call_all(commands, **options):
    """All at once; every one must end well"""
    running = [subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, **options) for command in commands]
    try:
        for process in running:
            _, complaint = process.communicate(timeout=RUN_LIMIT)
            if process.returncode != 0:
                raise Failed(f"{process.args[0]} ended with {process.returncode}: {complaint.strip()[-600:]}")
    finally:
        for process in running:
            end(process)


# ---- data


def make_files(folder, sizes):
    """Files of random bytes, an hour old, and their hashes by name"""
    hashes = {}
    folder.mkdir(parents=True)
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


def compare(who, folder, hashes):
    """Fails unless every file is in the folder, with its hash"""
    for name, expected in hashes.items():
        digest = hashlib.sha256()
        with contextlib.suppress(OSError), open(folder / name, "rb") as file:
            while piece := file.read(4 << 20):
                digest.update(piece)
        if digest.hexdigest() != expected:
            raise Failed(f"{who}: {name} did not arrive as it was")


def write_private(path, text, mode=0o600):
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode), "w") as out:
        out.write(text)


# ---- one run, and rounds of them


@dataclasses.dataclass
class Run:
    wall: float  # seconds
    cpu: float  # seconds, of the server and all its children
    others: float  # share of a core that other processes used


def timed(server_pid, work):
    """Runs `work` with the clock on. The server must have been started, and must outlive it"""
    time.sleep(0.3)
    machine, own, cpu, start = machine_cpu(), own_cpu(), tree_cpu(server_pid), time.monotonic()
    work()
    wall = time.monotonic() - start
    time.sleep(SETTLE)
    cpu = tree_cpu(server_pid) - cpu
    others = machine_cpu() - machine - cpu - (own_cpu() - own)
    return Run(wall, cpu, max(0.0, others) / (time.monotonic() - start))


def rounds(label, contenders, options):
    """`contenders`: name -> function that makes one Run. Clean rounds, each name -> Run, and how many were thrown away"""
    names, clean, thrown = list(contenders), [], 0
    while len(clean) < options.pairs and thrown < options.pairs * 4:
        turn = (len(clean) + thrown) % len(names)
        runs = {name: contenders[name]() for name in names[turn:] + names[:turn]}
        if max(run.others for run in runs.values()) > options.noise:
            thrown += 1
        else:
            clean.append(runs)
        print(f"\r{label}: {len(clean)} of {options.pairs} rounds, {thrown} thrown away ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    if not clean:
        print(f"{label}: no clean round in {thrown}: nothing to report")
    return clean, thrown


def ratios(clean, of, to, value):
    """of / to inside each round; `value` takes the figure out of a Run"""
    return [value(runs[of]) / value(runs[to]) for runs in clean if value(runs[to]) > 0]


# ---- the report


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}-{max(values):.{digits}f}]"


def heading(label, clean, thrown, options, columns):
    print(f"{label}: {len(clean)} rounds, {thrown} thrown away (others over {options.noise:.0%} of a core)")
    print(f"  {'median [range]':28}" + "".join(f"{column:>24}" for column in columns))


def line(name, *columns):
    print(f"  {name:28}" + "".join(f"{column:>24}" for column in columns))


class Table:
    """Rows for bench/report.sh: what, target, median, range, number of rounds"""

    def __init__(self, path):
        self.path = path

    def row(self, what, target, values, digits=2, unit=""):
        if not values:
            values, text = [], "no clean round | - | 0"
        else:
            text = (f"{statistics.median(values):.{digits}f}{unit} | {min(values):.{digits}f} to {max(values):.{digits}f} "
                    f"| {len(values)}")
        if self.path:
            with open(self.path, "a") as out:
                out.write(f"| {what} | {target} | {text} |\n")


def version_of(*command):
    """The first version number that a program tells, or that it is missing"""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except OSError:
        return "missing"
    found = re.search(r"\d+\.\d+\S*", done.stdout + done.stderr)
    return found.group().rstrip(",;") if found else "unknown"


def machine_facts(folder, build):
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((row.split(":")[1].strip() for row in cpuinfo.splitlines() if row.startswith("model name")), platform.machine())
    file_system = call(["stat", "-f", "-c", "%T", folder]).strip()
    try:
        revision = call(["git", "-C", pathlib.Path(__file__).resolve().parent, "describe", "--always", "--dirty"]).strip()
    except (Failed, OSError):
        revision = "unknown"
    return (f"machine: {model}, {os.cpu_count()} cores, Linux {platform.release()}, {folder} on {file_system}; OpenSSH "
            f"{version_of('ssh', '-V')}; callvault {revision} ({build}); {time.strftime('%Y-%m-%d', time.gmtime())}")


# ---- a benchmark's frame


def positive(text):
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def parser(doc, pairs=5):
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"), help="build folder with bin/callvaultd")
    p.add_argument("--dir", type=pathlib.Path, default=pathlib.Path("/dev/shm"), help="where data and vaults lie")
    p.add_argument("--pairs", type=positive, default=pairs, help="clean rounds to measure")
    p.add_argument("--noise", type=float, default=0.10, help="share of a core that others may use in a run")
    p.add_argument("--table", type=pathlib.Path, help="append the results to this file, as rows of a markdown table")
    return p


class Place:
    """Folders of one benchmark, removed at its end: `control` for keys and passwords, `room` for data and vaults"""

    def __init__(self, options, stack):
        self.stack, self.options = stack, options
        self.control = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callvault-bench-")))
        self.room = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callvault-bench-", dir=options.dir)))
        self.table = Table(options.table)

    @contextlib.contextmanager
    def folder(self, prefix):
        with tempfile.TemporaryDirectory(prefix=prefix, dir=self.room) as name:
            yield pathlib.Path(name)


def main(script, options, body):
    """Runs body(place), which tells whether there is something to report, and cleans up whatever happens"""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with contextlib.ExitStack() as stack:
            complete = body(Place(options, stack))
            print(machine_facts(options.dir, options.build))
        sys.exit(0 if complete else 1)
    except (Failed, subprocess.TimeoutExpired, OSError) as failure:
        print(f"{script}: error: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
