"""What all virtual instruments do: they are plugged in and out, faults strike them, and things happen in their time."""

import heapq
import itertools
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from usbrh.clock import Clock
from usbrh.simulator.faults import Armed, Fault
from usbrh.simulator.room import Heater

Event = Callable[[float], None]
"""What happens at a moment (s, monotonic), which it is given."""


class VirtualInstrument(ABC):
    """One virtual instrument. All methods may be called from any thread.

    A model calls ``_power_on`` when it is made, and ``_advance`` before it looks at its state.
    """

    def __init__(self, number: int, clock: Clock, faults: Mapping[str, Fault]) -> None:
        """Of instrument ``number``, from 1, with ``faults`` that can strike it."""
        self.number = number
        self.clock = clock
        self.plug_ins = 0
        """How often it was plugged in; another number is another device to the host."""
        self.measured = 0
        """How many measurements it has made."""
        self._lock = threading.RLock()
        self._faults = Armed(faults)
        self._order = itertools.count()
        self._events: list[tuple[float, int, Event]] = []

    # ---------------------------------------------------------------- the hand

    @property
    def name(self) -> str:
        """The port it is plugged in at: ``sim-1``."""
        return f"sim-{self.number}"

    def plug(self) -> None:
        """Plug it in, with everything as after power-on."""
        with self._lock:
            if not self._plugged:
                self._power_on()

    def unplug(self, seconds: float | None = None) -> None:
        """Pull it out; with ``seconds`` it is plugged in again after them."""
        with self._lock:
            self._advance()
            if self._plugged:
                self._pull(self.clock.monotonic(), seconds)

    def fault(self, name: str, times: int | None = None, seconds: float | None = None) -> None:
        """Let the fault ``name`` strike the next ``times`` times, or until ``clear_faults``.

        Raises:
            ValueError: there is no such fault, or a number is out of its range.
        """
        with self._lock:
            self._faults.arm(name, times, seconds)

    def clear_faults(self) -> None:
        """Let no fault strike any more. A halted endpoint stays halted, an unplugged device unplugged."""
        with self._lock:
            self._faults.disarm()

    # ---------------------------------------------------------------- what can be seen from outside

    @property
    def plugged(self) -> bool:
        with self._lock:
            self._advance()
            return self._plugged

    @property
    def heater(self) -> bool:
        return self._heater.on

    @property
    def faults(self) -> dict[str, int | None]:
        """The faults that wait to strike, and how often each still does; None: for ever."""
        with self._lock:
            return self._faults.waiting()

    def next_event(self) -> float | None:
        """The moment (s, monotonic) at which the device will do something by itself; None: never."""
        with self._lock:
            return self._events[0][0] if self._events else None

    # ---------------------------------------------------------------- its life

    def _at(self, when: float, event: Event) -> None:
        heapq.heappush(self._events, (when, next(self._order), event))

    def _advance(self) -> None:
        """Let everything happen that is due."""
        now = self.clock.monotonic() + 1e-9  # sums of seconds are not exact
        while self._events and self._events[0][0] <= now:
            when, _, event = heapq.heappop(self._events)
            event(when)

    def _power_on(self) -> None:
        """Everything as after power-on."""
        self._plugged = True
        self.plug_ins += 1
        self._heater = Heater()
        self._forget()

    @abstractmethod
    def _forget(self) -> None:
        """What was asked, measured and planned is gone."""
        self._busy_until = 0.0
        self._events.clear()

    def _pull(self, at: float, seconds: float | None) -> None:
        self._plugged = False
        self._forget()
        if seconds is not None:
            self._at(at + seconds, lambda _: self.plug())
