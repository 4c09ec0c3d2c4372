"""Programs that run until a test stops them, each in its own session."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support import processes


def wait_for(what: str, probe: Callable[[], object], seconds: float = 30.0, step: float = 0.05) -> None:
    """Wait until ``probe`` returns a true value, for at most ``seconds``.

    Raises:
        TimeoutError: it did not return one in time.
    """
    end = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(step)


def free_port() -> int:
    """Return a free port of 127.0.0.1. Zabbix accepts no port above 32767."""
    while True:
        port = random.randrange(20000, 32768)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def scratch_directory(name: str) -> Path:
    """Create a directory that every user may enter. pytest's ``tmp_path`` is private."""
    path = Path(tempfile.mkdtemp(prefix=f"usbrh-{name}-"))
    path.chmod(0o755)
    (path / "var").mkdir()
    (path / "var").chmod(0o1777)
    return path


class Daemon:
    """One running program and its log file. A ``lasting`` daemon may outlive the test that starts it."""

    def __init__(
        self, name: str, command: list[str], log: Path, stop_signal: int = signal.SIGTERM, *, lasting: bool = False
    ) -> None:
        self.name = name
        self.log = log
        self.stop_signal = stop_signal
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        if lasting:
            processes.LASTING.add(self.process.pid)

    def wait_until(self, probe: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait until ``probe`` returns a true value. The error on failure has the end of the log as a note."""

        def ready_or_dead() -> bool:
            return bool(probe()) or self.process.poll() is not None

        try:
            wait_for(f"{self.name} is ready", ready_or_dead, seconds)
            if self.process.poll() is not None:
                raise ChildProcessError(f"{self.name} ended with status {self.process.returncode}")
        except OSError as error:
            self.stop()
            error.add_note(self.log.read_text(errors="replace")[-3000:])
            raise

    def stop(self) -> None:
        """Stop the program and everything that it started."""
        try:
            if self.process.poll() is None:
                self.process.send_signal(self.stop_signal)
                self.process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            processes.LASTING.discard(self.process.pid)
