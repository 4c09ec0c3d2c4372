"""The dashboard with one, two, three and five sensors, in both languages, on a screen and on a phone.

Pictures go to tests/output/.
"""

import json
import math
import time

import pytest

from tests.support.daemon import wait_for
from tests.support.zabbix.browser import Browser, log_in
from tests.support.zabbix.provisioner import Provisioner
from tests.support.zabbix.server import CHECKOUT, PASSWORD, USER, ZabbixServer
from usbrh.psychrometry import derived
from usbrh.reading import Reading

PICTURES = CHECKOUT / "tests" / "output" / "dashboards"
SENSORS = ("greenhouse", "living-room", "server-room", "cellar", "attic")
HOURS, STEP = 12, 300
SCREEN, PHONE = (1600, 1180), (390, 844)
LIMITS = {"en": ("18 to 27 °C", "8 to 27 °C", "20 to 70 %"), "ja": ("18〜27 °C", "8〜27 °C", "20〜70 %")}
"""By language: those of the temperature, those of the cellar, those of the humidity."""
WORDS = {
    "en": ("Problems by severity", "Number of sensors, last seen", "Sensor greenhouse: Temperature critically low"),
    "ja": ("深刻度ごとの障害数", "センサー数、最終受信", "センサー greenhouse: 温度が危険なほど低い"),
}


def air(sensor: str, hours: float) -> tuple[float, float]:
    """Temperature in °C and humidity in %RH so many hours after the start; the greenhouse gets cold."""
    waves = math.sin(hours * 2.6), math.sin(hours * 1.3 + len(sensor))
    cold = 11 * math.sin(math.pi / 2 * hours / HOURS) ** 2
    temperature = {"greenhouse": 23.5 - cold, "living-room": 21.0, "server-room": 23.2, "cellar": 11.5, "attic": 19.4}
    humidity = {"greenhouse": 52 + cold, "living-room": 48.0, "server-room": 41.0, "cellar": 64.0, "attic": 37.0}
    return temperature[sensor] + 0.5 * waves[0], humidity[sensor] + 2 * waves[1]


def make_house(server: ZabbixServer, host: str, sensors: tuple[str, ...], language: str) -> str:
    """Create a host whose sensors have measured for hours. The cellar has its own limit."""
    Provisioner(server, host)("--language", language, "--force")
    (hostid,) = (each["hostid"] for each in server.api.host.get(filter={"host": [host]}, output=["hostid"]))
    for level, value in (("WARN", "8"), ("CRIT", "5")):
        server.api.usermacro.create(hostid=hostid, macro=f'{{$USBRH.TEMP.MIN.{level}:"cellar"}}', value=value)
    server.sync()
    found = [{"{#SENSOR}": sensor, "{#PORT}": "1-1", "{#MODEL}": "USB-RH"} for sensor in sensors]
    server.send(host, "usbrh.discovery", json.dumps(found))
    last = f"usbrh.heater[{sensors[-1]}]"
    wait_for(
        "discovery", lambda: server.api.item.get(hostids=hostid, filter={"key_": last}, output=["itemid"]), 60, 0.3
    )
    server.sync()
    now = time.time_ns() // 10**9
    for begin in range(now - HOURS * 3600, now, 3600):
        values = []
        for moment in range(begin, begin + 3600, STEP):
            for sensor in sensors:
                temperature, humidity = air(sensor, HOURS - (now - moment) / 3600)
                reading = Reading(
                    sensor, "1-1", "USB-RH", moment * 10**9, round(temperature, 2), round(humidity, 2),
                    **derived(temperature, humidity),
                )  # fmt: skip
                values.append((f"usbrh.get[{sensor}]", reading.to_json(), moment * 10**9))
            state = {"v": 1, "version": "1.0", "sensors": len(sensors), "waiting": 0, "oldest_waiting_age": 0}
            values.append(("usbrh.bridge", json.dumps({**state, "rejected": 0, "uptime": 9}), moment * 10**9))
        server.send_values(host, values)
    cold = "usbrh.temperature[greenhouse]"
    server.wait_history(host, cold, HOURS * 3600 // STEP)
    wait_for("the problem", lambda: server.api.problem.get(hostids=hostid, output=["eventid"]), 60, 0.3)
    return str(hostid)


@pytest.mark.parametrize(("language", "counts"), [("en", (1, 2, 3, 5)), ("ja", (3,))])
def test_one_to_five_sensors(zabbix_70: ZabbixServer, browser: Browser, language: str, counts: tuple[int, ...]) -> None:
    server, mark = zabbix_70, time.time_ns()
    houses = {
        count: make_house(server, f"house-{language}-{count}-{mark}", SENSORS[:count], language) for count in counts
    }
    user = server.api.user.get(filter={"username": [USER]}, output=["userid"])[0]["userid"]
    log_in(browser, server.url, USER, PASSWORD)
    page = f"{server.url}/zabbix.php?action=host.dashboard.view"
    server.add_locale("ja_JP")
    server.api.user.update(userid=user, lang={"en": "en_US", "ja": "ja_JP"}[language])
    try:
        for count, hostid in houses.items():
            server.api.host.update(hostid=hostid, name=f"pi-{count}")
            for name, (width, height), kiosk in (("screen", SCREEN, 0), ("phone", PHONE, 1)):
                browser.resize(width, height)
                browser.open(f"{page}&hostid={hostid}&from=now-12h&to=now&kiosk={kiosk}")
                wait_for_cells(browser, count)
                check_overview(browser, language, SENSORS[:count])
                if kiosk:
                    check_phone(browser)
                close_filter(browser)
                browser.picture(PICTURES / f"{language}-{count}-{name}.png")
    finally:
        browser.open(f"{page}&hostid={houses[counts[0]]}&kiosk=0")  # Zabbix remembers it
        server.api.user.update(userid=user, lang="default")
        for hostid in houses.values():
            server.api.host.delete(hostid)
        server.import_template("trapper")  # in English, which the other tests expect


def wait_for_cells(browser: Browser, count: int) -> None:
    """Each of the four widgets with present values has a cell per sensor."""
    script = "[...document.querySelectorAll('.dashboard-widget-honeycomb')]"
    script += ".map(e => e.querySelectorAll('.svg-honeycomb-cell').length)"
    wait_for("the cells", lambda: browser.run(script) == [count] * 4, 30, 0.3)


def check_overview(browser: Browser, language: str, sensors: tuple[str, ...]) -> None:
    """Each sensor's values have its limits beside them, and no widget is empty or broken."""
    shown = browser.run("[...document.querySelectorAll('.svg-honeycomb-cell')].map(e => e.textContent)")
    of_all, of_the_cellar, of_humidity = LIMITS[language]
    for sensor in sensors:
        own = [text for text in shown if text.startswith(sensor)]
        assert len(own) == 4, shown
        limits = of_the_cellar if sensor == "cellar" else of_all
        assert [limits in own[0], of_humidity in own[1]] == [True, True], own
    text = browser.text()
    assert not [word for word in WORDS[language] if word not in text]
    bad = browser.run("[...document.querySelectorAll('.msg-bad, .widget-none')].map(e => e.innerText).join('; ')")
    assert not bad, bad


def check_phone(browser: Browser) -> None:
    """What answers the question whether all is well is in the part that a phone shows first."""
    script = "[...document.querySelectorAll('.dashboard-grid-widget')].filter(e => e.getBoundingClientRect().left < 20)"
    width = browser.run(f"Math.max(...{script}.map(e => e.getBoundingClientRect().right))")
    assert width <= PHONE[0] + 12, "the margin may be outside"
    assert browser.run(f"{script}.length") == 4


def close_filter(browser: Browser) -> None:
    browser.run("document.querySelectorAll('.filter-space, .filter-container').forEach(each => each.remove())")
    browser.settle()
