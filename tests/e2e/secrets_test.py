"""Nothing that opens a recording, and nothing that names a person, lies about: data folder, logs, memory of the keeper."""
import os
import re
import subprocess
import unittest

from harness import BIN, Client, PASSPHRASE
from watched import Watched


class Secrets(Watched):
    def test_no_secret_in_files_logs_or_the_keepers_memory(self):
        vault = self.new_vault()
        made = self.make_recordings(5, 300_000)
        sound = {name: open(os.path.join(self.in_dir, name), "rb").read()[150_000:150_048] for name in made}
        vault.ingest(self.in_dir)
        file_keys = [self.file_key(vault, recording) for recording in vault.states()]
        self.assertEqual({len(k) for k in file_keys}, {16})
        daemon = self.start(vault)
        delivery = vault.deliver()
        names = list(made)
        # Some are fetched, some not: the claim is running when we look.
        done = Client(self.folder, daemon.port, delivery).run(f"get {names[0]}", f"get {names[1]}")
        self.assertEqual(done.code, 0, done.out)
        self.until(lambda: sorted(vault.states().values()).count("erased") == 2, 3, "two are not erased")

        password = delivery["password"]
        needles = {"password": password.encode(), "password without dashes": password.replace("-", "").encode(),
                   "passphrase": PASSPHRASE.encode(), "customer's name": b"Acme Ltd"}
        for number, key in enumerate(file_keys):
            needles[f"file key {number}"] = key
            needles[f"file key {number} in hex"] = key.hex().encode()
        for number, name in enumerate(names):
            needles[f"file name {number}"] = name.encode()
            needles[f"caller {number}"] = name.split("-")[2].encode()
            needles[f"called {number}"] = name.split("-")[1].encode()
            needles[f"sound {number}"] = sound[name]

        files = [os.path.join(d, f) for d, _, fs in os.walk(vault.dir) for f in fs] + [os.path.join(self.folder, "daemon.log")]
        self.assertGreater(len(files), 8)
        for path in files:
            with open(path, "rb") as f:
                self.search(f.read(), needles, path)
        seen = self.memory(daemon.pid)
        # The search itself must be able to find things: the access's id is in the keeper's memory.
        self.assertTrue(any(delivery["delivery"].encode() in part for part in seen), "the memory was not read")
        for part in seen:
            self.search(part, needles, "the keeper's memory")
        daemon.stop()

    def test_no_secret_in_the_memory_and_the_disk_of_a_recorder(self):
        """After ingest the process that took a recording in holds neither its key nor its sound, and nothing of either is
        left in the spool, where temporary files go, or in the vault."""
        vault = self.new_vault()
        temporary = os.path.join(self.folder, "tmp")
        os.mkdir(temporary)
        watcher = self.watch(vault, TMPDIR=temporary)
        made = self.make_recordings(5, 300_000)
        sound = {name: open(os.path.join(self.in_dir, name), "rb").read() for name in made}
        told = {t["name"]: t["id"] for t in (watcher.next() for _ in made)}
        self.assertEqual(set(told), set(made))
        needles = {"passphrase": PASSPHRASE.encode()}
        for name, recording in told.items():
            key = self.file_key(vault, recording)
            needles[f"file key of {recording}"] = key
            needles[f"file key of {recording} in hex"] = key.hex().encode()
            for at in (60, 4_000, 65_600, 150_000, 262_200, 299_900):  # the head that is looked at, and later pieces
                needles[f"sound of {recording} at {at}"] = sound[name][at:at + 40]
        seen = self.memory(watcher.process.pid)
        # The search itself must be able to find things: the vault's folder is in the process's memory.
        self.assertTrue(any(vault.dir.encode() in part for part in seen), "the memory was not read")
        for part in seen:
            self.search(part, needles, "the memory of callvault watch")
        for top in (vault.dir, self.in_dir, temporary):
            for path in (os.path.join(d, f) for d, _, fs in os.walk(top) for f in fs):
                with open(path, "rb") as f:
                    self.search(f.read(), needles, path)
        with open(watcher.log_name, "rb") as f:
            self.search(f.read(), needles, "its log")
        # And the key does open: it was the right one that was searched for.
        self.assertEqual(self.contents(vault), sorted(made.values()))
        self.assertEqual(watcher.stop(), 0)

    def file_key(self, vault, recording):
        done = subprocess.run([os.path.join(BIN, "e2e_file_key"), vault.dir, vault.identity, vault.passphrase, recording],
                              check=True, capture_output=True, text=True)
        return bytes.fromhex(done.stdout.strip())

    def search(self, text, needles, where):
        for what, needle in needles.items():
            self.assertNotIn(needle, text, f"{what} lies in {where}") if needle in text else None

    def memory(self, pid):
        parts = []
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
            for line in maps:
                m = re.match(r"([0-9a-f]+)-([0-9a-f]+) r(.)", line)
                if not m or "[vvar]" in line or "[vsyscall]" in line:
                    continue
                start, end = int(m[1], 16), int(m[2], 16)
                if end - start > 1 << 32:
                    continue  # the shadow of a sanitizer: terabytes that hold no bytes of the program
                try:
                    mem.seek(start)
                    parts.append(mem.read(end - start))
                except OSError:
                    pass  # guard pages
        return parts


if __name__ == "__main__":
    unittest.main()
