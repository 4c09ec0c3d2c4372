"""The usbrh command as a user runs it: as a process, with virtual sensors."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.support import processes
from tests.support.circumstances import Circumstances

USBRH = Path(sys.executable).parent / "usbrh"
FORK_SERVER = Path(__file__).with_name("fork_server.py")
START_SECONDS = 60.0
"""s within which the fork server must import usbrh and answer."""
NEUTRAL = {
    os.fsdecode(name): os.fsdecode(value) for name, value in Circumstances.current().neutral().environment.items()
}
USER = os.getresuid()


def usbrh(*words: str, timeout: float = 30, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end, in the environment of all tests plus ``environment``."""
    return run(words, os.environ | environment, timeout)


def run(
    words: Sequence[str], environment: Mapping[str, str], timeout: float = 60, *, before: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end, after the Python code ``before`` in the same process.

    The process is a fork of one that has imported usbrh. If the environment changes how Python starts, or this process
    acts as another user, it is a new process.
    """
    if before or _can_fork(environment):
        return _fork(words, environment, timeout, before)
    command = [str(USBRH), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, env=environment)


def start(
    words: Sequence[str],
    environment: Mapping[str, str],
    *,
    before: str = "",
    stdin: int | IO[Any] | None = None,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
) -> "subprocess.Popen[str]":
    """Start the command as ``run`` does. The streams are those of ``Popen``."""
    command = [str(USBRH), *words]
    if before or _can_fork(environment):
        return _Fork(command, environment, before, stdin=stdin, stdout=stdout, stderr=stderr)
    return subprocess.Popen(command, env=environment, stdin=stdin, stdout=stdout, stderr=stderr, text=True)


def _can_fork(environment: Mapping[str, str]) -> bool:
    return _start(environment) == _start(NEUTRAL) and os.getresuid() == USER


def _start(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that Python and the C library read only when a process starts."""
    prefixes = ("PYTHON", "LC_", "LANG", "LD_")
    return {name: value for name, value in environment.items() if name.startswith(prefixes)}


def _fork(
    words: Sequence[str], environment: Mapping[str, str], timeout: float, before: str
) -> "subprocess.CompletedProcess[str]":
    command = [str(USBRH), *words]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        _descriptor(os.devnull, os.O_RDONLY) as stdin,
        _descriptor(".", os.O_PATH) as folder,
    ):
        request = json.dumps([command, dict(environment), before])
        pid = _forked(request, [stdin, output.fileno(), errors.fileno(), folder])
        ended = False
        try:
            ended = _ends(pid, timeout)
        finally:
            if not ended:
                os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
        if not ended:
            raise subprocess.TimeoutExpired(command, timeout)
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(status), output.read(), errors.read())


class _Fork(subprocess.Popen[str]):
    """A running command that is a fork of the fork server."""

    def __init__(self, command: list[str], environment: Mapping[str, str], before: str, **streams: Any) -> None:
        self._request = json.dumps([command, dict(environment), before])
        super().__init__(command, text=True, **streams)

    def _execute_child(self, *arguments: Any) -> None:
        """Do what ``Popen`` calls to start the program. Of its arguments only the ends of the pipes matter."""
        stdin, _, _, stdout, _, stderr = pipes = arguments[10:16]
        streams = [stream if stream >= 0 else number for number, stream in enumerate((stdin, stdout, stderr))]
        with _descriptor(".", os.O_PATH) as folder:
            self.pid = _forked(self._request, [*streams, folder])
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


@contextmanager
def _descriptor(path: str, flags: int) -> Iterator[int]:
    opened = os.open(path, flags)
    try:
        yield opened
    finally:
        os.close(opened)


def _ends(pid: int, seconds: float) -> bool:
    """Wait until a child has ended. Return False if it still runs after ``seconds``."""
    child = os.pidfd_open(pid)
    try:
        return bool(select.select([child], [], [], seconds)[0])
    finally:
        os.close(child)


class _Server:
    """A running fork server."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(START_SECONDS)
        with theirs:
            command = [sys.executable, "-P", str(FORK_SERVER), str(theirs.fileno())]
            self._process = subprocess.Popen(command, env=NEUTRAL, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        processes.LASTING.add(self._process.pid)

    def fork(self, request: str, descriptors: list[int]) -> int:
        """Start a command as a child of this process, and return its PID."""
        socket.send_fds(self._socket, [request.encode()], descriptors)
        pid = int(self._socket.recv(100))
        assert self._socket.recv(100) == b"adopted"
        return pid

    def stop(self) -> None:
        """End the server."""
        self._socket.close()
        self._process.kill()
        self._process.wait()
        processes.LASTING.discard(self._process.pid)


_servers: list[_Server] = []
"""None before the first command, then one."""
_turn = threading.Lock()


def _forked(request: str, descriptors: list[int]) -> int:
    with _turn:
        if not _servers:
            _servers.append(_Server())
        try:
            return _servers[0].fork(request, descriptors)
        except BaseException:
            stop_server()  # its next answer could be that to this request
            raise


def stop_server() -> None:
    """End the process whose forks are the commands, if there is one."""
    while _servers:
        _servers.pop().stop()
