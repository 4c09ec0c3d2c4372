"""The first record of a capture, on a machine whose files the test makes."""

import platform
from pathlib import Path

import pytest

from tests.support.clocks import FixedClock
from tests.support.journal import START
from usbrh.reading import SensorInfo
from usbrh.verify.capture import header


@pytest.fixture
def sys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose bus 3 is that of an xhci_hcd, as sysfs links them."""
    monkeypatch.setattr(platform, "release", lambda: "6.12.57.2+rpt-rpi-v8")
    controller, driver = tmp_path / "devices/pci0000:00/0000:00:14.0", tmp_path / "bus/pci/drivers/xhci_hcd"
    for folder in (controller / "usb3", driver, tmp_path / "bus/usb/devices"):
        folder.mkdir(parents=True)
    (controller / "driver").symlink_to(driver)
    (tmp_path / "bus/usb/devices/usb3").symlink_to(controller / "usb3")
    return tmp_path


@pytest.mark.parametrize(
    ("port", "controller", "hubs"),
    [("3-1", "xhci_hcd", 0), ("3-1.4.2", "xhci_hcd", 2), ("1-1", None, 0), ("sim-1", None, None)],
)
def test_the_first_record_shows_the_connection_and_the_kernel(
    sys: Path, port: str, controller: str | None, hubs: int | None
) -> None:
    info = SensorInfo(port, "USB-RH", "attic", simulated=port == "sim-1")
    found = header(info, FixedClock(START), sys)
    assert found.items() >= {"usbrh_capture": 1, "date": "2026-11-21", "model": "USB-RH"}.items()
    assert (found["controller"], found["hubs"], found["simulated"]) == (controller, hubs, info.simulated)
    assert found["kernel"] == "6.12.57", "the rest can name a machine"
    assert "attic" not in found.values()
