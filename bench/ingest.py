#!/usr/bin/env python3
"""Recordings through the spool, side by side with copying the same files and waiting for the disk.

10,000 files of 245,760 bytes, incompressible, in one folder. Contenders, in turn inside each round, each from a spool of
hard links to the same files (so all read from memory alike):

    cp + fsync   one process that copies a file, syncs it, and takes the next (fdatasync; the folder once at the end)
    cp, sync     cp -r, then one sync of the whole file system: the least that a copy can wait
    watch        callvault watch, from its start to the last file's removal: each sealed, durable, in the catalogue
    ingest       callvault ingest --remove-source

`ingest.quiet` is 0 s, so that no time of waiting is counted. CPU is user and system time of the process. After each run
all recordings are counted; after the last one all are verified. How it is measured stands in harness.py.

    bench/ingest.py --build build/release                     # in memory: what it costs
    bench/ingest.py --build build/release --dir /var/tmp      # on a disk; --noise 1: the kernel's own writing counts there
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import harness
from harness import Failed, Run, spread
from servers import Callvault

SIZE = 245_760
COPY = """
import os, sys
source, target = sys.argv[1:]
for name in os.listdir(source):
    with open(f"{source}/{name}", "rb") as a, open(f"{target}/{name}", "wb") as b:
        left = os.fstat(a.fileno()).st_size
        while left:
            left -= os.sendfile(b.fileno(), a.fileno(), None, left)
        os.fdatasync(b.fileno())
folder = os.open(target, os.O_RDONLY)
os.fsync(folder)
"""


def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(command, finished=None):
    """Until the command ends, or until finished(); then it is told to end, and must end well"""
    os.sync()
    time.sleep(0.3)
    machine, own, cpu, start = harness.machine_cpu(), harness.own_cpu(), children_cpu(), time.monotonic()
    with tempfile.TemporaryFile() as err:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err)
        while finished and not finished() and process.poll() is None:
            time.sleep(0.005)
            if time.monotonic() - start > harness.RUN_LIMIT:
                break
        wall = time.monotonic() - start
        if finished:
            process.terminate()
        code = process.wait(harness.RUN_LIMIT)
        if not finished:
            wall = time.monotonic() - start
        err.seek(0)
        if code != 0:
            raise Failed(f"{command[0]} ended with {code}: {err.read()[-600:].decode('utf-8', 'replace')}")
    cpu = children_cpu() - cpu
    others = harness.machine_cpu() - machine - (harness.own_cpu() - own)  # own_cpu has the children's
    return Run(wall, cpu, max(0.0, others) / (time.monotonic() - start))


def is_empty(folder):
    with os.scandir(folder) as entries:
        return next(entries, None) is None


class Bench:
    def __init__(self, place):
        self.place, self.options = place, place.options
        self.callvault = Callvault(place)
        self.data = place.room / "data"
        harness.make_files(self.data, {f"r{i:05}.wav.bin": SIZE for i in range(self.options.count)})

    def run(self, work):
        with self.place.folder("run-") as where:
            spool = where / "spool"
            spool.mkdir()
            for name in os.listdir(self.data):
                os.link(self.data / name, spool / name)
            return work(where, spool)

    def copy_and_sync_each(self, where, spool):
        (where / "copy").mkdir()
        return timed([sys.executable, "-c", COPY, spool, where / "copy"])

    def copy_then_sync(self, where, spool):
        return timed(["sh", "-c", 'cp -r "$1" "$2" && sync -f "$2"', "sh", spool, where / "copy"])

    def into_vault(self, spool, *words, finished=None):
        with self.callvault.vault({"quiet": "0s"}) as vault:
            vault.tool("customer", "add", "acme")
            run = timed([vault.programs.tool, "--vault", vault.folder, words[0], spool, "--customer", "acme", *words[1:]], finished)
            held = len(json.loads(vault.tool("--json", "list")))
            if held != self.options.count or not is_empty(spool):
                raise Failed(f"{words[0]}: {held} recordings of {self.options.count}; spool empty: {is_empty(spool)}")
            if not self.options.no_verify:
                vault.tool("verify")
                self.options.no_verify = True
            return run

    def watch(self, _, spool):
        return self.into_vault(spool, "watch", finished=lambda: is_empty(spool))

    def ingest(self, _, spool):
        return self.into_vault(spool, "ingest", "--remove-source")


def body(place):
    bench, options = Bench(place), place.options
    contenders = {"cp + fsync": bench.copy_and_sync_each, "cp, sync": bench.copy_then_sync, "watch": bench.watch,
                  "ingest": bench.ingest}
    label = f"{options.count} files of {SIZE} bytes"
    clean, thrown = harness.rounds(label, {name: lambda w=work: bench.run(w) for name, work in contenders.items()}, options)
    if not clean:
        return False
    harness.heading(label, clean, thrown, options, ["wall s", "files/s", "MB/s", "CPU us/file"])
    for name in contenders:
        walls, cpus = [r[name].wall for r in clean], [r[name].cpu for r in clean]
        harness.line(name, spread(walls), spread([options.count / w for w in walls], 0),
                     spread([options.count * SIZE / w / 1e6 for w in walls], 0),
                     spread([c / options.count * 1e6 for c in cpus], 0))
    for name in ("watch", "ingest"):
        for copy, target in (("cp + fsync", "0.70 or more"), ("cp, sync", "-")):
            ratio = harness.ratios(clean, copy, name, lambda r: r.wall)
            harness.line(f"speed, {name} to {copy}", spread(ratio))
            place.table.row(f"{label} through {name}: speed to {copy}", target, ratio)
    place.table.row(f"{label} through watch: CPU", "-", [r["watch"].cpu / options.count * 1e6 for r in clean], 0, " us/file")
    return True


def main():
    parser = harness.parser(__doc__)
    parser.add_argument("--count", type=harness.positive, default=10_000, help="number of files")
    parser.add_argument("--no-verify", action="store_true", help="do not verify the recordings of the first run")
    harness.main("ingest.py", parser.parse_args(), body)


if __name__ == "__main__":
    main()
