"""What the drivers share: retries, the lease of the heater on a real file, and errors of the operating system."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from usbrh.clock import Deadline
from usbrh.drivers.nodelock import HEATER, MEASURE, NodeLock
from usbrh.drivers.shared import PAUSE, Attempt, SharedDevice
from usbrh.errors import AccessDenied, SensorBusy, SensorError, SensorNotFound, SensorTimeout, TransferFailed
from usbrh.simulator import VirtualClock


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "node"
    path.touch()
    return path


@pytest.fixture
def session(node: Path) -> Iterator[NodeLock]:
    with NodeLock(node) as session:
        yield session


@pytest.fixture
def device() -> SharedDevice:
    return SharedDevice("1-1", "room")


class Failing:
    """An operation that fails some times, and needs a time for each try."""

    def __init__(self, clock: VirtualClock, *errors: Exception, opened: bool = True, seconds: float = 0.0) -> None:
        self.clock, self.errors, self.opened, self.seconds = clock, list(errors), opened, seconds
        self.tried: list[tuple[float, int]] = []

    def __call__(self, attempt: Attempt) -> str:
        self.tried.append((round(self.clock.monotonic(), 3), attempt.number))
        self.clock.sleep(self.seconds)
        attempt.opened = self.opened
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_tries_again_after_a_pause(device: SharedDevice) -> None:
    clock = VirtualClock()
    operation = Failing(clock, SensorTimeout("late"), SensorTimeout("late"))
    assert device.with_retries(operation, Deadline(5, clock), tries=3, one_try=1) == "done"
    assert operation.tried == [(0, 0), (PAUSE, 1), (2 * PAUSE, 2)]


def test_the_last_try_raises_its_error_with_the_port(device: SharedDevice) -> None:
    clock = VirtualClock()
    operation = Failing(clock, SensorTimeout("first"), SensorTimeout("second"), SensorTimeout("third"))
    with pytest.raises(SensorTimeout, match="second") as caught:
        device.with_retries(operation, Deadline(5, clock), tries=2, one_try=1)
    assert caught.value.port == "1-1"
    assert len(operation.tried) == 2


@pytest.mark.parametrize(("left", "tries"), [(1.0, 2), (0.99, 1)])
@pytest.mark.parametrize("error", [SensorTimeout("late"), SensorNotFound("gone"), AccessDenied("closed")])
def test_no_further_try_without_time_for_it(device: SharedDevice, error: SensorError, left: float, tries: int) -> None:
    clock = VirtualClock()
    operation = Failing(clock, error, seconds=2)
    if tries == 1:
        with pytest.raises(type(error)):
            device.with_retries(operation, Deadline(2 + left, clock), tries=3, one_try=1)
    else:
        device.with_retries(operation, Deadline(2 + left, clock), tries=3, one_try=1)
    assert len(operation.tried) == tries


@pytest.mark.parametrize("error", [SensorNotFound("gone"), AccessDenied("not yet")])
def test_waiting_for_a_sensor_that_comes_back_is_no_try(device: SharedDevice, error: SensorError) -> None:
    clock = VirtualClock()
    operation = Failing(clock, *[error] * 10)
    assert device.with_retries(operation, Deadline(5, clock), tries=2, one_try=1) == "done"
    assert {number for _, number in operation.tried} == {0}
    never_opened = Failing(clock, *[error] * 10, opened=False)
    with pytest.raises(type(error)):
        device.with_retries(never_opened, Deadline(5, clock), tries=2, one_try=1)
    assert len(never_opened.tried) == 1


def test_a_busy_sensor_is_not_tried_again(device: SharedDevice) -> None:
    clock = VirtualClock()
    operation = Failing(clock, SensorBusy("in use"))
    with pytest.raises(SensorBusy):
        device.with_retries(operation, Deadline(5, clock), tries=3, one_try=1)
    assert len(operation.tried) == 1


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EAGAIN])
def test_waits_until_another_program_has_ended(device: SharedDevice, node: Path, number: int) -> None:
    clock = VirtualClock()

    def until(moment: float) -> Callable[[], float]:
        def operation() -> float:
            if clock.monotonic() < moment:
                raise OSError(number, "in use")
            return clock.monotonic()

        return operation

    assert device.when_free(until(1.0), node, Deadline(2, clock)) == pytest.approx(1.0, abs=PAUSE)
    with pytest.raises(SensorBusy, match="room is in use by") as caught:
        device.when_free(until(9.0), node, Deadline(2, clock))
    assert clock.monotonic() == pytest.approx(3.0, abs=PAUSE)
    assert caught.value.port == "1-1"


def test_any_other_failure_is_raised_at_once(device: SharedDevice, node: Path) -> None:
    clock = VirtualClock()

    def operation() -> None:
        raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="broken"):
        device.when_free(operation, node, Deadline(2, clock))
    assert clock.monotonic() == 0


def test_the_lock_excludes_until_it_is_closed(device: SharedDevice, node: Path) -> None:
    clock = VirtualClock()
    first = device.lock(node, Deadline(1, clock))
    with pytest.raises(SensorBusy):
        device.lock(node, Deadline(1, clock))
    assert clock.monotonic() >= 1
    first.close()
    with device.lock(node, Deadline(0, clock)) as second, NodeLock(node) as other:
        assert second.locked_elsewhere(MEASURE) is False
        assert other.locked_elsewhere(MEASURE)


def leased(node: Path) -> bool:
    with NodeLock(node) as other:
        return other.locked_elsewhere(HEATER)


def test_the_lease_lasts_from_on_to_off(device: SharedDevice, node: Path, session: NodeLock) -> None:
    assert not device.heater_is_leased(session)
    with device.heater_lease(True, session):
        assert leased(node), "before the heater is switched on"
    for _ in range(2):
        assert leased(node)
        assert device.heater_is_leased(session)
        with device.heater_lease(True, session):  # on again
            assert leased(node)
    with device.heater_lease(False, session):
        assert leased(node), "until the heater is switched off"
    assert not leased(node)
    assert not device.heater_is_leased(session)


@pytest.mark.parametrize("on", [True, False])
def test_a_switch_that_failed_ends_the_lease_so_that_the_next_operation_switches_off(
    device: SharedDevice, node: Path, session: NodeLock, on: bool
) -> None:
    with device.heater_lease(True, session):
        pass
    with pytest.raises(TransferFailed), device.heater_lease(on, session):
        raise TransferFailed("failed")
    assert not leased(node)
    assert not device.heater_is_leased(session)


def test_a_heater_that_another_process_has_on_is_its(device: SharedDevice, node: Path, session: NodeLock) -> None:
    with NodeLock(node) as other:
        assert other.acquire(HEATER, Deadline(0))
        with pytest.raises(SensorBusy, match="another process has its heater on"), device.heater_lease(True, session):
            pytest.fail("switched on")
        assert device.heater_is_leased(session)
        with device.heater_lease(False, session):  # a person may switch it off
            pass
        assert leased(node)
    with device.heater_lease(True, session):
        assert leased(node)


def test_a_device_without_a_node_has_a_lease_in_this_process(device: SharedDevice) -> None:
    with device.heater_lease(True, None):
        assert not device.heater_is_leased(None)
    assert device.heater_is_leased(None)
    with device.heater_lease(False, None):
        pass
    assert not device.heater_is_leased(None)


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENODEV, SensorNotFound),
        (errno.ENOENT, SensorNotFound),
        (errno.ENXIO, SensorNotFound),
        (errno.EACCES, AccessDenied),
        (errno.EPERM, AccessDenied),
        (errno.EIO, TransferFailed),
        (None, TransferFailed),
    ],
)
def test_each_number_of_the_system_has_its_error(
    device: SharedDevice, node: Path, number: int | None, error: type[SensorError]
) -> None:
    found = device.failure(number, node, "room: transfer failed")
    assert type(found) is error
    assert found.port == "1-1"
    assert "room" in found.message
    assert found.remedy
