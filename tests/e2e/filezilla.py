"""FileZilla in its real window, on a screen that nobody sees: select all, download, quit.

The password lies in its site manager, in a private home folder; a mouse and keys do the rest. FileZilla's own log says how
far it is.
"""
import base64
import contextlib
import os
import subprocess
import time
from xml.sax.saxutils import escape

from harness import Finished

WIDTH, HEIGHT = 1200, 700
A_FILE = (700, 445)  # in the pane on the right; after a click below the last row not all keys go to the list
# What differs from a fresh FileZilla: no question stops it. It browses with one connection and transfers with two.
SETTINGS = {
    "Greeting version": "99.0.0",
    "Prompt password save": "0",
    "File exists action download": "1",  # overwrite
    "Window position and size": f"0 0 0 {WIDTH} {HEIGHT} ",
}
CONNECTED = "Status: Connected to"
LISTED = 'Directory listing of "/" successful'
STARTED = "Starting download"
TRANSFERRED = "File transfer successful"
FAILED = "File transfer failed"
SILENCE, AFTER_FAILURE = 40, 15  # seconds without a line in its log after which it has given up: it waits 20 and 5


def fetch_all(site, count, target):
    """Fetches everything there is; exit code 0 when that were `count` files, over three connections."""
    folder = os.path.join(site.home, "filezilla")  # site.home is XDG_CONFIG_HOME
    log = os.path.join(site.home, "filezilla.log")
    configure(site, folder, target, log)
    with screen(site) as display, started(site, display, "filezilla", "--site=0/vault") as window:
        if not said(log, LISTED, 1, window):
            return Finished(1, text_of(log), "")
        for _ in range(3):  # the log may be ahead of the window
            press(site, display, "mousemove", *map(str, A_FILE), "click", "1", "key", "ctrl+a", "key", "Return")
            if said(log, STARTED, 1, window, 20):
                break
        whole = said(log, TRANSFERRED, count, window) and said(log, CONNECTED, 3, window)
        quit_window(site, display, window)
        return Finished(0 if whole and window.returncode == 0 else 1, text_of(log), "")


def quit_window(site, display, window):
    """Its log is ahead of its queue: it may ask whether to stop the transfers that it shows yet. Escape says no."""
    for _ in range(5):
        press(site, display, "key", "Escape", "key", "ctrl+q")
        with contextlib.suppress(subprocess.TimeoutExpired):
            window.wait(5)
            return


def configure(site, folder, target, log):
    os.mkdir(folder)
    os.mkdir(os.path.join(site.home, "putty"))
    site.secret("putty/sshhostkeys", putty_host_key(site))
    settings = "".join(f'<Setting name="{k}">{escape(v)}</Setting>\n'
                       for k, v in {**SETTINGS, "Logging file": log}.items())
    site.secret("filezilla/filezilla.xml", f"<FileZilla3><Settings>\n{settings}</Settings></FileZilla3>\n")
    password = base64.b64encode(site.password.encode()).decode()
    site.secret("filezilla/sitemanager.xml", f"""<FileZilla3><Servers><Server>
<Host>127.0.0.1</Host><Port>{site.port}</Port><Protocol>1</Protocol><Logontype>1</Logontype>
<User>{escape(site.account)}</User><Pass encoding="base64">{password}</Pass>
<Name>vault</Name><LocalDir>{escape(target)}</LocalDir>
</Server></Servers></FileZilla3>
""")


def putty_host_key(site):
    """The known host as PuTTY stores it, from which FileZilla's SFTP part comes: the point of an Ed25519 key, both parts."""
    with open(site.known_hosts) as f:
        _, kind, key = f.read().split()
    assert kind == "ssh-ed25519"
    p = 2**255 - 19
    number = int.from_bytes(base64.b64decode(key)[-32:], "little")
    odd, y = number >> 255, number % 2**255
    square = (y * y - 1) * pow(-121665 * pow(121666, -1, p) * y * y + 1, -1, p) % p
    x = pow(square, (p + 3) // 8, p)
    if x * x % p != square:
        x = x * pow(2, (p - 1) // 4, p) % p
    if x % 2 != odd:
        x = p - x
    return f"{kind}@{site.port}:127.0.0.1 {x:#x},{y:#x}\n"


@contextlib.contextmanager
def screen(site):
    """A screen of its own; the X server chooses the number and says it."""
    server = subprocess.Popen(["Xvfb", "-displayfd", "1", "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield f":{int(server.stdout.readline())}"
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


@contextlib.contextmanager
def started(site, display, *command):
    process = subprocess.Popen(command, cwd=site.home, env={**site.environment(), "DISPLAY": display},
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()


def press(site, display, *keys):
    subprocess.run(["xdotool", *keys], env={**site.environment(), "DISPLAY": display}, check=True, timeout=60)


def text_of(path):
    with contextlib.suppress(FileNotFoundError):
        with open(path, errors="replace") as f:
            return f.read()
    return ""


def said(log, words, times, process, silence=SILENCE):
    """Waits until the log has the words that often; False when the program has ended or says nothing any more."""
    seen, since = "", time.monotonic()
    while seen.count(words) < times:
        text = text_of(log)
        if text != seen:
            seen, since = text, time.monotonic()
        elif process.poll() is not None or time.monotonic() > since + (AFTER_FAILURE if FAILED in text else silence):
            return False
        else:
            time.sleep(0.1)
    return True
