"""Each trigger of the templates, with readings made for it: when it fires, how often, and when it ends."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.daemon import wait_for
from tests.support.zabbix.server import ZabbixServer
from usbrh.psychrometry import derived
from usbrh.reading import Reading

MINUTES = 420
"""Of readings, one a minute, the last a minute ago: longer than the longest window."""
BEGIN, WHOLE = 280, {"fine", "stuck", "failing"}
"""The minute of the first reading, except of these sensors: they are watched for longer than the longest window."""
Story = Callable[[int], dict[str, Any]]


def air(temperature: float, humidity: float = 45.0) -> dict[str, Any]:
    return {"temperature": temperature, "humidity": humidity}


def broken(state: str) -> dict[str, Any]:
    return {"state": state, "error": f"it is {state}; fix it"}


def lively(minute: int) -> float:
    """Room air never stands still."""
    return 22.0 + (minute * 7 % 11) / 100


def between(minute: int, first: int, last: int, then: dict[str, Any]) -> dict[str, Any]:
    return then if first <= minute <= last else air(lively(minute))


RISING = ("Temperature rises fast (more than 5 °C in 15m)", True)
# Sensor: its story by minute, and its problems as (name, whether it has ended).
STORIES: dict[str, tuple[Story, set[tuple[str, bool]]]] = {
    "fine": (lambda m: air(lively(m)), set()),
    "hot": (lambda m: between(m, 400, 420, air(30.0)), {("Temperature high (above 27 °C for 5m)", False), RISING}),
    "oven": (lambda m: between(m, 395, 420, air(40 + m / 1000)),
             {("Temperature critically high (above 32 °C for 5m)", False), RISING}),
    "cold": (lambda m: between(m, 300, 340, air(16.0)), {("Temperature low (below 18 °C for 5m)", True), RISING}),
    "damp": (lambda m: between(m, 300, 340, air(lively(m), 75.0)), {("Humidity high (above 70 %RH for 5m)", True)}),
    "bath": (lambda m: between(m, 400, 420, air(lively(m), 90.0)),
             {("Humidity critically high (above 80 %RH for 5m)", False),
              ("Risk of condensation (dew point less than 3 °C below the temperature for 5m)", False)}),
    "dry": (lambda m: between(m, 300, 340, air(lively(m), 15.0)), {("Humidity low (below 20 %RH for 5m)", True)}),
    "desert": (lambda m: between(m, 400, 420, air(lively(m), 5.0)),
               {("Humidity critically low (below 10 %RH for 5m)", False)}),
    "peak": (lambda m: between(m, 300, 302, air(26.0 + m % 2 * 5)), set()),  # shorter than the window
    "flapping": (lambda m: between(m, 300, 360, air(27.5 if m % 2 else 26.5) if m > 310 else air(27.5)),
                 {("Temperature high (above 27 °C for 5m)", True), RISING}),
    "stuck": (lambda m: air(21.5), {("Values do not change (temperature and humidity unchanged for 6h)", False)}),
    "new": (lambda m: air(21.5) if m >= 300 else {}, set()),  # for two hours, and calm
    "newcold": (lambda m: air(10.0 + m / 1000, 5.0) if m >= 416 else {}, set()),  # for less than a window
    "newdamp": (lambda m: air(40.0 + m / 1000, 95.0) if m >= 419 else {}, set()),  # one value
    "newoven": (lambda m: air(40.0 + m / 1000) if m >= 410 else {},  # for more than a window
                {("Temperature critically high (above 32 °C for 5m)", False)}),
    # Hot before a gap and for less than a window after it; hot before a gap and since then; a reading in ten minutes.
    "gap": (lambda m: {} if 300 < m <= 360 else between(m, 300, 363, air(35.0)), set()),
    "gaphot": (lambda m: {} if 300 < m < 380 else between(m, 300, 420, air(30.0 + m / 1000)),
               {("Temperature high (above 27 °C for 5m)", False)}),
    "slow": (lambda m: {} if m % 10 else between(m, 310, 420, air(30.0)),
             {("Temperature high (above 27 °C for 5m)", False)}),
    "brief": (lambda m: between(m, 300, 304, air(35.0)), {RISING}),  # five values are four minutes
    "failing": (lambda m: between(m, 410, 420, broken("timeout")),
                {("Readings fail (three in a row)", False)}),
    "hiccup": (lambda m: between(m, 410, 411, broken("timeout")), set()),
    "lost": (lambda m: between(m, 300, 320, broken("not_found")),
             {("Sensor disconnected (not plugged in at three readings in a row)", True)}),
    "silent": (lambda m: air(lively(m)) if m < 400 else {}, {("No data (no reading for 15s)", False)}),
    "heating": (lambda m: between(m, 415, 420, {**air(60.0), "heater": True}), {("Heater is on", False)}),
}  # fmt: skip


BRIDGE = {
    ("USB-RH: Number of sensors increased (now 3)", True),
    ("USB-RH: Number of sensors decreased (now 2)", False),
    ("USB-RH: Journal: Backlog of readings (more than 1000, or one older than 1h)", True),
    ("USB-RH: Journal: Readings are rejected (for 5m)", False),
    ("USB-RH: No data (nothing from usbrh for 15s)", False),
}
"""The problems of another host, on which usbrh itself has a story."""
STATES: list[dict[str, int]] = [
    *({"sensors": count} for count in (2, 3, 3, 2)),
    {"waiting": 1500, "oldest_waiting_age": 90},
    {"waiting": 5, "oldest_waiting_age": 7200},
    {"waiting": 0, "oldest_waiting_age": 0},
    {"rejected": 4},  # of a new sensor, of which the server has not read yet: no problem
    {"rejected": 0},
    *({"rejected": 4},) * 7,
]
"""Its story, a state per minute."""
OFF = ("Discomfort index high", "Risk of frost", "Vapour pressure deficit high", "Vapour pressure deficit low")
"""Triggers that are off by default."""
SOON = "15s"
"""Zabbix calls nothing silent before it has watched for as long as that takes: so not after ten minutes."""
FILTER = {"LLD.FILTER.SENSOR.MATCHES": "^[a-z]+$", "LLD.FILTER.SENSOR.NOT_MATCHES": "^spare"}
HELD_BACK = ("spare", "Other")
"""Sensors that each of the two leaves out. Their readings are sent all the same."""
TOO_LATE = {"v": 1, "state": "timeout", "error": "no answer within 2.5 s; see: usbrh doctor"}
"""What `usbrh agent` says in the last moment. It has a state, and makes no item unsupported."""


def reading(sensor: str, story: dict[str, Any], time_ns: int) -> str:
    if "temperature" in story:
        story = {**story, **derived(story["temperature"], story["humidity"])}
    return Reading(sensor, "1-1", "USB-RH", time_ns, **story).to_json()


def make_host(server: ZabbixServer, name: str, **macros: str) -> tuple[str, str]:
    """Name and id, with these macros of the template instead of its own."""
    host = f"{name}-{time.time_ns()}"
    template = [{"templateid": server.template("trapper")}]
    values = [{"macro": f"{{$USBRH.{macro}}}", "value": value} for macro, value in macros.items()]
    return host, server.make_host(host, templates=template, macros=values)


def names(server: ZabbixServer, hostid: str) -> list[tuple[str, bool]]:
    """Of the problems, with whether they have ended."""
    found = server.api.event.get(hostids=hostid, value=1, output=["name", "r_eventid"])
    return sorted((event["name"], event["r_eventid"] != "0") for event in found)


def test_every_trigger(server: ZabbixServer) -> None:
    host, number = make_host(server, "triggers", **{'NODATA:"silent"': SOON, "BRIDGE.NODATA": "1h", **FILTER})
    bridge, bridge_number = make_host(server, "bridge", **{"BRIDGE.NODATA": SOON})
    server.sync()
    server.send(
        host,
        "usbrh.discovery",
        json.dumps([{"{#SENSOR}": s, "{#PORT}": s, "{#MODEL}": "USB-RH"} for s in [*HELD_BACK, *STORIES]]),
    )

    def discovered() -> bool:
        triggers = server.api.trigger.get(hostids=number, output=["triggerid"], search={"description": "Sensor fine:"})
        return len(triggers) == 19

    wait_for("discovery", discovered, 60, 0.3)
    server.sync()
    now = time.time_ns() // 10**9 * 10**9
    states = STATES.copy()
    for first in range(0, MINUTES, 20):
        begun = time.monotonic()
        values = []
        for minute in range(first, min(first + 20, MINUTES)):
            moment = now - (MINUTES - minute) * 60 * 10**9
            values += [
                (f"usbrh.get[{sensor}]", reading(sensor, story(minute), moment), moment)
                for sensor, (story, _) in STORIES.items()
                if story(minute) and (minute >= BEGIN or sensor in WHOLE)
            ]
        server.send_values(host, values)
        if states:
            moment = now - (24 + len(states)) * 60 * 10**9
            state = {"v": 1, "version": "0.1.0", **states.pop(0)}
            server.send_values(bridge, [("usbrh.bridge", json.dumps(state), moment)])
            # The server looks at what changed once a second.
            time.sleep(max(0.0, begun + 1.1 - time.monotonic()))
    assert not states
    server.send(bridge, "usbrh.bridge", json.dumps(TOO_LATE))
    server.send(host, "usbrh.get[hiccup]", json.dumps(TOO_LATE))
    expected = {(f"Sensor {sensor}: {name}", ended) for sensor, (_, names) in STORIES.items() for name, ended in names}

    def as_expected() -> bool:
        return set(names(server, number)) == expected and set(names(server, bridge_number)) == BRIDGE

    try:
        wait_for("the problems", as_expected, 180, 1.0)
    except TimeoutError:
        assert set(names(server, number)) == expected
        assert set(names(server, bridge_number)) == BRIDGE
    off = server.api.trigger.get(hostids=number, filter={"status": 1}, search={"description": "Sensor bath:"})
    assert sorted(each["description"] for each in off) == [f"Sensor bath: {name}" for name in OFF]
    for key, value in derived(lively(MINUTES - 1), 45.0).items():
        stored = server.history(host, f"usbrh.{key}[fine]")
        assert [float(each.value) for each in stored[-1:]] == (
            [] if value is None else [pytest.approx(value, abs=0.01)]
        )
    assert len(names(server, number)) == len(expected), "none came twice"
    # What is measured while heating is left out, and so is a failure: no value, and no unsupported item.
    assert max(float(value.value) for value in server.history(host, "usbrh.temperature[heating]")) < 23
    assert len(server.history(host, "usbrh.temperature[failing]")) == MINUTES - 10
    assert server.history(host, "usbrh.error[failing]")[-1].value == "it is timeout; fix it"
    assert server.wait_history(host, "usbrh.state[hiccup]", MINUTES - BEGIN + 1)[-1].value == "timeout"
    assert not server.api.item.get(hostids=[number, bridge_number], filter={"state": 1}, output=["key_", "error"])
    for sensor in HELD_BACK:
        server.send_values(host, [(f"usbrh.get[{sensor}]", reading(sensor, air(22.0), now), now)])
        assert sensors_with(server, number, "item", "key_", sensor) == {f"usbrh.get[{sensor}]"}
        assert not sensors_with(server, number, "trigger", "description", sensor)
        assert not sensors_with(server, number, "graph", "name", sensor)


def sensors_with(server: ZabbixServer, hostid: str, kind: str, field: str, sensor: str) -> set[str]:
    """What was made of a sensor, by its name or key."""
    found = getattr(server.api, kind).get(hostids=hostid, output=[field])
    return {each[field] for each in found if sensor in each[field]}
