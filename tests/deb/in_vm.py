"""The life of a Debian package on a computer with a running systemd, a kernel and a sensor: a trial in the VM.

python -m tests.deb.in_vm FOLDER "PREVIOUS..." SUITE...

FOLDER has the new package (make deb). PREVIOUS are commits or tags: the package of each is installed and upgraded after
that. The commands are those of docs/getting-started.md. Each computer is new: Debian of SUITE (such as bookworm) with
its kernel, which usbip gives a virtual sensor. It fetches packages from the mirror of this machine. The values arrive
in a fake Zabbix server, the durations in docs/contributing.md, and all that the commands of a user print in
tests/output/vm-SUITE.log.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.document import put
from tests.support.kernel import image
from tests.support.kernel.guest import Plugged, Simulator
from tests.support.kernel.vm import Machine, Result
from usbrh.zabbix.fake_server import FakeServer

TOP = Path(__file__).parents[2]
CONFIG = "/etc/usbrh/usbrh.toml"
DOCUMENT, PLACE = "docs/contributing.md", "install-trial"


class Computer:
    """A new Debian with apt, and what happens to it."""

    def __init__(self, suite: str, folder: Path) -> None:
        self.suite = suite
        self.times: dict[str, float] = {}
        """Seconds by step."""
        self.log = TOP / f"tests/output/vm-{suite}.log"
        self.log.parent.mkdir(exist_ok=True)
        self.log.unlink(missing_ok=True)
        self._folder = folder
        self._disk = image.make_disk(folder, suite, ["apt", "ca-certificates", "passwd"])
        self.machine = self._boot()

    def _boot(self) -> Machine:
        machine = image.boot(self._folder, self._disk)
        try:
            self._prepare(machine)
        except BaseException:
            machine.close()
            raise
        return machine

    def _prepare(self, machine: Machine) -> None:
        machine.run("systemctl is-system-running --wait", timeout=600)
        # The image does not wait for its network, and has neither a default route nor a name server.
        machine.run("/usr/lib/systemd/systemd-networkd-wait-online --any --timeout=300", timeout=330).check()
        machine.run("ip route replace default via 10.0.2.2; echo nameserver 10.0.2.3 >/etc/resolv.conf").check()
        machine.run("modprobe -a vhci_hcd usbhid hid_generic 9pnet_virtio").check()

    def reboot(self) -> None:
        """Shut down properly and boot again."""
        self.machine.run("systemctl reboot")
        self.machine.wait_for_end(300)
        self.machine.close()
        self.machine = self._boot()

    @contextmanager
    def step(self, words: str) -> Iterator[None]:
        """A step of the trial: its name, its duration, and what the guest says if it fails."""
        begin = time.monotonic()
        try:
            yield
        except Exception as error:
            log = self.machine.run("journalctl -u usbrh --no-pager | tail -n 30; systemctl status --no-pager usbrh")
            error.add_note(f"at: {words} ({self.suite})\n{log.stdout}")
            raise
        seconds = time.monotonic() - begin
        self.times.setdefault(words, seconds)
        print(f"{self.suite}: {words}: {seconds:.1f} s", flush=True)

    def do(self, command: str, timeout: float = 180) -> str:
        """Run a shell line as root, which must succeed."""
        return self.machine.run(command, timeout=timeout, env={"DEBIAN_FRONTEND": "noninteractive"}).check()

    def show(self, command: str, timeout: float = 180) -> Result:
        """Run a shell line of a user as root, and write what it prints to the log."""
        done = self.machine.run(command, timeout=timeout, env={"DEBIAN_FRONTEND": "noninteractive"})
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"# {command}\n{done.stdout}{done.stderr}")
            log.write(f"(exit status {done.status})\n" if done.status else "")
        return done

    def apt_install(self, deb: Path) -> str:
        """`apt install ./usbrh_*_all.deb`."""
        shutil.copy(deb, self.machine.share)
        self.do("mount -t 9p -o trans=virtio,ro,msize=524288 share /mnt; cp /mnt/*.deb /root; umount /mnt")
        (self.machine.share / deb.name).unlink()
        try:
            return self.show(
                f"cd /root && apt-get install --yes --no-install-recommends ./{deb.name}", timeout=1200
            ).check()
        finally:
            self.do(f"rm /root/{deb.name}")

    def readings(self) -> set[str]:
        """The times of all readings in the journal."""
        return {json.loads(line)["time"] for line in self.do("usbrh journal export --json").splitlines()}

    def configure(self, server: FakeServer) -> None:
        """The two lines, as a person would change them."""
        text = self.do(f"cat {CONFIG}")
        for key, value in (("servers", f'["10.0.2.2:{server.port}"]'), ("host", '"trial"')):
            text, found = re.subn(rf"^#{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
            assert found == 1, f"the configuration has no commented-out {key}"
        self.machine.put(CONFIG, text)


def wait_for(what: Callable[[], object], words: str, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise TimeoutError(f"{words}: not within {seconds:g} s")
        time.sleep(0.2)


def flow(server: FakeServer) -> None:
    """Wait for a value that was measured from now on."""
    begin = time.time()

    def arrived() -> bool:
        measured = (value for value in list(server.values) if re.search(r'"temperature": ?[\d.]+,', value.value))
        return any(value.key.startswith("usbrh.get[") and value.clock >= begin for value in measured)

    wait_for(arrived, "no value arrives")


class Trial:
    """A computer, its server, and its sensor, which is plugged in before usbrh is installed."""

    def __init__(self, computer: Computer, server: FakeServer, simulator: Simulator) -> None:
        self.computer = computer
        self.server = server
        self._simulator = simulator
        self.sensor = Plugged(computer.machine, simulator, 1)

    def _use(self) -> None:
        self.computer.configure(self.server)
        self.computer.show("systemctl enable --now usbrh").check()
        flow(self.server)
        # Faster than by default, for the steps that follow.
        self.computer.do(f"sed -i 's/^#interval = .*/interval = \"5s\"/' {CONFIG} && systemctl reload usbrh")

    def upgrade(self, old: Path, new: Path) -> None:
        """Install and use a previous package, then the new one."""
        computer = self.computer
        name = old.name.split("_")[1].split(".g")[0]
        with computer.step(f"package {name}: apt install, two lines, the first value"):
            computer.apt_install(old)
            self.sensor.replug()  # version 0.1.0 leaves a sensor that is plugged in before to root
            self._use()
        wait_for(lambda: len(computer.readings()) > 2, "the journal stays empty")
        kept, config, version = computer.readings(), computer.do(f"cat {CONFIG}"), computer.do("usbrh --version")
        with computer.step(f"upgrade of {name} with apt, the next value"):
            computer.apt_install(new)
            flow(self.server)
        assert computer.do("usbrh --version") != version, "the version is still the same"
        assert computer.do(f"cat {CONFIG}") == config, "the configuration has changed"
        assert computer.do("systemctl is-enabled usbrh") == "enabled\n"
        assert kept <= computer.readings(), "the upgrade lost readings"

    def install(self, new: Path) -> None:
        """Install and use the new package; unplug and plug in; reboot."""
        computer = self.computer
        with computer.step("apt install"):
            computer.apt_install(new)
        with computer.step("two lines of configuration, the first value"):
            self._use()
        for command in ("list", "read", "send", "status", "journal status", "config check"):
            computer.show(f"usbrh {command}").check()
        with computer.step("unplug, plug in again, the next value"):
            self.sensor.unplug()
            wait_for(lambda: computer.machine.run("usbrh read").status == 3, "the sensor is still listed")
            self.sensor.do("plug")
            self.sensor.attach()
            flow(self.server)
        assert "\nfault" not in computer.show("usbrh doctor").stdout
        kept = computer.readings()
        with computer.step("reboot, the next value"):
            computer.reboot()
            self.sensor = Plugged(computer.machine, self._simulator, 1)
            flow(self.server)
        assert kept <= computer.readings(), "the reboot lost readings"

    def purge(self) -> None:
        """Remove the package, then purge it."""
        computer = self.computer
        with computer.step("apt remove, apt purge"):
            computer.show("apt-get remove --yes usbrh", timeout=600).check()
            assert computer.machine.run("systemctl is-active usbrh").stdout != "active\n"
            computer.do(f"test ! -e /usr/bin/usbrh && test -e {CONFIG}")
            computer.show("apt-get purge --yes usbrh", timeout=600).check()
            computer.do("test ! -e /etc/usbrh && test -e /var/lib/usbrh/journal.db && getent passwd usbrh")
        computer.do("rm -r /var/lib/usbrh && userdel usbrh")


def build(commit: str, folder: Path) -> Path:
    """Return the package of ``commit``, built in ``folder``."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", TOP, folder], check=True)
    subprocess.run(["git", "-C", folder, "checkout", "--quiet", commit], check=True)
    done = subprocess.run(["make", "-C", folder, "deb"], check=False, capture_output=True, text=True)
    [package] = folder.glob("build/deb/usbrh_*_all.deb") or [None]
    if package is None:
        sys.exit(f"make deb failed at {commit}: {done.stderr[-2000:]}")
    return package


def table(times: dict[str, dict[str, float]]) -> str:
    """The durations in Markdown."""
    steps = next(iter(times.values()))
    lines = [f"| step | {' | '.join(times)} |", f"| --- |{' ---: |' * len(times)}"]
    lines += [f"| {step} | {' | '.join(f'{each[step]:.0f}' for each in times.values())} |" for step in steps]
    return "\n".join(lines)


def main() -> None:
    """Carry out the trial."""
    folder, commits, *suites = sys.argv[1:]
    [new] = (TOP / folder).glob("usbrh_*_all.deb")
    times: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="usbrh-trial-", dir="/var/tmp") as work:
        previous = [build(commit, Path(work, commit)) for commit in commits.split()]
        for suite in suites:
            disk = Path(work, suite)
            disk.mkdir()
            computer = Computer(suite, disk)
            with FakeServer() as server, Simulator(1) as simulator:
                try:
                    computer.do("apt-get --quiet=2 --option=Acquire::Retries=3 update", timeout=600)
                    trial = Trial(computer, server, simulator)
                    trial.install(new)
                    trial.purge()
                    for old in previous:
                        trial.upgrade(old, new)
                        trial.purge()
                finally:
                    computer.machine.close()
            times[suite] = computer.times
            shutil.rmtree(disk)
    put(DOCUMENT, PLACE, table(times))


if __name__ == "__main__":
    main()
