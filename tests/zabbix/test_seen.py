"""What a person sees in the front end after a cold night in the greenhouse. Pictures go to tests/output/."""

import math
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.daemon import wait_for
from tests.support.zabbix.browser import Browser, log_in
from tests.support.zabbix.command import usbrh
from tests.support.zabbix.provisioner import Provisioner
from tests.support.zabbix.server import CHECKOUT, PASSWORD, USER, ZabbixServer
from usbrh.config import load
from usbrh.journal.store import Journal
from usbrh.sensors import find, measure_all
from usbrh.simulator.backend import SimulatorBackend
from usbrh.simulator.clock import VirtualClock
from usbrh.simulator.room import Source
from usbrh.simulator.usbrh1 import VirtualUsbRh

PICTURES = CHECKOUT / "tests" / "output"
STEP = 120
"""s of the night between two readings."""
NIGHT = 12 * 3600
LOW = 420
"""Pixels: as much as two problems need."""
NAMES = {"sim-1": "server-room", "sim-2": "living-room", "sim-3": "greenhouse"}
COLD = "Sensor greenhouse: Temperature critically low (below 15 °C for 5m)"
MORNING = 8
ZONES = ("Pacific/Auckland", "Australia/Brisbane", "Asia/Shanghai", "Asia/Dhaka", "Asia/Dubai", "Africa/Johannesburg",
         "UTC", "Atlantic/South_Georgia", "America/Halifax", "America/Chicago", "America/Los_Angeles",
         "Pacific/Honolulu")  # fmt: skip


def ticks_of(celsius: float, humidity: float) -> tuple[int, int]:
    """The ticks that read as about that, by the data sheet's formulas turned round."""
    temperature = round((celsius + 40.0) * 100)
    low, high = 0, 3300
    while high - low > 1:
        middle = (low + high) // 2
        linear = -4 + 0.0405 * middle - 2.8e-6 * middle**2
        low, high = (middle, high) if linear + (celsius - 25) * (0.01 + 8e-5 * middle) < humidity else (low, middle)
    return temperature, low


def night(name: str) -> Source:
    """Ticks through the night, by the number of the reading."""

    def ticks(n: int) -> tuple[int, int]:
        hours = n * STEP / 3600
        small = math.sin(n / 7) + 0.4 * math.sin(n / 2.3)
        if name == "greenhouse":
            cold = max(0.0, math.sin(math.pi * min(1.0, hours / 11.4))) ** 1.5
            return ticks_of(22.5 - 10.0 * cold + 0.15 * small, 52 + 14 * cold + 0.5 * small)
        if name == "living-room":
            dusk = math.sin(math.pi * hours / 12)
            return ticks_of(20.9 - 1.6 * dusk + 0.08 * small, 48 + 3 * dusk + 0.2 * small)
        return ticks_of(
            23.0 + 0.5 * math.sin(hours * 2.6) + 0.1 * small, 41 + 1.5 * math.sin(hours * 1.3) + 0.3 * small
        )

    return ticks


class House:
    """A machine with three virtual sensors, its journal, and its host in Zabbix."""

    def __init__(self, server: ZabbixServer, folder: Path) -> None:
        self.server = server
        self.name = "pi"
        self.config = folder / "usbrh.toml"
        self.journal = folder / "journal.db"
        self.config.write_text(
            f'[zabbix]\nservers = ["{server.trapper}"]\nhost = "{self.name}"\n'
            f'[bridge]\ninterval = "5s"\n[journal]\npath = "{self.journal}"\n'
            + "".join(f'[sensor.{port}]\nname = "{name}"\n' for port, name in NAMES.items())
        )
        self.environment = {"USBRH_CONFIG": str(self.config)}
        self.begin = (time.time_ns() // 10**9 - NIGHT) // STEP * STEP
        self.clock = VirtualClock(self.begin * 10**9)
        models = [VirtualUsbRh(n, clock=self.clock, ticks=night(NAMES[f"sim-{n}"])) for n in range(1, len(NAMES) + 1)]
        backend = SimulatorBackend(models, self.clock)
        self.sensors = find(load(self.config, {}), backend=backend, clock=self.clock)

    def live_until(self, seconds: float) -> None:
        """Measure into the journal, as a bridge that does not reach its server, until so many seconds of the night."""
        end = self.clock.monotonic() + seconds
        # With the system clock the journal would see a clock that jumps, and correct the times of the readings.
        with Journal(self.journal, clock=self.clock) as journal:
            journal.sync_destinations([self.server.trapper])
            while self.clock.monotonic() < end:
                begun = self.clock.monotonic()
                # One after another: a virtual clock is for one thread.
                journal.add([reading for sensor in self.sensors for reading in measure_all([sensor], clock=self.clock)])
                self.clock.sleep(STEP - (self.clock.monotonic() - begun))

    def deliver(self) -> None:
        done = usbrh("journal", "flush", "--allow-simulated", **self.environment)
        assert done.returncode == 0, done.stderr

    def run(self) -> "subprocess.Popen[str]":
        """The service, with the sensors as they stand in the morning."""
        script = self.config.with_name("sensors.toml")
        morning = NIGHT // STEP
        script.write_text("".join(
            f"[sensor.{port}]\nticks = {[list(night(name)(morning + n)) for n in range(60)]}\n"
            for port, name in NAMES.items()
        ))  # fmt: skip
        command = [sys.executable, "-m", "usbrh", "run", "--allow-simulated"]
        return subprocess.Popen(command, env={**self.environment, "USBRH_SIMULATE": str(script), "PATH": "/usr/bin"},
                                stderr=subprocess.PIPE, text=True)  # fmt: skip

    def problems(self) -> list[tuple[str, str]]:
        """Names of the host's problems, with the event that ended them, "0" while they last."""
        host = self.server.api.host.get(filter={"host": [self.name]}, output=["hostid"])[0]["hostid"]
        found = self.server.api.event.get(hostids=host, value=1, output=["name", "r_eventid"])
        return [(each["name"], each["r_eventid"]) for each in found]


def test_a_cold_night(server: ZabbixServer, browser: Browser, tmp_path: Path) -> None:
    pictures = PICTURES / f"zabbix-{server.release.name}"
    house = House(server, tmp_path)
    Provisioner(server, house.name)("--group", "Home")
    server.sync()
    sensors = ", ".join(f'{{"{{#SENSOR}}":"{s}","{{#PORT}}":"{p}","{{#MODEL}}":"USB-RH"}}' for p, s in NAMES.items())
    server.send(house.name, "usbrh.discovery", f"[{sensors}]")
    wait_for("discovery", lambda: _has(server, house.name, "usbrh.error[greenhouse]"), 60, 0.2)
    server.sync()

    live_where_it_is_morning(server)
    house.live_until(NIGHT * 0.6)
    house.deliver()
    wait_for("the alert", lambda: dict(house.problems()).get(COLD) == "0", 60, 0.3)
    log_in(browser, server.url, USER, PASSWORD)
    host = server.api.host.get(filter={"host": [house.name]}, output=["hostid"])[0]["hostid"]
    problems = f"{server.url}/zabbix.php?action=problem.view&filter_set=1&hostids%5B%5D={host}"
    problems += "&filter_custom_time=1&from=now-14h&to=now&show_opdata=1"
    browser.resize(1600, LOW)
    browser.open(f"{problems}&show=3")
    assert COLD in browser.text()
    picture(browser, pictures / "problems-cold.png")

    house.live_until(NIGHT * 0.4 - 4 * STEP)
    house.deliver()
    wait_for("the end of the alert", lambda: dict(house.problems()).get(COLD, "0") != "0", 60, 0.3)
    moments = [value.clock for value in server.history(house.name, "usbrh.temperature[greenhouse]")]
    assert moments[0] - house.begin < STEP, "the night begins when it begins"
    assert max(moments) < time.time()
    service = house.run()
    try:
        wait_for("the service's own values", lambda: _has_value(server, house.name, "usbrh.bridge.uptime"), 60, 0.5)
        look(browser, server, host, pictures, problems)
    finally:
        service.terminate()
        _, errors = service.communicate(timeout=20)
    assert service.returncode == 0, errors
    assert [name for name, _ in house.problems()].count(COLD) == 1
    assert not [name for name, _ in house.problems() if "living-room" in name or "server-room" in name]


def live_where_it_is_morning(server: ZabbixServer) -> None:
    """A night that ends now is to look like one in the pictures: the person lives where it is about eight o'clock."""
    zone = min(ZONES, key=lambda zone: abs(datetime.now(ZoneInfo(zone)).hour - MORNING))
    user = server.api.user.get(filter={"username": [USER]}, output=["userid"])[0]["userid"]
    server.api.user.update(userid=user, timezone=zone)


def look(browser: Browser, server: ZabbixServer, host: str, pictures: Path, problems: str) -> None:
    """Page by page, as a person would."""
    browser.open(f"{problems}&show=2")
    text = browser.text()
    assert COLD in text
    assert "RESOLVED" in text
    picture(browser, pictures / "problems-recovered.png")
    browser.resize(1600, 900)

    # Items with the tag "sensor".
    browser.open(f"{server.url}/zabbix.php?action=latest.view&filter_set=1&hostids%5B%5D={host}"
                 "&tags%5B0%5D%5Btag%5D=sensor&tags%5B0%5D%5Boperator%5D=4&tags%5B0%5D%5Bvalue%5D=")  # fmt: skip
    text = browser.text()
    for name in NAMES.values():
        assert f"Sensor {name}: Temperature" in text
    assert "°C" in text
    assert "OK" in text
    picture(browser, pictures / "latest-data.png")

    browser.open(f"{server.url}/zabbix.php?action=charts.view&filter_set=1&filter_hostids%5B%5D={host}"
                 "&filter_name=dew+point&from=now-12h&to=now")  # fmt: skip
    picture(browser, pictures / "graph.png")

    browser.resize(1600, 1240)
    browser.open(f"{server.url}/zabbix.php?action=host.dashboard.view&hostid={host}&from=now-12h&to=now")
    assert "Overview" in browser.text()
    picture(browser, pictures / "dashboard.png")
    for number, page in enumerate(("Curves", "Bridge"), 2):
        browser.run(f"[...document.querySelectorAll('.dashboard-navigation li span, .dashboard-navigation-tabs span')]"
                    f".find(e => e.innerText.trim() == '{page}').click()")  # fmt: skip
        picture(browser, pictures / f"dashboard-{number}.png")
    assert_no_complaint(browser)


def picture(browser: Browser, path: Path) -> None:
    """As with the filter closed, which leaves more room for what it is about."""
    filters = ".filter-space, .filter-container, .tabfilter-subfilter, #latest-data-subfilter"
    browser.run(f"document.querySelectorAll('{filters}').forEach(each => each.remove())")
    browser.settle()
    browser.picture(path)


def assert_no_complaint(browser: Browser) -> None:
    bad = browser.run("[...document.querySelectorAll('.msg-bad, .widget-none')].map(e => e.innerText).join('; ')")
    assert not bad, bad


def _has(server: ZabbixServer, host: str, key: str) -> bool:
    return bool(server.api.item.get(host=host, filter={"key_": [key]}, output=["itemid"]))


def _has_value(server: ZabbixServer, host: str, key: str) -> Any:
    return server.history(host, key)
