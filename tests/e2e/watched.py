"""callvault watch as a process: its lines, its end, and what the vault holds, counted by contents."""
import json
import os
import queue
import subprocess
import threading

from harness import BIN, EndToEnd

# Short, so that the tests need not wait long.
QUICK = {"quiet": "1s", "quiet_unsure": "3s", "side_file": "4s", "rescan": "2s"}


class Watcher:
    """`lines` is a queue of what it prints, one parsed object each; its stderr goes to a file."""

    def __init__(self, vault, *arguments, log="watch.log", **environment):
        self.log_name = os.path.join(vault.folder, log)
        with open(self.log_name, "ab") as log_file:
            self.begin = log_file.tell()
            self.process = subprocess.Popen([os.path.join(BIN, "callvault"), "--vault", vault.dir, "watch", "--json", *arguments],
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log_file, text=True,
                                            env={**os.environ, **environment})
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def next(self, seconds=60):
        return self.lines.get(timeout=seconds)

    def log(self):
        with open(self.log_name) as log_file:
            log_file.seek(self.begin)
            return log_file.read()

    def stop(self, signal=15):
        if self.process.poll() is None:
            self.process.send_signal(signal)
        code = self.process.wait(60)
        self.reader.join(60)
        self.process.stdout.close()
        return code


class Watched(EndToEnd):
    def new_vault(self, **more):
        return super().new_vault(**{**QUICK, **more})

    def watch(self, vault, *arguments, ready=True, **more):
        watcher = Watcher(vault, *(arguments or (self.in_dir, "--customer", "acme")), **more)
        self.addCleanup(lambda: watcher.process.poll() is None and watcher.stop(9))
        if ready:
            self.until(lambda: "note: watching" in watcher.log() or watcher.process.poll() is not None, 30, "it does not start")
            self.assertIn("note: watching", watcher.log())
        return watcher

    def contents(self, vault):
        """The sha256 of each recording that is held, as often as it is held."""
        done = subprocess.run([os.path.join(BIN, "e2e_contents"), vault.dir, vault.identity, vault.passphrase], check=True,
                              capture_output=True, text=True, timeout=600)
        return sorted(line.split()[1] for line in done.stdout.splitlines())

    def left(self):
        """Files below the spool."""
        return sorted(name for _, _, names in os.walk(self.in_dir) for name in names)
