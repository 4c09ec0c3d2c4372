"""One virtual machine: QEMU, its control socket, and the channel to the agent inside (agent.py)."""

import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.support import processes

SNAPSHOT = "started"
"""The name of the saved state in the disk."""
MEMORY = "640M"
FIRST = ["nice", "--adjustment=-10"]
"""As root, the machine and its sensors run before other tests: its kernel expects answers within milliseconds."""


class MachineError(Exception):
    """The virtual machine itself failed, not what ran in it."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a command in the guest."""

    command: str
    status: int
    stdout: str
    stderr: str
    timed_out: bool

    def check(self) -> str:
        """Return the output. The command must have succeeded."""
        assert self.status == 0, f"{self.command!r} failed in the guest: {self}"
        return self.stdout


class Machine:
    """A running guest. As a context manager it always ends.

    Args:
        disk: a qcow2 file, which is written to.
        kernel, initrd: given for a cold boot; without them the state saved in the disk is restored.
        rtc: the time of the hardware clock at a cold boot, such as ``1971-01-01T00:00:00``; the default is now.
    """

    def __init__(self, disk: Path, *, kernel: Path | None = None, initrd: Path | None = None, rtc: str = "utc") -> None:
        # Short, because the path of a UNIX socket has at most 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="usbrh-vm-", dir="/tmp"))
        self._open = ExitStack()
        self.share = self._folder / "share"
        self.share.mkdir()
        self._answers: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._number = 0
        start = ["-loadvm", SNAPSHOT] if kernel is None else _boot(kernel, initrd, rtc)
        log = (self._folder / "qemu.log").open("w")
        with log:
            self._process = subprocess.Popen(
                [*FIRST, *command(disk, self._folder), *start], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        processes.LASTING.add(self._process.pid)
        try:
            self._agent = self._connect("agent")
            self._qmp = self._open.enter_context(self._connect("qmp").makefile("rw", encoding="utf-8"))
            self._qmp.readline()
            self.control("qmp_capabilities")
        except BaseException:
            self.close()
            raise
        receiver = threading.Thread(target=self._receive)
        receiver.start()
        self._open.callback(receiver.join, 10)  # the channel closes when QEMU ends

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the virtual machine and remove its files."""
        self._process.kill()
        self._process.wait(30)
        processes.LASTING.discard(self._process.pid)
        self._open.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def wait_for_end(self, seconds: float) -> None:
        """Wait until the guest has switched itself off. At a reboot it does so too."""
        self._process.wait(seconds)

    def control(self, command: str, **arguments: Any) -> Any:
        """Send one QMP command and return its answer, which is text for "human-monitor-command"."""
        self._qmp.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._qmp.flush()
        while line := self._qmp.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise MachineError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise MachineError(self._trouble(f"QEMU ended at {command}"))

    def run(
        self, command: str, *, user: str = "root", timeout: float = 30, stdin: str = "", env: Mapping[str, str] = {}
    ) -> Result:
        """Run a shell line in the guest as ``user``; ``timeout`` in seconds; then its process group is killed."""
        return self.start(command, user=user, timeout=timeout, stdin=stdin, env=env)()

    def start(
        self, command: str, *, user: str = "root", timeout: float = 30, stdin: str = "", env: Mapping[str, str] = {}
    ) -> "Waiter":
        """Start a command like run(), without waiting. Call the returned object for the result."""
        answer: Future[dict[str, Any]] = Future()
        with self._lock:
            self._number += 1
            number = self._number
            self._answers[number] = answer
        request = {"id": number, "command": command, "user": user, "timeout": timeout, "input": stdin, "env": dict(env)}
        data = (json.dumps(request) + "\n").encode()
        with self._lock:
            self._agent.sendall(data)
        # The guest is slow and shares the processors with the tests. After this time it has crashed.
        return Waiter(self, command, answer, time.monotonic() + timeout + 30)

    def put(self, path: str, text: str, *, mode: str = "644", owner: str = "root:root") -> None:
        """Write a file in the guest, with the folders it needs."""
        script = f"mkdir -p $(dirname {path}) && cat >{path} && chmod {mode} {path} && chown {owner} {path}"
        self.run(script, stdin=text).check()

    def _connect(self, name: str) -> socket.socket:
        end = time.monotonic() + 20
        connection = self._open.enter_context(socket.socket(socket.AF_UNIX))
        while True:
            try:
                connection.connect(str(self._folder / name))
            except (FileNotFoundError, ConnectionRefusedError):
                if self._process.poll() is not None or time.monotonic() > end:
                    raise MachineError(self._trouble("QEMU did not start")) from None
                time.sleep(0.02)
            else:
                return connection

    def _receive(self) -> None:
        try:
            with self._agent.makefile("r", encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    answer = json.loads(line)
                    self._answers.pop(answer.pop("id")).set_result(answer)
        except (OSError, ValueError):
            pass  # QEMU has ended; callers that wait get a timeout

    def _trouble(self, what: str) -> str:
        logs = [self._folder / "qemu.log", self._folder / "console.log"]
        words = [path.read_text(errors="replace")[-2000:] for path in logs if path.exists()]
        return "\n".join([what, *words])


@dataclass(frozen=True, slots=True)
class Waiter:
    """A command that runs in the guest. Call it for the result."""

    machine: Machine
    command: str
    answer: "Future[dict[str, Any]]"
    end: float

    def __call__(self) -> Result:
        try:
            return Result(command=self.command, **self.answer.result(max(0.0, self.end - time.monotonic())))
        except FutureTimeout:
            raise MachineError(self.machine._trouble(f"the guest did not answer in time: {self.command}")) from None


def _boot(kernel: Path, initrd: Path | None, rtc: str) -> list[str]:
    # Mitigations and address randomisation cost time under emulation and protect nothing here. QEMU translates code
    # for each address that it is at, so that without norandmaps every process is translated again.
    # On a busy machine the emulated timer can be late, and the kernel would take it for broken (no_timer_check).
    options = "root=/dev/vda rw console=ttyS0 mitigations=off nokaslr norandmaps no_timer_check"
    return ["-kernel", str(kernel), "-initrd", str(initrd), "-append", options, "-rtc", f"base={rtc}"]


def command(disk: Path, folder: Path) -> list[str]:
    """QEMU's command line. The devices must be the same when a state is saved and when it is restored.

    Not ``-cpu max``: QEMU 7.2 emulates AVX2 wrongly, and the guest's C library then garbles strings.
    """
    return [
        # QEMU ends with the tests, even if they are killed.
        *[
            "setpriv",
            "--pdeathsig",
            "KILL",
            "qemu-system-x86_64",
            "-machine",
            "q35",
            "-accel",
            "tcg,thread=single",
            "-cpu",
            "Nehalem",
        ],
        # For a single processor, QEMU translates into simpler code and the kernel takes no locks: a third less time.
        *["-smp", "1", "-m", MEMORY],
        *["-display", "none", "-nodefaults", "-no-user-config", "-no-reboot"],
        *["-drive", f"file={disk},if=virtio,format=qcow2,cache=unsafe,discard=unmap"],
        *["-netdev", "user,id=net,ipv6=off", "-device", "virtio-net-pci,netdev=net,romfile="],
        *["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"],
        *["-chardev", f"socket,id=agent,path={folder / 'agent'},server=on,wait=off"],
        *["-device", "virtserialport,chardev=agent,name=usbrh"],
        *["-fsdev", f"local,id=share,path={folder / 'share'},security_model=none,readonly=on,multidevs=remap"],
        *["-device", "virtio-9p-pci,fsdev=share,mount_tag=share"],
        *["-serial", f"file:{folder / 'console.log'}"],
        *["-qmp", f"unix:{folder / 'qmp'},server=on,wait=off"],
    ]
