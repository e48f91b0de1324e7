"""The real SFTP clients as recorders use them: each logs in with a key and uploads files, with nobody at a keyboard.

A way is a function of a RecorderSite, the local files, and the folder they lie in.
"""
import base64
import os
import subprocess

from clients import HERE, PYTHON, Site

WAYS = []


class RecorderSite(Site):
    """One recorder behind one port, with its key in a home folder."""

    def __init__(self, home, port, account, key, fingerprint, host_key):
        super().__init__(home, port, {"account": account, "password": "none", "fingerprint": fingerprint}, host_key)
        self.key = key
        self.ssh_options = ["-F", "/dev/null", "-o", f"UserKnownHostsFile={self.known_hosts}", "-o",
                            "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o",
                            f"IdentityFile={key}", "-o", "ConnectTimeout=30"]

    def ppk(self):
        """The same key as PuTTY has it."""
        path = os.path.join(self.home, "key.ppk")
        if not os.path.exists(path):
            subprocess.run(["puttygen", self.key, "-o", path, "-O", "private"], check=True, capture_output=True)
        return path


def way(name, *needs):
    def add(run):
        WAYS.append((name, needs, run))
        return run
    return add


@way("sftp put", "sftp")
def _(site, files, folder):
    batch = "".join(f"put {f}\n" for f in files)
    return site.run(["sftp", "-q", "-b", "-", *site.ssh_options, "-P", str(site.port), f"{site.account}@127.0.0.1"], folder,
                    batch)


@way("sftp put -p, then rename", "sftp")
def _(site, files, folder):
    batch = "".join(f"put -p {f} {f}.part\nrename {f}.part {f}\n" for f in files)
    return site.run(["sftp", "-q", "-b", "-", *site.ssh_options, "-P", str(site.port), f"{site.account}@127.0.0.1"], folder,
                    batch)


@way("sftp put -r", "sftp")
def _(site, files, folder):
    return site.run(["sftp", "-q", "-b", "-", *site.ssh_options, "-P", str(site.port), f"{site.account}@127.0.0.1"], folder,
                    f"put -r {folder}\n")


@way("scp -s", "scp")
def _(site, files, folder):
    return site.run(["scp", "-s", "-q", *site.ssh_options, "-P", str(site.port), *files, f"{site.account}@127.0.0.1:"], folder)


@way("scp -s -r -p", "scp")
def _(site, files, folder):
    return site.run(["scp", "-s", "-q", "-r", "-p", *site.ssh_options, "-P", str(site.port), folder,
                     f"{site.account}@127.0.0.1:/"], folder)


def lftp(site, folder, *commands):
    ssh = " ".join(["ssh", "-a", "-x", *site.ssh_options])
    script = site.secret("lftp.txt", "\n".join([
        f'set sftp:connect-program "{ssh}"', "set net:max-retries 2", "set net:reconnect-interval-base 1",
        "set cmd:fail-exit yes", f"open -u {site.account},none sftp://127.0.0.1:{site.port}", *commands, ""]))
    return site.run(["lftp", "--norc", "-f", script], folder)


@way("lftp put", "lftp")
def _(site, files, folder):
    return lftp(site, folder, *[f"put {f}" for f in files])


@way("lftp put, temporary names", "lftp")
def _(site, files, folder):
    return lftp(site, folder, "set xfer:use-temp-file yes", *[f"put {f}" for f in files])


@way("lftp mirror -R", "lftp")
def _(site, files, folder):
    return lftp(site, folder, f"mirror -R {folder} calls")


@way("lftp mirror -R -P4", "lftp")
def _(site, files, folder):
    return lftp(site, folder, f"mirror -R -P4 {folder} /")


@way("rclone copy", "rclone")
def _(site, files, folder):
    config = site.secret("rclone.conf", f"[vault]\ntype = sftp\nhost = 127.0.0.1\nport = {site.port}\n"
                         f"user = {site.account}\nkey_file = {site.key}\nknown_hosts_file = {site.known_hosts}\n")
    return site.run(["rclone", "--config", config, "copy", folder, "vault:/"], folder)


@way("rclone copy into a folder", "rclone")
def _(site, files, folder):
    config = site.secret("rclone.conf", f"[vault]\ntype = sftp\nhost = 127.0.0.1\nport = {site.port}\n"
                         f"user = {site.account}\nkey_file = {site.key}\nknown_hosts_file = {site.known_hosts}\n")
    return site.run(["rclone", "--config", config, "copy", folder, "vault:2026/11"], folder)


@way("curl -T", "curl")
def _(site, files, folder):
    key = base64.b64encode(base64.b64decode(site.fingerprint.removeprefix("SHA256:") + "==")).decode()
    config = f'user = "{site.account}:"\nkey = "{site.key}"\npubkey = "{site.key}.pub"\nhostpubsha256 = "{key}"\nsilent\n' \
             'show-error\nftp-create-dirs\n'
    config += "".join(f'url = "sftp://127.0.0.1:{site.port}/calls/{f}"\nupload-file = "{f}"\n' for f in files)
    return site.run(["curl", "-K", site.secret("curl.txt", config)], folder)


@way("psftp put", "psftp", "puttygen")
def _(site, files, folder):
    batch = site.secret("psftp.txt", "".join(f"put {f}\n" for f in files) + "quit\n")
    return site.run(["psftp", "-batch", "-P", str(site.port), "-i", site.ppk(), "-hostkey", site.fingerprint, "-b", batch,
                     f"{site.account}@127.0.0.1"], folder)


@way("pscp", "pscp", "puttygen")
def _(site, files, folder):
    return site.run(["pscp", "-batch", "-sftp", "-p", "-P", str(site.port), "-i", site.ppk(), "-hostkey", site.fingerprint,
                     *files, f"{site.account}@127.0.0.1:/"], folder)


def python(module):
    @way(f"{module}", PYTHON, f"python:{module}")
    def _(site, files, folder):
        job = site.job(files, folder, site.key)
        return site.run([PYTHON, "-W", "ignore", os.path.join(HERE, "python_uploaders.py"), module], folder, job)


python("paramiko")
python("asyncssh")
