"""USBRH_SIMULATE: numbers, files, and everything that can be wrong with them."""

import re
from pathlib import Path

import pytest
import usb.core
from hypothesis import given
from hypothesis import strategies as st

from usbrh.errors import ConfigError
from usbrh.simulator import script
from usbrh.simulator.clock import VirtualClock
from usbrh.simulator.unknowns import UsbRhUnknowns
from usbrh.simulator.usbrh1 import FEATURE_REPORT, GET_REPORT, OUTPUT_REPORT, SET_REPORT, VirtualUsbRh


def load(path: Path, text: str) -> list[VirtualUsbRh]:
    file = path / "sensors.toml"
    file.write_text(text)
    return [model for model in script.models(str(file), VirtualClock()) if isinstance(model, VirtualUsbRh)]


def measure(model: VirtualUsbRh) -> bytes | None:
    model.control(SET_REPORT, OUTPUT_REPORT, 0, bytes(7))
    model.clock.sleep(model.measuring)
    return model.interrupt_in()


@pytest.mark.parametrize("count", [0, 1, 3, 127, 1000])
def test_a_number_of_sensors(count: int) -> None:
    assert [model.name for model in script.models(str(count))] == [f"sim-{n}" for n in range(1, count + 1)]


def test_the_backend_lives_by_the_clock_that_is_given() -> None:
    clock = VirtualClock()
    backend = script.backend_from_environment("2", clock)
    assert backend.simulated
    assert backend.clock is clock
    assert {model.clock for model in backend.models.values()} == {clock}
    assert len(list(usb.core.find(find_all=True, backend=backend))) == 2


def test_a_whole_script(tmp_path: Path) -> None:
    first, second, third = load(
        tmp_path,
        """
        [sensor.sim-3]
        plugged = false
        [sensor.sim-1]
        ticks = [[6500, 1500], [3840, 3200]]
        delay = 0.45
        reserved = "0a0B0c"
        firmware = "07/01/30"
        kernel_driver = false
        unknown = {unread = "kept", packet_size = 64}
        [[sensor.sim-1.fault]]
        name = "no_answer"
        times = 1
        [[sensor.sim-1.fault]]
        name = "late"
        seconds = 2
        times = 2
        [sensor.sim-2]
        """,
    )
    assert [model.name for model in (first, second, third)] == ["sim-1", "sim-2", "sim-3"]
    assert (first.measuring, first.kernel_driver, first.plugged, third.plugged) == (0.45, False, True, False)
    assert first.faults == {"no_answer": 1, "late": 2}
    assert first.unknowns == UsbRhUnknowns(unread="kept", packet_size=64)
    assert (first.full_speed, second.unknowns) == (True, UsbRhUnknowns())
    first.clear_faults()
    reports = [measure(first) for _ in range(3)]
    assert reports == [bytes.fromhex(text) for text in ("05dc19640a0b0c", "0c800f000a0b0c", "05dc19640a0b0c")]
    assert first.control(GET_REPORT, FEATURE_REPORT, 0, length=3) == bytes([7, 1, 30])


def test_example_of_the_documentation_is_right(tmp_path: Path) -> None:
    (model,) = load(tmp_path, str(script.__doc__).partition("\n\n")[2])
    assert (model.name, model.faults, model.plugged) == ("sim-1", {"late": 3}, True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no sensor in it; begin with a line [sensor.sim-1]"),
        ("sensor = 3", "there is no sensor in it"),
        ("[sensor.sim-1", "is not TOML: "),
        ("[sensors.sim-1]", "sensors is not known; known here: sensor"),
        ("[sensor.kitchen]", "sensor.kitchen: the virtual ports are sim-1 to sim-1000"),
        ("[sensor.sim-0]", "sensor.sim-0: the virtual ports"),
        ("[sensor.sim-1001]", "sensor.sim-1001: the virtual ports"),
        ("[sensor.1]", "sensor.1: the virtual ports"),
        ("[sensor]\nsim-1 = 1", "sensor.sim-1 must be a table"),
        ("[sensor.sim-1]\ntick = []", "sensor.sim-1.tick is not known; known here: model, ticks, delay"),
        ("[sensor.sim-1]\nticks = []", "sensor.sim-1.ticks must be pairs"),
        ("[sensor.sim-1]\nticks = [7169, 1246]", "sensor.sim-1.ticks must be pairs"),
        ("[sensor.sim-1]\nticks = [[7169]]", "sensor.sim-1.ticks must be pairs"),
        ("[sensor.sim-1]\nticks = [[7169, -1]]", "sensor.sim-1.ticks must be pairs"),
        ("[sensor.sim-1]\nticks = [[7169, 65536]]", "sensor.sim-1.ticks must be pairs"),
        ("[sensor.sim-1]\nticks = [[7169, 1.5]]", "sensor.sim-1.ticks must be pairs"),
        ('[sensor.sim-1]\ndelay = "0.3"', "sensor.sim-1.delay must be a number of seconds"),
        ("[sensor.sim-1]\ndelay = 3600.5", "sensor.sim-1.delay must be a number of seconds, 0 to 3600"),
        ("[sensor.sim-1]\ndelay = -1", "sensor.sim-1.delay must be"),
        ("[sensor.sim-1]\ndelay = nan", "sensor.sim-1.delay must be"),
        ("[sensor.sim-1]\ndelay = inf", "sensor.sim-1.delay must be"),
        ("[sensor.sim-1]\ndelay = true", "sensor.sim-1.delay must be"),
        ("[sensor.sim-1]\nreserved = 241", "sensor.sim-1.reserved must be three bytes"),
        ('[sensor.sim-1]\nreserved = "0241"', "sensor.sim-1.reserved must be three bytes"),
        ('[sensor.sim-1]\nfirmware = "2006-01-09"', "sensor.sim-1.firmware must be year/month/day"),
        ("[sensor.sim-1]\nkernel_driver = 1", "sensor.sim-1.kernel_driver must be true or false"),
        ('[sensor.sim-1]\nplugged = "no"', "sensor.sim-1.plugged must be true or false"),
        ('[sensor.sim-1]\nfault = "short"', "sensor.sim-1.fault must be a list of tables"),
        ('[sensor.sim-1]\nmodel = "USBRH3"', "sensor.sim-1.model must be one of USB-RH, USBRH2"),
        ("[sensor.sim-1]\nmodel = []", "sensor.sim-1.model must be one of USB-RH, USBRH2"),
        ('[sensor.sim-1]\nmodel = "USBRH2"\nticks = [[1, 2]]', "sensor.sim-1.ticks is not known; known here: model, "),
        ('[sensor.sim-1]\nmodel = "USBRH2"\nvalues = [[20.0, 101]]', "sensor.sim-1.values must be pairs of °C"),
        ('[sensor.sim-1]\nmodel = "USBRH2"\nvalues = [20.0, 50.0]', "sensor.sim-1.values must be pairs of °C"),
        ('[sensor.sim-1]\nmodel = "USBRH2"\nserial = 7', "sensor.sim-1.serial must be printable ASCII"),
        ("[sensor.sim-1]\nunknown = 1", "sensor.sim-1.unknown must be a table"),
        ("[sensor.sim-1.unknown]\ncolour = 1", "sensor.sim-1.unknown.colour is not known; known here: poll_interval, "),
        ("[sensor.sim-1.unknown]\npacket_size = 16", "sensor.sim-1.unknown.packet_size must be one of 8, 64"),
        ("[sensor.sim-1.unknown]\npacket_size = 8.0", "sensor.sim-1.unknown.packet_size must be one of 8, 64"),
        ('[sensor.sim-1.unknown]\nunread = "lost"', "unknown.unread must be one of 'queued', 'overwritten', 'kept'"),
        ("[sensor.sim-1.unknown]\npoll_interval = 256", "sensor.sim-1.unknown.poll_interval must be 0 to 255"),
        ("[sensor.sim-1.unknown]\npoll_interval = true", "unknown.poll_interval must be a whole number"),
        (
            '[sensor.sim-1]\nmodel = "USBRH2"\nunknown = {greeting = 1}',
            "sensor.sim-1.unknown.greeting must be true or false",
        ),
        (
            '[sensor.sim-1]\nmodel = "USBRH2"\nserial = "E002"\n[sensor.sim-2]\nmodel = "USBRH2"',
            "two sensors have the same serial number, of E002, E002",
        ),
        (
            '[sensor.sim-1]\nmodel = "USBRH2"\n[[sensor.sim-1.fault]]\nname = "short"',
            "sensor.sim-1.fault: there is no fault 'short'; there are: silent",
        ),
        ("[[sensor.sim-1.fault]]", "sensor.sim-1.fault: there is no fault ''; there are: access_denied, busy"),
        ('[[sensor.sim-1.fault]]\nname = "short"\ntimes = 0', "sensor.sim-1.fault: a fault occurs 1 time or more"),
        ('[[sensor.sim-1.fault]]\nname = "short"\ntimes = "2"', "sensor.sim-1.fault.times must be a whole number"),
        ('[[sensor.sim-1.fault]]\nname = "late"\nseconds = -1', "sensor.sim-1.fault.seconds must be a number"),
        ('[[sensor.sim-1.fault]]\nname = "late"\nafter = 1', "sensor.sim-1.fault.after is not known"),
    ],
)
def test_wrong_scripts(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)) as raised:
        load(tmp_path, text)
    assert str(tmp_path / "sensors.toml") in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["1001", "many", "-1", "1.5", "²", "/", "no/such/file.toml"])
def test_neither_number_nor_file(text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"USBRH_SIMULATE={text}: ")):
        script.models(text)


def test_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        script.models(str(tmp_path / "file"))


def test_file_that_can_not_be_read() -> None:
    # Permissions do not keep root out, so a file that never can be read.
    with pytest.raises(ConfigError, match="can't read /proc/self/mem: "):
        script.models("/proc/self/mem")


@given(st.one_of(st.text(max_size=40), st.text("0123456789", max_size=5000)))
def test_any_text_is_sensors_or_a_config_error(text: str) -> None:
    if text.isascii() and text.isdigit() and len(text) < 5 and int(text) <= 1000:
        assert len(script.models(text)) == int(text)
    else:
        with pytest.raises(ConfigError) as raised:
            script.models(text)
        assert "\n" not in str(raised.value)
