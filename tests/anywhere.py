"""`make test-anywhere`: run tests/unit and tests/simulated in different circumstances and in random order.

Each of the nine runs takes minutes. Arguments of `python -m tests.anywhere` select circumstances by their names. Only
root can run the tests as another user: in a copy of the checkout, into which pip installs the dependencies.
"""

import os
import pwd
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).parents[1]
LOGS = TOP / "build" / "anywhere"
USER = "nobody"
AS_USER = ("setpriv", f"--reuid={USER}", f"--regid={pwd.getpwnam(USER).pw_gid}", "--clear-groups")
PYTEST = (
    *("-m", "pytest", "tests/unit", "tests/simulated"),
    *("--numprocesses=2", "--dist=loadscope", "--no-loadscope-reorder"),
)


@dataclass(frozen=True)
class Circumstance:
    """How the tests are started. The defaults change nothing."""

    name: str
    before: tuple[str, ...] = ()
    """Words that precede the command line."""
    arguments: tuple[str, ...] = ()
    """Additional arguments of pytest."""
    environment: Mapping[str, str] = field(default_factory=dict)
    umask: int = 0o022
    checkout: Path = TOP

    def passes(self) -> bool:
        """Run the tests, print the result, and return whether they passed."""
        begun = time.monotonic()
        log = LOGS / f"{self.name}.log"
        with log.open("w") as output:
            done = subprocess.run(
                [*self.before, ".venv/bin/python", *PYTEST, *self.arguments],
                cwd=self.checkout,
                env={name: value for name, value in os.environ.items() if name != "CI"} | {**self.environment},
                umask=self.umask,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
        lines = log.read_text().splitlines() or [""]
        print(f"{self.name}: {lines[-1].strip('= ')} ({time.monotonic() - begun:.0f} s)", flush=True)
        if done.returncode:
            found = [line for line in lines if re.match("FAILED|ERROR", line)]
            print(*found, f"status {done.returncode}; full output: {log}", sep="\n", flush=True)
        return done.returncode == 0


def circumstances() -> Iterator[Circumstance]:
    """Yield the circumstances that need only this checkout."""
    yield Circumstance("nohup", before=("nohup",))
    yield Circumstance("no-terminal", before=("setsid", "--wait"))
    yield Circumstance("locale", environment={"LC_ALL": "C"})
    yield Circumstance("time-zone", environment={"TZ": "Asia/Tokyo"})
    yield Circumstance("umask", umask=0o077)
    for number in (1, 2, 3):
        seed = random.randrange(1 << 32)
        yield Circumstance(f"order-{number}", arguments=("-p", "randomly", f"--randomly-seed={seed}"))


@contextmanager
def normal_user() -> Iterator[Circumstance]:
    """Yield the circumstances of a user who is not root, in a copy of the checkout."""
    with tempfile.TemporaryDirectory(prefix="usbrh-anywhere-") as name:
        Path(name).chmod(0o755)
        checkout = Path(name, "usbrh")
        listed = subprocess.check_output(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=TOP, text=True
        )
        for each in listed.strip("\0").split("\0"):
            if (TOP / each).exists():
                (checkout / each).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(TOP / each, checkout / each, follow_symlinks=False)
        subprocess.run(["chown", "-R", f"{USER}:", name], check=True)
        home = {"HOME": name, "USER": USER, "LOGNAME": USER, "PATH": "/usr/local/bin:/usr/bin:/bin"}
        python = next(filter(usable, (str(Path(sys.executable).resolve()), "/usr/bin/python3")), None)
        if python is None:
            sys.exit(f"{USER} can run no Python of 3.11 or newer with venv: sudo apt install python3 python3-venv")
        make = [*AS_USER, "make", "--silent", f"PYTHON={python}", ".venv/tests-installed"]
        subprocess.run(make, cwd=checkout, env=os.environ | home, check=True)
        yield Circumstance("normal-user", before=AS_USER, environment=home, checkout=checkout)


def usable(python: str) -> bool:
    """Return whether the user may run this Python, and can create a virtual environment with it."""
    program = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
    # A shell starts it, because setpriv itself still has the permissions of root when it finds a program.
    words = [*AS_USER, "sh", "-c", 'exec "$@"', "sh", python, "-c", program]
    return subprocess.run(words, cwd="/", stderr=subprocess.DEVNULL, check=False).returncode == 0


def main() -> None:
    """Run the tests in each circumstance. The exit status is 1 if they failed in one."""
    chosen = set(sys.argv[1:])
    LOGS.mkdir(parents=True, exist_ok=True)
    passed = [each.passes() for each in circumstances() if not chosen or each.name in chosen]
    if os.geteuid() == 0 and (not chosen or "normal-user" in chosen):
        with normal_user() as user:
            passed.append(user.passes())
    print(f"{passed.count(True)} passed, {passed.count(False)} failed")
    sys.exit(not all(passed) or not passed)


if __name__ == "__main__":
    main()
