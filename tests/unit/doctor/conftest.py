"""A machine with a sensor, and programs of its system."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.closed import NOBODY, reachable
from usbrh.setup.machine import Machine

PORT = "1-1.4"


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine with a sensor at 1-1.4 whose node belongs to the group usbrh, which is ours."""
    with reachable() as root:
        device = root / "sys/bus/usb/devices" / PORT
        device.mkdir(parents=True)
        (device / "busnum").write_text("1\n")
        (device / "devnum").write_text("7\n")
        node = root / "dev/bus/usb/001/007"
        node.parent.mkdir(parents=True)
        node.touch()
        node.chmod(0o660)
        for folder in ("etc/udev/rules.d", "run/systemd/system", "proc"):
            (root / folder).mkdir(parents=True)
        (root / "etc/udev/rules.d/70-usbrh.rules").write_text('ATTR{idVendor}=="1774", ATTR{idProduct}=="1001"\n')
        other = f"taro:x:{NOBODY}:{NOBODY}::/:/bin/sh\n" if os.geteuid() == 0 else ""
        (root / "etc/passwd").write_text(f"me:x:{os.getuid()}:{os.getgid()}::/:/bin/sh\n{other}")
        (root / "etc/group").write_text(f"usbrh:x:{os.getgid()}:\n")
        yield Machine(root)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of PATH, for programs of the system that answer as they would elsewhere."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder
