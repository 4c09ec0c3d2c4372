"""What the drivers share: retries, the lease of the heater, and the errors of the operating system as ours."""

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from usbrh.clock import Deadline
from usbrh.drivers.holders import holders
from usbrh.drivers.nodelock import HEATER, MEASURE, NodeLock
from usbrh.errors import AccessDenied, SensorBusy, SensorError, SensorNotFound, TransferFailed

REPLUG = "unplug it and plug it in again"
"""The remedy when nothing else helps."""
PAUSE = 0.1
"""s between tries, also between tries to open a device that another program uses."""
WORK = 0.5
"""s that one operation needs once the device is open. If less is left, the device counts as busy."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Attempt:
    """One try, after ``number`` failed ones; ``opened`` once the device was open in any of them."""

    number = 0
    opened = False


class SharedDevice:
    """One device that other programs use too."""

    def __init__(self, port: str, label: str) -> None:
        """Open nothing. Messages name the device by its ``label``."""
        self.port = port
        self.label = label
        self._heater_is_ours = False
        self._heater_lock: NodeLock | None = None

    def with_retries(self, operation: Callable[[Attempt], _T], deadline: Deadline, *, tries: int, one_try: float) -> _T:
        """Return the result of ``operation``, which may fail ``tries`` times while ``one_try`` seconds are left.

        A device that was open and is unplugged may be plugged in again, and udev then needs a moment to grant access.
        Waiting for that does not count as a try. Raises the last SensorError, with its ``port`` set.
        """
        attempt = Attempt()
        while True:
            try:
                return operation(attempt)
            except SensorBusy:
                raise
            except (SensorNotFound, AccessDenied):
                if not attempt.opened or deadline.remaining() < one_try:
                    raise
            except SensorError as error:
                attempt.number += 1
                if attempt.number == tries or deadline.remaining() < one_try:
                    error.port = self.port
                    raise
                _log.debug("%s; trying again", error)
            deadline.clock.sleep(min(PAUSE, deadline.remaining()))

    def when_free(self, operation: Callable[[], _T], node: Path, deadline: Deadline) -> _T:
        """Return the result of ``operation``, which fails with EBUSY or EAGAIN while another program uses ``node``.

        Raises SensorBusy if the program still uses it at the deadline, and OSError for any other failure.
        """
        while True:
            try:
                return operation()
            except OSError as error:
                if error.errno not in (errno.EBUSY, errno.EAGAIN):
                    raise
                if deadline.passed:
                    raise self.busy([node]) from error
            deadline.clock.sleep(min(PAUSE, deadline.remaining()))

    def lock(self, node: Path, deadline: Deadline) -> NodeLock:
        """Wait for the other processes of this package, and lock ``node`` against them. Raises as ``when_free``."""
        lock = self.when_free(lambda: NodeLock(node), node, deadline)
        if not lock.acquire(MEASURE, deadline):
            lock.close()
            raise self.busy([node])
        return lock

    def heater_is_leased(self, session: NodeLock | None) -> bool:
        """Return whether a living process, this one included, has the heater on. ``session``: its lock on the node."""
        return self._heater_is_ours or (session is not None and session.locked_elsewhere(HEATER))

    @contextmanager
    def heater_lease(self, on: bool, session: NodeLock | None) -> Iterator[None]:
        """Lease the heater before the body switches it on; end the lease after the body switched it off, or failed.

        The lease is another lock on the node of ``session``, so it ends with this process. A virtual device without a
        node has no lock. Raises SensorBusy if another process has the heater on.
        """
        if on and session and not self._heater_lock:
            lock = NodeLock(session.node)
            if not lock.acquire(HEATER, Deadline(0)):
                lock.close()
                message = f"{self.label}: another process has its heater on"
                raise SensorBusy(message, self.port, remedy="wait for it to end")
            self._heater_lock = lock
        self._heater_is_ours = False
        try:
            yield
            self._heater_is_ours = on
        finally:
            if not self._heater_is_ours and self._heater_lock:
                self._heater_lock.close()
                self._heater_lock = None

    def not_plugged_in(self) -> SensorNotFound:
        """Return the error of a device that was not found."""
        return SensorNotFound(f"{self.label} is not plugged in", self.port, remedy="see: usbrh list")

    def busy(self, nodes: list[Path]) -> SensorError:
        """Return the error of a device that was busy until the deadline; it names the programs that use ``nodes``."""
        who = ", ".join(holders(nodes)) or "another program"
        return SensorBusy(f"{self.label} is in use by {who}", self.port, remedy="end it, or try again")

    def failure(self, number: int | None, node: Path, message: str) -> SensorError:
        """Return the error for an errno of the operating system; ``message`` is for a number without a meaning."""
        if number in (errno.ENODEV, errno.ENOENT, errno.ENXIO):
            return SensorNotFound(f"{self.label} was unplugged", self.port, remedy="plug it in again")
        if number in (errno.EACCES, errno.EPERM):
            from usbrh.system.access import denied  # noqa: PLC0415 - only this error needs it

            return denied(self.label, node, self.port)
        return TransferFailed(message, self.port, remedy=REPLUG)
