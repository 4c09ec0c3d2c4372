"""The files that the tests install in the guest, and the virtual sensors that they connect to it."""

import json
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support import processes
from tests.support.kernel.vm import FIRST, Machine

TOP = Path(__file__).parents[3]
PACKAGES = "/usr/local/lib/python3.11/dist-packages"
DATA = f"{PACKAGES}/usbrh/data"
COMMAND = "#!/usr/bin/python3\nimport sys\nfrom usbrh.__main__ import main\nsys.exit(main())\n"
PROGRAMS = {"hidraw_reader": (), "libusb_reader": ("-lusb-1.0",)}
"""The C programs in this folder, and the libraries that they are linked with."""


def install(machine: Machine, work: Path, cache: Path) -> None:
    """Install the wheel of this checkout in the guest, its dependencies, the C programs, udev rule and accounts."""
    wheel = build_wheel(work)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(work / "packages")
    subprocess.run([sys.executable, "-m", "compileall", "-q", work / "packages"], check=True, timeout=60)
    with tarfile.open(machine.share / "packages.tar", "w") as archive:
        for folder in (_dependencies(cache), work / "packages"):
            archive.add(folder, ".")
    for program, libraries in PROGRAMS.items():
        source = Path(__file__).with_name(f"{program}.c")
        command: list[str | Path] = [
            "gcc",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-O2",
            "-o",
            machine.share / program,
            source,
            *libraries,
        ]
        subprocess.run(command, check=True, timeout=60)
    machine.run(
        f"""set -e
        date --set=@{time.time():.3f}
        mount -t 9p -o trans=virtio,ro,msize=524288 share /mnt
        tar --no-same-owner -xf /mnt/packages.tar -C {PACKAGES}
        cp {" ".join(f"/mnt/{program}" for program in PROGRAMS)} /usr/local/bin
        umount /mnt
        systemd-sysusers {DATA}/systemd/sysusers.d/usbrh.conf
        usermod --append --groups usbrh alice
        cp {DATA}/udev/70-usbrh.rules /etc/udev/rules.d/
        udevadm control --reload""",
        timeout=60,
    ).check()
    machine.put("/usr/bin/usbrh", COMMAND, mode="755")


def build_wheel(work: Path) -> Path:
    """Build the wheel of this checkout in the folder ``work``, and return its path."""
    # Without isolation: the build uses the installed hatchling and downloads nothing.
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(work), str(TOP)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    [wheel] = work.glob("*.whl")
    return wheel


def _dependencies(cache: Path) -> Path:
    """Return the run-time dependencies, unpacked by pip for the guest's Python. Each list is downloaded once."""
    wanted: list[str] = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["dependencies"]
    folder = cache.parent / f"dependencies-{sha256(repr(wanted).encode()).hexdigest()[:16]}"
    if not folder.exists():
        new = folder.with_suffix(".new")
        command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--upgrade"]
        command += ["--target", str(new), "--python-version", "3.11", "--only-binary", ":all:", *wanted]
        subprocess.run(command, check=True, timeout=300)
        new.rename(folder)
    return folder


class Simulator:
    """`usbrh simulate --usbip` on the host. The guest connects to it as 10.0.2.2."""

    def __init__(self, sensors: int | str) -> None:
        command = [*FIRST, "setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "usbrh", "simulate", "--usbip"]
        command += ["--sensors", str(sensors)]
        self._process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        processes.LASTING.add(self._process.pid)
        self.port: int = self._answer()["port"]

    def do(self, line: str) -> dict[str, Any]:
        """Send one command to the virtual sensors. `usbrh simulate --help` lists the commands."""
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        assert answer["ok"], answer
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        answer: dict[str, Any] = json.loads(self._process.stdout.readline() or '{"ok": false, "error": "it ended"}')
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        processes.LASTING.discard(self._process.pid)


class Plugged:
    """A virtual sensor that is connected to the guest."""

    def __init__(self, machine: Machine, simulator: Simulator, number: int) -> None:
        self._machine = machine
        self._simulator = simulator
        self.name = f"sim-{number}"
        self._busid = f"1-{number}"
        self.port = ""
        self.attach()

    def do(self, line: str) -> dict[str, Any]:
        """Send a command to this sensor, such as "fault late 1 8"."""
        return self._simulator.do(f"{self.name} {line}")

    def attach(self) -> None:
        """Connect the sensor. Its port and address may change."""
        # Only what the shell itself can do: a program takes the guest longer than the kernel takes for the sensor.
        script = f"""
        cd /sys/bus/usb/devices
        before=" $(echo *:1.0) "
        usbip --tcp-port {self._simulator.port} attach -r 10.0.2.2 -b {self._busid} || exit
        for _ in $(seq 150); do
            for new in *:1.0; do
                case "$before" in *" $new "*) continue ;; esac
                # The HID driver has bound it, or a program that waited for it.
                set -- $new/*/hidraw
                if [ -e "$1" ] || [ $new/driver -ef /sys/bus/usb/drivers/usbfs ]; then
                    udevadm settle && echo ${{new%:1.0}} && exit 0
                fi
            done
            sleep 0.04
        done
        exit 1"""
        self.port = self._machine.run(script).check().strip()

    def unplug(self) -> None:
        """Disconnect the sensor and wait until the kernel has noticed it."""
        self.do("unplug")
        here = f"/sys/bus/usb/devices/{self.port}"
        gone = f"for _ in $(seq 300); do [ -e {here} ] || break; sleep 0.02; done; [ ! -e {here} ]"
        self._machine.run(f"{gone} && udevadm settle").check()

    def replug(self) -> None:
        """Disconnect and connect the sensor, so the kernel's HID driver is bound again."""
        self.unplug()
        self.do("plug")
        self.attach()

    @property
    def node(self) -> str:
        """The sensor's node in /dev/bus/usb."""
        here = f"/sys/bus/usb/devices/{self.port}"
        return self._machine.run(f"printf /dev/bus/usb/%03d/%03d $(cat {here}/busnum {here}/devnum)").check()

    @property
    def hidraw(self) -> str:
        """The sensor's hidraw node; empty while the kernel's HID driver is not bound."""
        found = self._machine.run(f"ls /sys/bus/usb/devices/{self.port}:1.0/*/hidraw").stdout.strip()
        return f"/dev/{found}" if found else ""
