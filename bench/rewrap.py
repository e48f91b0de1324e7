#!/usr/bin/env python3
"""A Tech Manager joins and leaves a vault of 100,000 recordings: what the rewrapping of their headers takes.

Joining adds a header to each, leaving moves each to a new slot. Both are killed (-9) a few times on their way and gone on
with; at the end `callvault check` must be silent, and the leaver's identity must open nothing, also not from a copy of the
catalogue of before. The figures are milliseconds per recording, of the time in which rewrapping ran undisturbed to its
end: starts, with their half second for the identity file's passphrase, are left out. The recordings are small; of their
audio nothing is read.

    bench/rewrap.py --build build/release --dir /var/tmp
"""

import pathlib
import random
import shutil
import signal
import subprocess
import time

import harness
from harness import Failed, call

PASSPHRASE = "correct horse battery staple"


class Case:
    def __init__(self, place, count):
        self.bin = place.options.build.resolve() / "bin"
        self.count = count
        self.vault = place.room / "vault"
        self.identity, self.passphrase = place.control / "it-manager.age", place.control / "passphrase"
        self.tech = place.control / "tech.txt"
        harness.write_private(self.passphrase, PASSPHRASE + "\n")
        self.callvault("init", self.vault, "--operator", "Bench Telecom", "--identity-out", self.identity, "--recovery-out",
                       place.control / "recovery.txt")
        self.callvault("customer", "add", "acme")
        began = time.monotonic()
        call([self.bin / "e2e_rewrap", "fill", self.vault, count])
        print(f"{count} recordings made in {time.monotonic() - began:.0f} s")

    def callvault(self, *arguments):
        return call([self.bin / "callvault", "--vault", self.vault, "--identity", self.identity, "--passphrase-file",
                     self.passphrase, *arguments])

    def command(self, what):
        more = [self.tech] if what == "join" else []
        return [str(part) for part in (self.bin / "e2e_rewrap", what, self.vault, self.identity, self.passphrase, *more)]

    def finish(self, what):
        """Runs it to its end: what it says"""
        words = call(self.command(what)).split()
        return {key: float(value) for key, value in zip(words[::2], words[1::2])}

    def cut(self, what, batches):
        """kill -9 after some of its work, at any point of a batch; False: it was faster"""
        process = subprocess.Popen(self.command(what), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        try:
            for _ in range(batches):
                if not process.stderr.readline():
                    return False
            time.sleep(random.uniform(0, 0.1))
            return process.poll() is None
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()

    def change(self, what, kind, kills):
        """Killed some times, then run to its end. Milliseconds and CPU milliseconds per recording of the last run"""
        step, cuts = what, 0
        for _ in range(kills):
            cuts += self.cut(step, random.randint(1, 1 + self.count // 1024))
            step = "again"
        if kills and not cuts:
            raise Failed(f"{what}: never killed in time")
        last = self.finish(step)
        if last[kind] == 0 or last["added"] + last["moved"] + last["skipped"] != self.count:
            raise Failed(f"{what}: {last}")
        done_before = int(self.count - last[kind])
        print(f"{what}: killed {cuts} times, which left {done_before} done; {last[kind]:.0f} more in {last['seconds']:.1f} s")
        return last["seconds"] * 1000 / last[kind], last["cpu"] * 1000 / last[kind]

    def opened_by_leaver(self, vault):
        return int(call([self.bin / "e2e_rewrap", "opens", vault, self.tech]))


def body(place):
    options = place.options
    case = Case(place, options.count)
    added, added_cpu = case.change("join", "added", options.kills)
    if case.opened_by_leaver(case.vault) != options.count:
        raise Failed("the one who joined does not open all")
    old = shutil.copytree(case.vault, place.room / "old", ignore=shutil.ignore_patterns("objects", "slots"))
    moved, moved_cpu = case.change("leave", "moved", options.kills)
    case.callvault("check")
    # The rows of then with the key-slot store of now; objects are not looked at.
    shutil.copytree(case.vault / "slots", pathlib.Path(old) / "slots")
    (pathlib.Path(old) / "objects").mkdir()
    if case.opened_by_leaver(case.vault) != 0 or case.opened_by_leaver(old) != 0:
        raise Failed("the one who left opens something")
    print(f"add:  {added:.3f} ms a recording, {added_cpu:.3f} ms of CPU")
    print(f"move: {moved:.3f} ms a recording, {moved_cpu:.3f} ms of CPU")
    print("callvault check is silent; the leaver's identity opens nothing, nor with the old catalogue and the present slots")
    place.table.row(f"a header added, {options.count:,} recordings", "-", [added], 3, " ms")
    place.table.row(f"a recording moved, {options.count:,} recordings", "1 ms or less", [moved], 3, " ms")
    return True


def main():
    parser = harness.parser(__doc__, pairs=1)
    parser.add_argument("--count", type=harness.positive, default=100_000, help="recordings")
    parser.add_argument("--kills", type=int, default=3, help="kill -9 on each way")
    harness.main("rewrap.py", parser.parse_args(), body)


if __name__ == "__main__":
    main()
