"""openrc/: the service under a real OpenRC, as `usbrh setup` installs it."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.openrc import System
from usbrh.zabbix.fake_server import FakeServer

CONFIG = """[zabbix]
servers = ["127.0.0.1:{port}"]
host = "guest"
[bridge]
interval = "5s"
[sensor."sim-1"]
name = "{name}"
"""
SETTINGS = "export USBRH_SIMULATE=1 USBRH_ALLOW_SIMULATED=1\n"
BROKEN = '[bridge]\ninterval = "never"\n'
BOOT = "rc-update --update && openrc default"
"""What a boot does. Without the update, OpenRC does not notice files that changed within the last second."""
CONFIG_FILE = "/etc/usbrh/usbrh.toml"


@pytest.fixture(scope="module")
def booted(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that OpenRC has booted, with usbrh but before its setup."""
    with closing(System(tmp_path_factory.mktemp("openrc") / "system")) as system:
        system.install(wheel)
        system.do("openrc sysinit && openrc boot && openrc default")
        yield system


@pytest.fixture
def system(booted: System) -> Iterator[System]:
    """The same after `usbrh setup`, with a virtual sensor."""
    booted.do("usbrh setup")
    booted.put("/etc/conf.d/usbrh", f"{booted.path('/etc/conf.d/usbrh').read_text()}{SETTINGS}")
    yield booted
    booted.do("usbrh setup --remove; rm -rf /var/lib/usbrh /etc/conf.d/usbrh /etc/usbrh")
    assert pids(booted) == []


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def service(system: System, server: FakeServer) -> System:
    """The system after `rc-service usbrh start`, when values flow."""
    configure(system, server.port, "kitchen")
    system.do("rc-service usbrh start")
    wait_for(system, lambda: seen(server, "kitchen"))
    return system


def configure(system: System, port: int, name: str) -> None:
    system.put(CONFIG_FILE, CONFIG.format(port=port, name=name))


def seen(server: FakeServer, name: str) -> bool:
    return any(value.key == f"usbrh.get[{name}]" for value in server.values)


def wait_for(system: System, what: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            pytest.fail(system.run("rc-service usbrh status; ps axo pid,user,args; cat /var/log/usbrh.log").stdout)
        time.sleep(0.1)


def pids(system: System) -> list[str]:
    """The processes of the service, without the supervisor."""
    lines = system.do("ps axo pid=,args=").splitlines()
    return [line.split()[0] for line in lines if "python3 /usr/bin/usbrh run" in line]


def pid(system: System) -> str:
    [found] = pids(system)
    return found


def doctor(system: System) -> str:
    lines = [line for line in system.run("usbrh doctor").stdout.splitlines() if "units" in line]
    return "\n".join(lines)


def test_setup(system: System) -> None:
    again = system.do("usbrh setup")
    assert again.startswith("nothing to do"), again
    assert system.do("stat -c %a:%U /etc/init.d/usbrh /etc/conf.d/usbrh").split() == ["755:root", "644:root"]
    assert "neither service" not in doctor(system)
    assert "the service does not run" in doctor(system)
    description = system.do("rc-service usbrh describe")
    assert "checkconfig" in description
    assert "reload" in description


def test_the_boot_starts_it(system: System, server: FakeServer) -> None:
    configure(system, server.port, "kitchen")
    system.do(f"rc-update add usbrh default && {BOOT}")
    wait_for(system, lambda: seen(server, "kitchen"))
    assert system.do(f"ps -o user=,group= {pid(system)}").split() == ["usbrh", "usbrh"]
    assert "Umask:\t0027\n" in system.do(f"cat /proc/{pid(system)}/status")
    assert system.do("stat -c %a:%U:%G /var/lib/usbrh /var/lib/usbrh/journal.db /var/log/usbrh.log").split() == [
        "750:usbrh:usbrh",
        "640:usbrh:usbrh",
        "640:usbrh:usbrh",
    ]
    reading = system.do("cat /run/usbrh/readings/kitchen")
    assert '"sensor":"kitchen"' in reading, "for the Zabbix agent"
    assert system.do("stat -c %a:%U:%G /run/usbrh/readings").strip() == "750:usbrh:usbrh"
    assert "started" in system.do("rc-service usbrh status")
    assert doctor(system).endswith("usbrh runs")
    assert "+0000 usbrh: new destination" in system.do("cat /var/log/usbrh.log")


def test_it_is_started_again_after_its_death(service: System, server: FakeServer) -> None:
    before = pid(service)
    service.do(f"kill -KILL {before}")
    time.sleep(0.5)
    assert "usbrh has failed, and restarts soon (restarts: 0)" in doctor(service)
    count = len(server.values)
    wait_for(service, lambda: len(server.values) > count)
    assert pid(service) != before
    assert "failed before (restarts: 1)" in doctor(service)


def test_reload(service: System, server: FakeServer) -> None:
    before = pid(service)
    configure(service, server.port, "cellar")
    service.do("rc-service usbrh reload")
    wait_for(service, lambda: seen(server, "cellar"))
    assert pid(service) == before


@pytest.mark.parametrize("action", ["reload", "restart"])
def test_a_broken_configuration_does_not_end_the_service(service: System, action: str) -> None:
    before = pid(service)
    service.put(CONFIG_FILE, BROKEN)
    done = service.run(f"rc-service usbrh {action}")
    assert done.returncode != 0
    assert "/etc/usbrh/usbrh.toml, line 2: interval" in done.stdout
    assert pid(service) == before


def test_a_broken_configuration_is_visible_at_the_start(system: System) -> None:
    system.put(CONFIG_FILE, BROKEN)
    done = system.run("rc-service usbrh start")
    assert done.returncode != 0
    assert "/etc/usbrh/usbrh.toml, line 2: interval" in done.stdout
    assert system.run("rc-service usbrh status").returncode == 3
    assert "the service does not run" in doctor(system)
    system.do("rc-update add usbrh default")
    assert "/etc/usbrh/usbrh.toml, line 2: interval" in system.run(BOOT).stdout


def test_the_settings_can_name_another_configuration(system: System, server: FakeServer) -> None:
    system.put(CONFIG_FILE, BROKEN)
    system.put("/etc/usbrh/other.toml", CONFIG.format(port=server.port, name="attic"))
    settings = system.path("/etc/conf.d/usbrh").read_text()
    system.put("/etc/conf.d/usbrh", f'{settings}usbrh_args="--config /etc/usbrh/other.toml"\n')
    system.do("rc-service usbrh start")
    wait_for(system, lambda: seen(server, "attic"))


def test_it_stops_in_time_with_a_silent_server(system: System) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        configure(system, silent.getsockname()[1], "kitchen")
        system.do("rc-service usbrh start")
        silent.settimeout(30)
        connection, _ = silent.accept()
        with connection:
            begin = time.monotonic()
            system.do("rc-service usbrh stop")
    assert time.monotonic() - begin < 30
    assert pids(system) == []
    assert "stopped" in system.run("rc-service usbrh status").stdout


def test_remove(service: System) -> None:
    service.do("rc-update add usbrh default")
    done = service.do("usbrh setup --remove")
    assert pids(service) == [], done
    assert "usbrh" not in service.do("rc-update show")
    assert service.run("getent passwd usbrh").returncode != 0
    # Setup keeps what the administrator has changed, and asks for it in a terminal.
    left = service.do("find /etc /run /var/log -name '*usbrh*'").split()
    assert sorted(left) == ["/etc/conf.d/usbrh", "/etc/usbrh", "/etc/usbrh/usbrh.toml"]
