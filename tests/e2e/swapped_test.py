"""A column of the catalogue that somebody edited by hand: deliver, grant, get and the sweep refuse with exit 6."""
import os
import sqlite3

import harness
from harness import Client, EndToEnd

EDITS = (("customer = 'beta'", "customer = 'acme'"),
         ("class = 'own', customer = NULL", "class = 'customer', customer = 'acme'"))


class Swapped(EndToEnd):
    def setUp(self):
        super().setUp()
        self.vault = harness.Vault(self.folder)
        self.vault.must("customer", "add", "acme", "--name", "Acme Ltd", "--linger", "10")
        self.vault.must("customer", "add", "beta", "--name", "Beta Ltd")
        self.names = sorted(self.make_recordings(2))
        ids = {r["name"]: r["id"] for r in self.vault.ingest(self.in_dir)}
        self.downloaded, self.held = (ids[name] for name in self.names)
        self.delivery = self.vault.deliver("acme", self.downloaded)

    def set(self, values, recording):
        with sqlite3.connect(os.path.join(self.vault.dir, "catalog.db")) as db:
            changed = db.execute(f"UPDATE recording SET {values} WHERE id = ?", (recording,)).rowcount
        self.assertEqual(changed, 1)

    def refused(self, recording, *command):
        done = self.vault.run(*command)
        self.assertEqual(done.code, 6, f"{command[0]}: {done.out}{done.err}")
        self.assertIn(recording, done.out + done.err)

    def lies(self, recording):
        return os.path.exists(os.path.join(self.vault.dir, "objects", recording[2:4], recording))

    def test_an_edited_owner_is_refused_by_deliver_grant_get_and_the_sweep(self):
        daemon = self.start(self.vault)
        got = Client(self.folder, daemon.port, self.delivery).run(f"get {self.names[0]} {self.folder}/got.wav")
        self.assertEqual(got.code, 0, got.out)
        self.until(lambda: self.vault.states()[self.downloaded] == "erasing", 30, "it does not linger")
        daemon.stop()
        self.set("linger_until = 1", self.downloaded)  # its time is over: the next sweep erases it
        out = os.path.join(self.folder, "out.wav")
        for edit, back in EDITS:
            self.set(edit, self.held)
            for command in (("deliver", "beta" if "beta" in edit else "acme", self.held),
                            ("grant", self.held, "--to", "front-desk"), ("get", self.held, "-o", out)):
                self.refused(self.held, *command)
            self.set(back, self.held)
            self.assertFalse(os.path.exists(out))

            self.set(edit, self.downloaded)
            self.refused(self.downloaded, "check", "--repair")
            self.assertTrue(self.lies(self.downloaded))
            self.assertEqual(self.vault.states(), {self.downloaded: "erasing", self.held: "sealed"})
            self.set(back, self.downloaded)
        self.assertEqual(self.vault.must("grant", "list", "--json").json(), [])
        self.assertEqual(len(self.vault.must("delivery", "list", "--json").json()), 1)
        self.vault.must("check", "--repair")
        self.assertEqual(self.vault.states(), {self.downloaded: "erased", self.held: "sealed"})
        self.assertFalse(self.lies(self.downloaded))
        self.vault.must("get", self.held, "-o", out)
