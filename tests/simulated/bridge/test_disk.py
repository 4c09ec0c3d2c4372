"""A full disk and a read-only file system are reported; measuring and delivery continue. In its own mount namespace."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import run, start
from tests.support.daemon import wait_for
from tests.support.send import SHORT_INTERVALS, House, keys
from usbrh.zabbix.fake_server import FakeServer

NAMESPACE = ["unshare", "--mount", "--map-root-user", "sh", "-ec"]

ENTER = """
import ctypes, os
for kind in ("user", "mnt"):
    namespace = os.open(f"/proc/{}/ns/{{kind}}", os.O_RDONLY)
    assert ctypes.CDLL(None).setns(namespace, 0) == 0
    os.close(namespace)
"""
"""Moves a process into the namespaces of another one."""


class Disk:
    """A file system of 1 MB, seen by those commands only that are run in it."""

    def __init__(self, directory: Path, servers: str) -> None:
        self.directory = directory
        self.house = House(directory, servers)
        mount = f"mount -t tmpfs -o size=1m none {directory}; echo mounted; read line"
        self._holder = subprocess.Popen([*NAMESPACE, mount], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout
        if self._holder.stdout.readline() != "mounted\n":
            self._holder.communicate()
            pytest.skip("this system allows no mount namespaces (in a container: --privileged)")
        self.enter = ["nsenter", f"--target={self._holder.pid}", "--mount", "--user", "--preserve-credentials"]

    def close(self) -> None:
        self._holder.communicate("end\n")

    def shell(self, command: str) -> str:
        command_line = [*self.enter, "sh", "-c", command]
        return subprocess.run(command_line, check=False, capture_output=True, text=True).stdout

    def usbrh(self, *arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
        return run(arguments, self.house.environment, before=ENTER.format(self._holder.pid) + before)

    def start_service(self) -> subprocess.Popen[str]:
        environment = self.house.environment | {"USBRH_BRIDGE_INTERVAL": "1s"}
        before = ENTER.format(self._holder.pid) + SHORT_INTERVALS
        return start(["run"], environment, before=before, stderr=subprocess.PIPE)

    def fill(self) -> None:
        self.shell(f"dd if=/dev/zero of={self.directory}/filler bs=4k")

    def make_room(self) -> None:
        self.shell(f"rm {self.directory}/filler")

    def remount(self, option: str) -> None:
        # With the source given, mount adds none of the options in force: for a normal user they name unmapped users.
        command = ["mount", "-o", f"remount,{option}", "none", str(self.directory)]
        subprocess.run([*self.enter, *command], check=True)

    def exported(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.usbrh("journal", "export", "--json").stdout.splitlines()]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def disk(tmp_path: Path, server: FakeServer) -> Iterator[Disk]:
    disk = Disk(tmp_path, server.address)
    yield disk
    disk.close()


def test_full(disk: Disk, server: FakeServer) -> None:
    assert disk.usbrh("send").returncode == 0
    server.values.clear()
    disk.fill()
    done = disk.usbrh("send")
    assert done.returncode == 1
    assert "the disk is full; make room: df -h" in done.stderr
    assert "delivered without it" in done.stderr
    assert keys(server) == ["usbrh.discovery", "usbrh.get[sim-1]", "usbrh.get[sim-2]", "usbrh.bridge"]
    disk.make_room()
    assert disk.usbrh("send").returncode == 0
    assert len(disk.exported()) == 4  # what went past the journal is not in it


def test_full_from_the_start(disk: Disk, server: FakeServer) -> None:
    disk.fill()
    done = disk.usbrh("send")
    assert done.returncode == 1
    assert "the disk is full" in done.stderr
    assert keys(server).count("usbrh.get[sim-2]") == 1


def test_no_room_for_what_is_sound_in_a_damaged_journal(disk: Disk, server: FakeServer) -> None:
    make = (
        "import sys; from pathlib import Path; from usbrh.journal.store import Journal\n"
        "from tests.support.journal import flip, readings\n"
        "path = Path(sys.argv[1])\n"
        "with Journal(path) as journal:\n"
        "    for first in range(1, 500, 100): journal.add(readings(100, first))\n"
        "flip(path, 250)\n"
    )
    subprocess.run([*disk.enter, sys.executable, "-c", make, str(disk.house.journal)], check=True)
    disk.shell(f"dd if=/dev/zero of={disk.directory}/filler bs=1k count=500")
    before = disk.shell(f"ls -l --time-style=+ {disk.directory}")
    assert "journal.db\n" in before
    for _ in range(2):
        done = disk.usbrh("journal", "flush")
        assert "the disk is full; make room: df -h" in done.stderr
    assert disk.shell(f"ls -l --time-style=+ {disk.directory}") == before
    assert "repair it: usbrh journal flush" in disk.usbrh("journal", "export").stderr  # which only reads
    disk.make_room()
    disk.usbrh("journal", "flush")
    assert len(disk.exported()) == 499


def test_read_only(disk: Disk, server: FakeServer) -> None:
    assert disk.usbrh("send").returncode == 0
    server.values.clear()
    disk.remount("ro")
    done = disk.usbrh("send")
    assert done.returncode == 1
    assert "the file system is read-only; see why: findmnt" in done.stderr
    assert keys(server).count("usbrh.get[sim-1]") == 1
    disk.remount("rw")
    assert disk.usbrh("send").returncode == 0


READERS = (
    ("journal", "status", "--json"),
    ("journal", "export", "--json"),
    ("agent", "get", "sim-1"),
    ("agent", "bridge"),
    ("doctor", "--json"),
    ("plot", "--output"),
)


@pytest.mark.parametrize("state", ["full", "read-only"])
@pytest.mark.parametrize("left", ["closed", "killed", "killed, no index"])
def test_a_reader_works_where_nothing_can_be_written(
    disk: Disk, tmp_path_factory: pytest.TempPathFactory, state: str, left: str
) -> None:
    """The history on a dying card: after a clean end, after a kill, and without the index of the write-ahead log."""
    picture = tmp_path_factory.mktemp("pictures") / "room.png"
    disk.usbrh("send")
    if left != "closed":
        add = (
            "import os, sys, time; from pathlib import Path; from usbrh.journal.store import Journal\n"
            "from usbrh.reading import Reading\n"
            "reading = Reading('sim-1', 'sim-1', 'USB-RH', time.time_ns(), 12.5, 50.0, 2.3, 5.5, simulated=True)\n"
            "Journal(Path(sys.argv[1])).add([reading]); os.kill(os.getpid(), 9)\n"
        )
        assert disk.usbrh(str(disk.house.journal), before=add).returncode == -signal.SIGKILL
        assert "journal.db-wal" in disk.shell(f"ls {disk.directory}")
    if left == "killed, no index":
        disk.shell(f"rm {disk.house.journal}-shm")
    if state == "full":
        disk.fill()
    else:
        disk.remount("ro")
    # SQLite's readers enter themselves in the index.
    files = "$(ls -A | grep -v -e -shm -e filler)"
    look = f"cd {disk.directory}; ls -A; stat --format='%n %u %a %s %y' {files}; sha256sum {files}"
    before = disk.shell(look)
    assert "journal.db\n" in before
    readings = 2 if left == "closed" else 3
    done = {command: disk.usbrh(*command, *[str(picture)][: command[0] == "plot"]) for command in READERS}
    assert disk.shell(look) == before
    assert "Traceback" not in "".join(each.stderr for each in done.values())
    status, exported, got, bridge, doctor, plot = (done[command] for command in READERS)
    assert json.loads(status.stdout)["readings"] == readings, status.stderr
    times = {line["time"]: line for line in map(json.loads, exported.stdout.splitlines())}
    assert len(times) == readings
    newest = max((time, each) for time, each in times.items() if each["sensor"] == "sim-1")
    assert json.loads(got.stdout)["time"] == newest[0]  # not measured now
    assert json.loads(bridge.stdout).items() >= {"sensors": 2, "waiting": readings - 2, "error": None}.items()
    found = [each for each in map(json.loads, doctor.stdout.splitlines()) if each["check"] == "journal"]
    assert [each["status"] for each in found] == ["ok"], found
    assert (plot.returncode, plot.stderr) == (0, "")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_service_uses_the_journal_again_once_it_can_be_written(disk: Disk, server: FakeServer) -> None:
    def got() -> int:
        return keys(server).count("usbrh.get[sim-1]")

    service = disk.start_service()
    wait_for("the state of the bridge", lambda: "usbrh.bridge" in keys(server), 20)
    service.kill()  # its log stays, and so the file can be read where nothing can be written
    service.communicate()
    disk.remount("ro")
    count = got()
    service = disk.start_service()
    wait_for("the next reading", lambda: got() > count, 20)
    disk.remount("rw")
    count = got()
    wait_for("the next reading", lambda: got() > count, 20)
    service.send_signal(signal.SIGTERM)
    _, errors = service.communicate(timeout=20)
    assert errors.count("the file system is read-only; see why: findmnt") == 1
    assert "the journal can be used again" in errors
    delivered = {json.loads(value.value)["time"] for value in server.values if value.key == "usbrh.get[sim-1]"}
    assert delivered == {each["time"] for each in disk.exported() if each["sensor"] == "sim-1"}


def test_the_service_goes_on_and_journals_later_what_it_kept_in_memory(disk: Disk, server: FakeServer) -> None:
    service = disk.start_service()
    wait_for("the state of the bridge", lambda: "usbrh.bridge" in keys(server), 20)
    disk.fill()
    count = keys(server).count("usbrh.get[sim-1]")
    wait_for("two more readings", lambda: keys(server).count("usbrh.get[sim-1]") >= count + 2, 20)
    disk.make_room()
    count = keys(server).count("usbrh.get[sim-1]")
    wait_for("two more readings", lambda: keys(server).count("usbrh.get[sim-1]") >= count + 2, 20)
    service.send_signal(signal.SIGTERM)
    _, errors = service.communicate(timeout=20)
    assert service.returncode == 0
    assert errors.count("the disk is full") == 1  # reported once
    assert "the journal can be used again" in errors
    delivered = {json.loads(value.value)["time"] for value in server.values if value.key == "usbrh.get[sim-1]"}
    assert delivered == {each["time"] for each in disk.exported() if each["sensor"] == "sim-1"}
