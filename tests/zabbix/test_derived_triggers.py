"""The triggers on derived values: each one, also those that are off by default, fires and ends."""

import json
import time
from pathlib import Path

import pytest

from tests.support.daemon import wait_for
from tests.support.zabbix.command import usbrh
from tests.support.zabbix.provisioner import Provisioner
from tests.support.zabbix.server import ZabbixServer
from usbrh.journal.store import Journal
from usbrh.psychrometry import derived
from usbrh.reading import Reading

MINUTES, BEGIN, END = 45, 20, 30
"""One reading per minute; the air is as in the table from the minute BEGIN to before the minute END."""
PLEASANT = (22.0, 60.0)
OFF = ("Risk of frost", "Vapour pressure deficit high", "Vapour pressure deficit low", "Discomfort index high")
# Sensor: °C, %RH, and the problems.
AIR = {
    "fridge": ((-1.0, 90.0), {"Risk of condensation (dew point less than 3 °C below the temperature for 5m)",
                              "Risk of frost (dew point below 0 °C, and less than 3 °C below the temperature for 5m)",
                              "Vapour pressure deficit low (below 0.45 kPa for 5m)"}),
    "desert": ((28.0, 40.0), {"Vapour pressure deficit high (above 1.25 kPa for 5m)"}),
    "cellar": ((20.0, 90.0), {"Risk of condensation (dew point less than 3 °C below the temperature for 5m)",
                              "Vapour pressure deficit low (below 0.45 kPa for 5m)"}),
    "jungle": ((32.0, 70.0), {"Vapour pressure deficit high (above 1.25 kPa for 5m)",
                              "Discomfort index high (above 80 for 5m)"}),
}  # fmt: skip


def reading(sensor: str, minute: int, start: int) -> Reading:
    temperature, humidity = AIR[sensor][0] if BEGIN <= minute < END else PLEASANT
    temperature += minute % 7 / 100
    return Reading(
        sensor, "1-1", "USB-RH", start + minute * 60 * 10**9, temperature, humidity, **derived(temperature, humidity)
    )


def enable(server: ZabbixServer, hostid: str) -> None:
    """Enable the prototypes as a person does, but for one host."""
    prototypes = server.api.triggerprototype.get(hostids=hostid, output=["description", "status"])
    off = [each for each in prototypes if each["status"] == "1"]
    assert sorted(each["description"].removeprefix("Sensor {#SENSOR}: ") for each in off) == sorted(OFF)
    for each in off:
        server.api.triggerprototype.update(triggerid=each["triggerid"], status=0)


def test_each_fires_and_ends(server: ZabbixServer, tmp_path: Path) -> None:
    host = f"derived-{time.time_ns()}"
    Provisioner(server, host)("--force")
    (hostid,) = (each["hostid"] for each in server.api.host.get(filter={"host": [host]}, output=["hostid"]))
    enable(server, hostid)
    server.sync()
    sensors = [{"{#SENSOR}": sensor, "{#PORT}": "1-1", "{#MODEL}": "USB-RH"} for sensor in AIR]
    server.send(host, "usbrh.discovery", json.dumps(sensors))
    wait_for("discovery", lambda: has(server, hostid, "usbrh.heater[jungle]"), 60, 0.3)
    server.sync()

    start = (time.time_ns() // 10**9 - MINUTES * 60) * 10**9
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.sync_destinations([server.trapper])
        journal.add([reading(sensor, minute, start) for minute in range(MINUTES) for sensor in AIR])
    settings = {"SERVERS": server.trapper, "HOST": host}
    environment = {f"USBRH_ZABBIX_{name}": value for name, value in settings.items()}
    done = usbrh("journal", "flush", USBRH_JOURNAL_PATH=str(path), **environment)
    assert done.returncode == 0, done

    names = sorted({name.partition(" (")[0] for _, problems in AIR.values() for name in problems})
    assert {*names} == {*OFF, "Risk of condensation"}
    expected = {(f"Sensor {sensor}: {name}", True) for sensor, (_, problems) in AIR.items() for name in problems}

    def seen() -> list[tuple[str, bool]]:
        found = server.api.event.get(hostids=hostid, value=1, output=["name", "r_eventid"])
        return [
            (each["name"], each["r_eventid"] != "0")
            for each in found
            if each["name"].partition(": ")[2].partition(" (")[0] in names
        ]

    try:
        wait_for("the problems and their ends", lambda: sorted(seen()) == sorted(expected), 60, 0.5)
    except TimeoutError:
        assert sorted(seen()) == sorted(expected)
    value = server.history(host, "usbrh.vapour_pressure_deficit[desert]")[BEGIN].value
    assert float(value) == pytest.approx(derived(28.06, 40.0)["vapour_pressure_deficit"], abs=0.01)


def has(server: ZabbixServer, hostid: str, key: str) -> bool:
    return bool(server.api.item.get(hostids=hostid, filter={"key_": [key]}, output=["itemid"]))
