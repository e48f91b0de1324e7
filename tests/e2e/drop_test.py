"""Recorders: real clients upload to the drop, and what they were told is held, is held. Nothing comes back out of it."""
import os
import shutil
import struct
import subprocess
import time
import unittest

import raw
from clients import host_key_of, missing
from harness import BIN, Client, EndToEnd, recording_name, sha256, write_wav
from secrets_test import Secrets
from uploaders import RecorderSite, WAYS

WRITE, STAT, SETSTAT, OPENDIR, READDIR, MKDIR, RMDIR, RENAME = 6, 17, 9, 11, 12, 14, 15, 18
PUT = 2 | 8 | 16  # WRITE, CREAT, TRUNC


class RecorderCase(EndToEnd):
    def setUp(self):
        super().setUp()
        if why := missing("ssh-keygen"):
            self.skipTest(why)
        self.vault = self.new_vault()
        self.key = self.make_key("pbx-1")
        self.vault.must("recorder", "add", "pbx-1", "--ssh-key", self.key + ".pub", "--customer", "acme")
        self.daemon = self.start(self.vault)
        self.host_key = host_key_of(self.vault)

    def make_key(self, name, *options):
        path = os.path.join(self.folder, name + ".key")
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", "a recorder", "-f", path, *(options or ("-t", "ed25519"))],
                       check=True)
        return path

    def site(self, account="pbx-1", key=None, name="home"):
        return RecorderSite(os.path.join(self.folder, name), self.daemon.port, account, key or self.key,
                            self.daemon.fingerprint, self.host_key)

    def rows(self):
        return self.vault.must("list", "--json").json()

    def content(self, name):
        """sha256 of a recording that is held, as the IT Manager gets it."""
        row, = [r for r in self.rows() if r["name"] == name]
        out = os.path.join(self.folder, "got")
        self.vault.must("get", row["id"], "-o", out)
        hashed = sha256(out)
        os.remove(out)
        return hashed

    def objects(self):
        return [f for _, _, fs in os.walk(os.path.join(self.vault.dir, "objects")) for f in fs]

    def clean(self):
        check = self.vault.check()
        self.assertEqual(check.code, 0, check.out)
        self.assertNotIn("belongs to no", check.out)
        self.assertEqual(len(self.objects()), len(self.vault.states()))


class RawRecorder(raw.RawClient):
    """Packet by packet."""

    def __init__(self, site):
        self.process = subprocess.Popen(["ssh", *site.ssh_options, "-p", str(site.port), "-s", f"{site.account}@127.0.0.1",
                                         "sftp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=site.environment(), start_new_session=True)
        self.id = 0
        self._send(struct.pack(">BI", 1, 3))
        self._receive()

    def put(self, name, flags=PUT):
        """The handle, or a status."""
        kind, body = self.ask(raw.OPEN, raw.text(name) + struct.pack(">II", flags, 0))
        return body[4:] if kind == raw.HANDLE else struct.unpack(">I", body[:4])[0]

    def write(self, handle, offset, data):
        return self.status(WRITE, raw.text(handle) + struct.pack(">Q", offset) + raw.text(data))

    def path(self, kind, name, more=b""):
        return self.status(kind, raw.text(name) + more)

    def size(self, name):
        """None: there is no such file."""
        kind, body = self.ask(STAT, raw.text(name))
        return None if kind == raw.STATUS else struct.unpack(">Q", body[4:12])[0]


class Uploaders(RecorderCase):
    """Each real client, twice: the second time the files are held already, and nothing fails or goes on for ever."""

    def upload_with(self, prefix):
        ways = [w for w in WAYS if w[0].startswith(prefix)]
        self.assertTrue(ways)
        expected, ran = {}, 0
        for number, (name, needs, run) in enumerate(ways):
            if why := missing(*needs):
                print(f"SKIPPED: {name}: {why}")
                continue
            ran += 1
            folder = os.path.join(self.folder, f"spool-{number}")
            os.mkdir(folder)
            made = {}
            for i, size in enumerate((0, 4000, 240_000, 1_500_000)):
                path = os.path.join(folder, recording_name(100 * number + i))
                write_wav(path, os.urandom(size))
                made[os.path.basename(path)] = sha256(path)
            site = self.site(name=f"home-{number}")
            expected.update({f: os.path.getsize(os.path.join(folder, f)) for f in made})
            for turn in ("first", "second"):
                with self.subTest(way=name, run=turn):
                    done = run(site, sorted(made), folder)
                    self.assertEqual(done.code, 0, f"{name}: {done.out}")
                    rows = self.rows()
                    self.assertEqual({r["name"]: r["size"] for r in rows}, expected, name)
                    self.assertEqual(len(rows), len(expected), name)
            largest = max(made, key=lambda f: expected[f])
            self.assertEqual(self.content(largest), made[largest], name)
        if ran == 0:
            self.skipTest("; ".join(missing(*needs) for _, needs, _ in ways))
        self.clean()

    def test_openssh_sftp(self):
        self.upload_with("sftp")

    def test_openssh_scp(self):
        self.upload_with("scp")

    def test_lftp(self):
        self.upload_with("lftp")

    def test_rclone(self):
        self.upload_with("rclone")

    def test_curl(self):
        self.upload_with("curl")

    def test_putty(self):
        self.upload_with("p")

    def test_asyncssh(self):
        self.upload_with("asyncssh")


class Keys(RecorderCase):
    def test_each_kind_of_key_logs_in_and_no_other(self):
        for kind, options in (("rsa", ("-t", "rsa", "-b", "3072")), ("ecdsa", ("-t", "ecdsa", "-b", "256")),
                              ("ecdsa-521", ("-t", "ecdsa", "-b", "521"))):
            key = self.make_key(kind, *options)
            self.vault.must("recorder", "add", kind, "--ssh-key", key + ".pub", "--own")
            client = RawRecorder(self.site(kind, key, name=kind))
            self.assertIsNone(client.size("/none.wav"))
            client.die()
        other = self.make_key("other")
        for account, key in (("pbx-1", other), ("rsa", self.key), ("acme", self.key), ("nobody", self.key)):
            with self.assertRaises(ConnectionError) as refused:
                RawRecorder(self.site(account, key, name=f"wrong-{account}-{os.path.basename(key)}"))
            self.assertIn("Permission denied", str(refused.exception))
        weak = self.make_key("weak", "-t", "rsa", "-b", "2048")
        done = self.vault.run("recorder", "add", "weak", "--ssh-key", weak + ".pub", "--own")
        self.assertEqual((done.code, "3072" in done.err), (2, True), done.err)

    def test_a_password_is_nothing_to_a_recorder_and_a_key_nothing_to_a_customer(self):
        self.make_recordings(1)
        self.vault.ingest(self.in_dir)
        delivery = self.vault.deliver()
        words = Client(self.folder, self.daemon.port, {**delivery, "account": "pbx-1"}).refusal()
        self.assertIsNotNone(words)
        self.assertEqual(self.vault.state_of(delivery), "open")
        # The customer's own keys are offered first, and do not count as tries.
        many = [self.make_key(f"k{i}") for i in range(8)]
        client = Client(self.folder, self.daemon.port, delivery)
        client.more = ["-o", "PubkeyAuthentication=yes", *[o for k in many for o in ("-i", k)]]
        command = [c for c in client.command(*client.more) if c != "PubkeyAuthentication=no"]
        command = [c for i, c in enumerate(command) if not (c == "-o" and command[i + 1:i + 2] == ["-o"])]
        client.command = lambda *more: command
        got = os.path.join(self.folder, "got")
        os.mkdir(got)
        done = client.run("get *.wav", cwd=got)
        self.assertEqual(done.code, 0, done.out)
        self.assertEqual(sorted(os.listdir(got)), os.listdir(self.in_dir))

    def test_a_removed_recorder_is_cut_off_and_holds_nothing_more(self):
        client = RawRecorder(self.site())
        handle = client.put("half.wav")
        self.assertEqual(client.write(handle, 0, b"RIFF" + os.urandom(1000)), raw.OK)
        self.vault.must("recorder", "remove", "pbx-1")
        began = time.time()
        self.until(lambda: not self.daemon.sessions(), 5, "its session goes on")
        self.assertLess(time.time() - began, 4)
        client.die()
        self.assertEqual(self.vault.states(), {})
        with self.assertRaises(ConnectionError):
            RawRecorder(self.site(name="again"))
        self.clean()

    def test_an_edited_row_lets_nobody_in(self):
        subprocess.run(["sqlite3", os.path.join(self.vault.dir, "catalog.db"),
                        "UPDATE recorder SET class = 'own', customer = NULL"], check=True) \
            if shutil.which("sqlite3") else self.skipTest("sqlite3 not installed")
        with self.assertRaises(ConnectionError):
            RawRecorder(self.site())
        check = self.vault.check()
        self.assertEqual(check.code, 6)
        self.assertIn("recorder pbx-1 was changed", check.out)


class Drop(RecorderCase):
    def setUp(self):
        super().setUp()
        self.client = RawRecorder(self.site())
        self.addCleanup(self.client.die)

    def wav(self, size=5000):
        path = os.path.join(self.folder, "sound.wav")
        write_wav(path, os.urandom(size))
        with open(path, "rb") as f:
            return f.read()

    def put_whole(self, name, sound):
        handle = self.client.put(name)
        self.assertIsInstance(handle, bytes, f"OPEN of {name!r}: status {handle}")
        self.assertEqual(self.client.write(handle, 0, sound), raw.OK)
        return self.client.close(handle)

    def test_it_lists_reads_overwrites_and_deletes_nothing(self):
        sound = self.wav()
        self.assertEqual(self.put_whole("/a.wav", sound), raw.OK)
        self.assertEqual(self.client.size("/a.wav"), len(sound))
        self.assertEqual(self.client.open("/a.wav"), raw.PERMISSION_DENIED)
        self.assertEqual(self.client.put("/a.wav"), raw.PERMISSION_DENIED)
        self.assertEqual(self.client.put("/a.wav", 2), raw.PERMISSION_DENIED)
        self.assertEqual(self.client.remove("/a.wav"), raw.PERMISSION_DENIED)
        self.assertEqual(self.client.path(RENAME, "/a.wav", raw.text("/b.wav")), raw.PERMISSION_DENIED)
        self.assertEqual(self.client.path(RMDIR, "/"), raw.PERMISSION_DENIED)
        self.assertEqual(self.client.path(SETSTAT, "/a.wav", struct.pack(">IQ", 1, 0)), raw.PERMISSION_DENIED)
        kind, body = self.client.ask(OPENDIR, raw.text("/"))
        self.assertEqual(kind, raw.HANDLE)
        self.assertEqual(self.client.status(READDIR, raw.text(body[4:])), raw.EOF)
        # Another recorder sees nothing of it, nor does this one when it comes back.
        self.vault.must("recorder", "add", "pbx-2", "--ssh-key", self.key + ".pub", "--customer", "acme")
        other = RawRecorder(self.site("pbx-2", name="other"))
        self.assertIsNone(other.size("/a.wav"))
        other.die()
        self.client.die()
        self.until(lambda: not self.daemon.sessions(), 10, "its session stays")
        again = RawRecorder(self.site(name="again"))
        self.assertIsNone(again.size("/a.wav"))
        again.die()
        self.assertEqual(len(self.rows()), 1)
        self.clean()

    def test_what_is_refused_stands_in_the_log_without_its_name(self):
        self.assertEqual(self.put_whole("/0123456.wav", self.wav()), raw.OK)
        self.assertEqual(self.client.put("/0123456.wav"), raw.PERMISSION_DENIED)
        handle = self.client.put("/half-0123456.wav")
        self.assertEqual(self.client.write(handle, 0, self.wav()[:1000]), raw.OK)
        self.client.die()
        self.until(lambda: not self.daemon.sessions(), 10, "its session stays")
        with open(self.daemon.log.name, errors="replace") as log:
            text = log.read()
        self.assertIn("an upload is refused to a recorder: what was uploaded stays as it is", text)
        self.assertIn("an upload that was not whole was dropped", text)
        self.assertNotIn("0123456", text)
        self.clean()

    def test_names_are_data_and_lead_nowhere(self):
        sound = self.wav()
        outside = set(os.listdir(self.folder))
        for name in ("../a.wav", "/../../etc/cron.d/a", "a/../../b.wav", "..", "/", "a\0b.wav"):
            self.assertEqual(self.client.put(name), raw.PERMISSION_DENIED, name)
        names = ["/etc/passwd.wav", "C:\\a\\..\\b.wav", "\x1b[31mred\x07.wav", "<script>alert(1)</script>.wav",
                 "=HYPERLINK(\"x\").wav", "line\nbreak.wav", b"\xff\xfe.wav", "a" * 300 + ".wav", "\u202egnp.wav"]
        for name in names:
            self.assertEqual(self.put_whole(name, self.wav()), raw.OK, name)
        self.assertEqual(self.put_whole("last.wav", sound), raw.OK)
        self.assertEqual(len(self.rows()), len(names) + 1)
        self.assertEqual(set(os.listdir(self.folder)) - outside, {"sound.wav"} - outside)
        shown = self.vault.must("list").out
        for character in ("\x1b", "\x07", "\u202e"):
            self.assertNotIn(character, shown)
        self.assertEqual(len(shown.splitlines()), len(names) + 2)
        self.clean()

    def test_pieces_in_any_order_but_none_twice(self):
        sound = self.wav(90_000)
        handle = self.client.put("order.wav")
        for offset in (60_000, 30_000, 0):
            self.assertEqual(self.client.write(handle, offset, sound[offset:offset + 30_000]), raw.OK)
        self.assertEqual(self.client.write(handle, 90_000, sound[90_000:]), raw.OK)
        self.assertEqual(self.client.close(handle), raw.OK)
        handle = self.client.put("twice.wav")
        self.assertEqual(self.client.write(handle, 0, sound), raw.OK)
        self.assertEqual(self.client.write(handle, 0, b"RIFX"), raw.PERMISSION_DENIED)
        self.assertEqual(self.client.close(handle), raw.FAILURE)
        handle = self.client.put("gap.wav")
        self.assertEqual(self.client.write(handle, 5, sound), raw.OK)
        self.assertEqual(self.client.close(handle), raw.FAILURE)
        handle = self.client.put("far.wav")
        self.assertEqual(self.client.write(handle, 5 << 20, sound), raw.FAILURE)
        self.assertEqual(self.client.close(handle), raw.FAILURE)
        self.assertEqual([r["name"] for r in self.rows()], ["order.wav"])
        with open(os.path.join(self.folder, "sound.wav"), "wb") as f:
            f.write(sound)
        self.assertEqual(self.content("order.wav"), sha256(os.path.join(self.folder, "sound.wav")))
        self.clean()

    def test_twice_is_held_once_also_over_another_connection(self):
        sound = self.wav()
        self.assertEqual(self.put_whole("a.wav", sound), raw.OK)
        other = RawRecorder(self.site(name="other"))
        handle = other.put("a.wav")
        self.assertEqual(other.write(handle, 0, sound), raw.OK)
        self.assertEqual(other.close(handle), raw.OK)
        other.die()
        self.assertEqual(len(self.rows()), 1)
        self.clean()

    def test_a_wav_whose_sizes_disagree_is_quarantined(self):
        sound = self.wav()
        self.assertEqual(self.put_whole("cut.wav", sound[:3000]), raw.OK)
        self.assertEqual(self.client.close(self.client.put("empty.wav")), raw.OK)
        rows = self.vault.must("list", "--json").json()
        self.assertEqual(len(rows), 2)
        done = self.vault.run("deliver", "acme", "--all")
        self.assertEqual(done.code, 3, done.out + done.err)
        self.clean()

    def test_a_client_that_dies_half_way_leaves_nothing(self):
        self.client.die()
        for name in ("half.wav", "whole.wav.part"):
            client = RawRecorder(self.site(name=f"home-{name}"))
            handle = client.put(name)
            self.assertEqual(client.write(handle, 0, self.wav(100_000)), raw.OK)
            if name.endswith(".part"):
                self.assertEqual(client.close(handle), raw.OK)
            self.assertEqual(len(self.objects()), 1)
            client.die()
            self.until(lambda: not self.objects(), 10, "its object stays")
        self.assertEqual(self.vault.states(), {})
        self.clean()

    def test_a_daemon_that_is_killed_half_way_cleans_up_at_its_start(self):
        self.assertEqual(self.put_whole("first.wav", self.wav()), raw.OK)
        handle = self.client.put("half.wav")
        self.assertEqual(self.client.write(handle, 0, self.wav(100_000)), raw.OK)
        self.daemon.kill()
        self.assertEqual(len(self.vault.states()), 1)
        self.assertEqual(len(self.objects()), 2)
        self.daemon = self.start(self.vault)
        self.clean()

    def test_no_key_lies_about_and_no_sound_or_name(self):
        """On the disk, in the keeper, and in the session that talked to the recorder, while all of them still run."""
        sound = self.wav(300_000)
        handle = self.client.put("secret-name-4711.wav")
        for offset in range(0, len(sound), 100_000):
            self.assertEqual(self.client.write(handle, offset, sound[offset:offset + 100_000]), raw.OK)
        self.assertEqual(self.client.close(handle), raw.OK)
        recording, = self.vault.states()
        key = bytes.fromhex(subprocess.run(
            [os.path.join(BIN, "e2e_file_key"), self.vault.dir, self.vault.identity, self.vault.passphrase, recording],
            check=True, capture_output=True, text=True).stdout.strip())
        self.assertEqual(len(key), 16)
        keys = {"the file key": key, "the file key in hex": key.hex().encode()}
        clear = {f"sound at {at}": sound[at:at + 48] for at in (10_000, 150_000, 299_000)}
        for base, _, files in os.walk(self.vault.dir):
            for name in files:
                with open(os.path.join(base, name), "rb") as f:
                    self.search(f.read(), {**keys, **clear, "its name": b"secret-name-4711"}, name)
        session, = self.daemon.sessions()
        # The search itself must be able to find things. The session's memory holds what passed: it ends with its line.
        for pid, known, needles in ((self.daemon.pid, b"callvault/v1/", {**keys, **clear}), (session, b"pbx-1", keys)):
            memory = Secrets.memory(self, pid)
            self.assertTrue(any(known in part for part in memory), "the memory was not read")
            for part in memory:
                self.search(part, needles, f"the memory of {pid}")

    def search(self, text, needles, where):
        for what, needle in needles.items():
            self.assertFalse(needle in text, f"{what} lies in {where}")


if __name__ == "__main__":
    unittest.main()
