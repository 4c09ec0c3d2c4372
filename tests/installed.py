"""`make test-install`: install the wheel with pip, pipx and uv, each in its own folder, and use it.

By hand, since it asks a package index for pipx, uv and the libraries. It changes nothing outside of its folder.
"""

import os
import pty
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support import shells

TOP = Path(__file__).parent.parent
SECONDS = 300


class Place:
    """A folder for everything, and the environment that keeps pipx and uv in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("USBRH_")} | {
            "PATH": f"{folder}/tools/bin:{os.environ['PATH']}",
            "PIPX_HOME": f"{folder}/pipx",
            "PIPX_BIN_DIR": f"{folder}/pipx/bin",
            "PIPX_MAN_DIR": f"{folder}/pipx/man",
            "UV_TOOL_DIR": f"{folder}/uv",
            "UV_TOOL_BIN_DIR": f"{folder}/uv/bin",
            "UV_CACHE_DIR": f"{folder}/uv-cache",
            "USBRH_SIMULATE": "1",
            "TERM": "xterm",
        }

    def run(self, *command: str, status: int = 0) -> str:
        """Run a command and return its stdout and stderr together."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == status, f"{shlex.join(command)}: status {done.returncode}\n{done.stdout}"
        return done.stdout

    def on_a_terminal(self, *command: str, wanted: str) -> str:
        """Run a command on a terminal until ``wanted`` appears, and return everything that appeared."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe(command[0], command, self.environment)
        try:
            return shells.expect(terminal, wanted)
        finally:
            shells.end(pid, terminal)


def in_venv(place: Place, wheel: str) -> str:
    place.run(sys.executable, "-m", "venv", "--clear", "venv")
    place.run("venv/bin/pip", "install", "--quiet", wheel)
    return f"{place.folder}/venv/bin/usbrh"


def by_pipx(place: Place, wheel: str) -> str:
    place.run("pipx", "install", "--force", wheel)
    return f"{place.folder}/pipx/bin/usbrh"


def by_uv(place: Place, wheel: str) -> str:
    place.run("uv", "tool", "install", "--force", wheel)
    return f"{place.folder}/uv/bin/usbrh"


def use(place: Place, usbrh: str) -> None:
    """Check that the command runs and finds its installed files."""
    assert place.run(usbrh, "--version").startswith("usbrh ")
    assert "31.69 °C" in place.run(usbrh, "read")
    place.run(usbrh, "demo")
    planned = place.run(usbrh, "setup", "--dry-run")
    assert "/usbrh" in planned or "nothing to do" in planned, planned
    for line in place.run(usbrh, "zabbix", "template", "templates").splitlines():
        written = place.folder / line
        assert written.read_bytes() == (TOP / "zabbix" / line).read_bytes(), line
    lost = "from usbrh.system.resources import resource\nfor name in {}: assert resource(name).is_file(), name"
    names = [str(path.relative_to(TOP)) for top in ("udev", "systemd", "etc") for path in (TOP / top).rglob("*.*")]
    python = str(Path(usbrh).resolve().with_name("python"))
    place.run(python, "-c", lost.format([name for name in names if (TOP / name).is_file()]))


def fix(place: Place, usbrh: str) -> None:
    """Install a missing library with the command in the message."""
    words = place.on_a_terminal(usbrh, "watch", wanted=" rich\r\n")
    command = words.partition("usbrh watch needs rich; ")[2].strip()
    print(f"  {command}")
    place.run(*shlex.split(command))
    place.on_a_terminal(usbrh, "watch", wanted="usbrh watch")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="usbrh-install-") as name:
        place = Place(Path(name))
        place.run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", name, str(TOP))
        place.run(sys.executable, "-m", "venv", "tools")
        place.run("tools/bin/pip", "install", "--quiet", "pipx", "uv")
        [wheel] = Path(name).glob("*.whl")
        methods: dict[str, Callable[[Place, str], str]] = {"pip": in_venv, "pipx": by_pipx, "uv tool": by_uv}
        for method, install in methods.items():
            begun = time.monotonic()
            print(f"{method}: installing, using, adding a library", flush=True)
            usbrh = install(place, str(wheel))
            use(place, usbrh)
            fix(place, usbrh)
            # Again, with an extra.
            usbrh = install(place, f"{wheel}[watch]")
            place.on_a_terminal(usbrh, "watch", wanted="usbrh watch")
            print(f"ok: {method}, {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
