"""What a capture contains: each transfer with its times, its setup and the data in its direction."""

from array import array
from typing import Any

from usbrh.drivers.recording import Recorder, recording_backend
from usbrh.simulator import SimulatorBackend, VirtualClock, VirtualUsbRh


def test_transfers_in_both_directions() -> None:
    clock = VirtualClock()
    model = VirtualUsbRh(clock=clock, ticks=lambda number: (7169, 1246), kernel_driver=False)
    events: list[dict[str, Any]] = []
    backend: Any = recording_backend(SimulatorBackend([model], clock), Recorder(clock, events.append))
    clock.sleep(1.5)
    handle = backend.open_device(next(iter(backend.enumerate_devices())))
    assert backend.ctrl_transfer(handle, 0x21, 0x09, 0x0200, 0, array("B", bytes(7)), 500) == 7
    buffer = array("B", bytes(8))
    assert backend.intr_read(handle, 0x81, 0, buffer, 1000) == 7
    firmware = array("B", bytes(7))
    assert backend.ctrl_transfer(handle, 0xA1, 0x01, 0x0300, 0, firmware, 500) == 7
    backend.close_device(handle)

    opened, asked, answered, named, closed = events
    assert (opened["transfer"], closed["transfer"]) == ("open", "close")
    assert asked == {
        "t": 1.5, "transfer": "control", "setup": "2109000200000700", "data": "00" * 7, "end": 1.5,
    }  # fmt: skip
    assert (answered["transfer"], answered["endpoint"], answered["length"]) == ("interrupt", "81", 8)
    assert (answered["t"], answered["data"]) == (1.5, buffer[:7].tobytes().hex())
    assert answered["end"] > 1.75
    assert (named["setup"], named["data"]) == ("a101000300000700", firmware.tobytes().hex())
    assert firmware.tobytes().startswith(bytes([6, 1, 9]))
