"""The checks in the order of a reading's route: the names, the remedies, and what depends on what."""

from dataclasses import replace

import pytest

from usbrh import doctor
from usbrh.config import Config, JournalConfig, SensorConfig
from usbrh.doctor import usb
from usbrh.errors import ConfigError
from usbrh.findings import Finding, Status
from usbrh.reading import Reading
from usbrh.setup.machine import Machine
from usbrh.zabbix.fake_server import FakeServer

GOOD = Reading("living room", "1-1", "USB-RH", 0, temperature=21.456, humidity=44.444)


def test_a_good_reading() -> None:
    assert usb.reading_of(GOOD) == Finding("reading", Status.OK, "living room: 21.46 °C, 44.44 %RH")


def test_a_reading_with_the_heater_on_names_the_command_that_switches_it_off() -> None:
    found = usb.reading_of(replace(GOOD, heater=True))
    assert (found.check, found.status, found.exit_status) == ("reading", Status.WARNING, 0)
    assert found.message == "living room: 21.46 °C, 44.44 %RH, with the heater on"
    assert found.remedy == "usbrh heater off 'living room'"


@pytest.mark.parametrize(
    ("state", "exit_status"), [("not_found", 3), ("access_denied", 4), ("busy", 5), ("timeout", 5), ("bad_report", 1)]
)
def test_a_failed_reading_has_the_remedy_of_its_error(state: str, exit_status: int) -> None:
    failed = Reading("attic", "1-1", "USB-RH", 0, state=state, error="attic: failed; twice", remedy="plug it in; wait")
    found = usb.reading_of(failed)
    assert found == Finding("reading", Status.FAULT, "attic: failed; twice", "plug it in; wait", exit_status)
    assert usb.reading_of(replace(failed, remedy=None)).remedy == "usbrh --debug read"


def checks(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(found.check, found.status.value) for found in findings]


def examine(machine: Machine, config: Config | ConfigError) -> list[Finding]:
    return list(doctor.examine(config, machine))


@pytest.fixture
def config(machine: Machine) -> Config:
    return Config(journal=JournalConfig(path=machine.path("/var/lib/usbrh/journal.db")))


SENSOR_CHECKS = ("permission", "in use", "kernel driver")
ROUTE = [(check, "not checked") for check in ("server", "TLS", "round trip")]


def test_virtual_sensors_need_neither_libusb_nor_a_node(
    machine: Machine, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USBRH_SIMULATE", "2")
    found = examine(machine, replace(config, sensor={"sim-2": SensorConfig(name="attic")}))
    assert checks(found)[:9] == [
        ("libusb", "ok"),
        ("USB bus", "ok"),
        ("sensor", "ok"),
        ("sensor", "ok"),
        *((check, "not checked") for check in SENSOR_CHECKS),
        ("reading", "ok"),
        ("reading", "ok"),
    ]
    assert [each.message for each in found[2:4]] == [
        "USB-RH (port sim-1, virtual)",
        "USB-RH (attic, port sim-2, virtual)",
    ]
    assert {each.message for each in found[:2]} == {"not needed: USBRH_SIMULATE is set"}


def test_without_a_sensor_nothing_of_it_is_checked(
    machine: Machine, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USBRH_SIMULATE", "0")
    found = examine(machine, config)
    assert checks(found)[2:7] == [
        ("sensor", "fault"),
        *((check, "not checked") for check in (*SENSOR_CHECKS, "reading")),
    ]
    assert found[2].exit_status == 3
    assert "lsusb -d 1774:1001" in str(found[2].remedy)


def test_a_wrong_number_of_virtual_sensors_has_its_own_remedy(
    machine: Machine, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USBRH_SIMULATE", "many")
    found, *_ = examine(machine, config)
    assert (found.check, found.status, found.exit_status) == ("libusb", Status.FAULT, 2)
    assert found.remedy == "USBRH_SIMULATE=1 gives one virtual sensor"


def test_a_wrong_configuration_has_its_own_remedy_and_the_route_is_not_checked(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USBRH_SIMULATE", "1")
    found = examine(machine, ConfigError("usbrh.toml, line 2: no key hots; or so", remedy="did you mean host?"))
    (wrong,) = [each for each in found if each.check == "configuration"]
    assert (wrong.status, wrong.exit_status) == (Status.FAULT, 2)
    assert (wrong.message, wrong.remedy) == ("usbrh.toml, line 2: no key hots; or so", "did you mean host?")
    assert checks(found)[-3:] == ROUTE


def test_the_route_is_checked_at_last(machine: Machine, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USBRH_SIMULATE", "1")
    with FakeServer() as server:
        route = replace(config.zabbix, servers=(server.address,), host="pc")
        found = examine(machine, replace(config, zabbix=route))
    assert checks(found)[-3:] == [(check, "ok") for check, _ in ROUTE]
    assert list(dict.fromkeys(each.check for each in found)) == [
        *("libusb", "USB bus", "sensor", *SENSOR_CHECKS, "reading"),
        *("configuration", "journal", "clock", "units", "Zabbix agent"),
        *(check for check, _ in ROUTE),
    ]
