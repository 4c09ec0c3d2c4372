"""A Debian system with OpenRC and cron in its own namespaces: a real OpenRC boots it and starts its services.

``python -m tests.support.openrc prepare`` installs the packages that this needs, and builds the root directory (half a
minute). It is kept below ``$XDG_CACHE_HOME/usbrh-tests/openrc`` (default ``~/.cache``). Tests write to an overlay. The
network is that of the host. Needs root.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from tests.support import processes
from tests.support.kernel import image
from tests.support.kernel.guest import COMMAND
from usbrh.zabbix.fake_server import FakeServer

PACKAGES = ["openrc", "cron", "busybox", "procps", "python3-click", "python3-serial", "python3-usb"]
"""busybox brings a syslogd. The Python packages are the dependencies of usbrh."""
RECIPE = [image.SUITE, PACKAGES, "steps 1"]
PYTHON_FOLDER = "usr/local/lib/python3.11/dist-packages"
ABSENT = "127.0.0.1:1"
"""The address of a server that does not run."""
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
MOUNT = """set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/up,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs dev
for each in $3; do touch "dev/$each"; mount --bind "/dev/$each" "dev/$each"; done
exec chroot . python3 -c "$4"
"""
FIRST_PROCESS = """import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN) # the kernel removes orphans that have ended
print("ready", flush=True)
while True:
    signal.pause()
"""


def why_not() -> str | None:
    """Return why these tests can't run; None if they can."""
    if os.geteuid():
        return "only root can use namespaces and files of several users: sudo make test"
    missing = [name for name in ("mmdebstrap", "unshare", "nsenter") if not shutil.which(name)]
    return f"no {', '.join(missing)}; as root: make test-openrc-deps" if missing else None


def root_directory() -> Path:
    """Return the root directory with the packages; build it if necessary. Several processes may call this at once."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "usbrh-tests" / "openrc"
    target = base / f"root-{hashlib.sha256(repr(RECIPE).encode()).hexdigest()[:16]}"
    base.mkdir(parents=True, exist_ok=True)
    with (base / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            new = Path(tempfile.mkdtemp(prefix="new-", dir=base))
            build = ["mmdebstrap", "--quiet", "--variant=apt", "--dpkgopt=force-unsafe-io", *image.proxy_options()]
            build += [f"--include={','.join(PACKAGES)}", image.SUITE, str(new), *image.sources()]
            done = subprocess.run(build, check=False, capture_output=True, text=True, timeout=300)
            if done.returncode:
                shutil.rmtree(new)
                raise SystemExit(f"mmdebstrap failed: {done.stderr[-2000:]}")
            new.chmod(0o755)
            new.rename(target)
    return target


class System:
    """One running system. ``close`` ends all its processes and forgets its files."""

    def __init__(self, folder: Path) -> None:
        """Start the first process. ``folder`` becomes the mount point of the system's files."""
        folder.mkdir()
        namespaces = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
        arguments = [str(folder), str(root_directory()), " ".join(DEVICES), FIRST_PROCESS]
        self._unshare = subprocess.Popen(
            [*namespaces, "sh", "-c", MOUNT, "sh", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.LASTING.add(self._unshare.pid)
        assert self._unshare.stdout
        ready = self._unshare.stdout.readline()
        if ready != "ready\n":
            self.close()
            raise OSError("the namespaces could not be set up")
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children").read_text(encoding="ascii")
        self._first = children.strip()

    def install(self, wheel: Path) -> None:
        """Install usbrh as /usr/bin/usbrh, and make /var/log/messages the log of a syslogd."""
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.path(PYTHON_FOLDER))
        self.put("/usr/bin/usbrh", COMMAND, mode=0o755)
        self.run("busybox syslogd -O /var/log/messages").check_returncode()

    def path(self, name: str) -> Path:
        """Return the path for this process of a file in the system."""
        return Path(f"/proc/{self._first}/root") / name.lstrip("/")

    def put(self, name: str, text: str, mode: int = 0o644) -> None:
        """Write a file."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    def run(self, command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a shell line as root. Its stdout also has its stderr. Services that it starts continue."""
        enter = ["nsenter", f"--target={self._first}", "--mount", "--pid", "--uts", "--ipc", "--root"]
        environment = ["env", "--chdir=/", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"]
        # A file instead of a pipe: a service keeps a pipe open, and the end would never come.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            done = subprocess.run(
                [*enter, *environment, "sh", "-c", command],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=timeout,
            )
            output.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, output.read(), "")

    def do(self, command: str, timeout: float = 60) -> str:
        """Run a shell line that must succeed, and return its output."""
        done = self.run(command, timeout)
        assert done.returncode == 0, f"{command}: status {done.returncode}: {done.stdout}"
        return done.stdout

    def close(self) -> None:
        """End all processes of the system."""
        self._unshare.kill()
        self._unshare.communicate(timeout=30)
        processes.LASTING.discard(self._unshare.pid)


class CronSystem(NamedTuple):
    """A system where cron runs `usbrh send`, and one of its two servers. The other one is ``ABSENT``."""

    system: System
    server: FakeServer


def main() -> None:
    """Prepare the tests."""
    if sys.argv[1:] != ["prepare"]:
        raise SystemExit("usage: python -m tests.support.openrc prepare")
    if not shutil.which("mmdebstrap"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for step in (["update"], ["install", "--yes", "--no-install-recommends", "mmdebstrap"]):
            subprocess.run(["apt-get", "-qq", *step], check=True, env=environment)
    root_directory()


if __name__ == "__main__":
    main()
