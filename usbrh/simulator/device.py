"""What all virtual instruments do: they are plugged in and unplugged, faults occur, events happen at their time."""

import heapq
import itertools
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from usbrh.clock import Clock
from usbrh.simulator.faults import Fault, Step
from usbrh.simulator.room import AirSource, Heater, Source, Values

Event = Callable[[float], None]
"""What happens at a moment (s, monotonic), which it receives."""


class VirtualInstrument(ABC):
    """One virtual instrument. All methods may be called from any thread.

    A subclass calls ``_power_on`` when it is made, and ``_advance`` before it reads its state.
    """

    values: ClassVar[Values]

    def __init__(
        self, number: int, clock: Clock, source: Source | AirSource, measuring: float, faults: Mapping[str, Fault]
    ) -> None:
        """Make instrument ``number``, from 1, with the ``faults`` that can occur."""
        self.number = number
        self.clock = clock
        self.source: Callable[[int], Any] = source
        """What the n-th measurement, from 0, gives."""
        self.measuring = measuring
        """s from a request to its answer."""
        self.plug_ins = 0
        """How often it was plugged in. The host sees another device each time."""
        self.measured = 0
        self._lock = threading.RLock()
        self._faults = faults
        self._armed: dict[str, tuple[int | None, float | None]] = {}
        """How often each fault still occurs, and its seconds."""
        self._order = itertools.count()
        self._events: list[tuple[float, int, Event]] = []

    def plug(self) -> None:
        """Plug it in, in the state after power-on."""
        with self._lock:
            if not self._plugged:
                self._power_on()

    def unplug(self, seconds: float | None = None) -> None:
        """Unplug it; with ``seconds`` it is plugged in again after them."""
        with self._lock:
            self._advance()
            if self._plugged:
                self._disconnect(self.clock.monotonic(), seconds)

    def fault(self, name: str, times: int | None = None, seconds: float | None = None) -> None:
        """Let a fault occur the next ``times`` times, or until ``clear_faults``. Raises ValueError."""
        if name not in self._faults:
            raise ValueError(f"there is no fault {name!r}; there are: {', '.join(self._faults)}")
        if times is not None and times < 1:
            raise ValueError(f"a fault occurs 1 time or more, not {times}")
        if seconds is not None and seconds < 0:
            raise ValueError(f"a fault lasts 0 s or more, not {seconds}")
        with self._lock:
            self._armed[name] = (times, seconds if seconds is not None else self._faults[name].seconds)

    def clear_faults(self) -> None:
        """Let no fault occur any more. A halted endpoint stays halted, an unplugged device unplugged."""
        with self._lock:
            self._armed.clear()

    def set_values(self, pairs: object) -> None:
        """Measure these pairs from now on, in turn. Raises ValueError; the message says what they must be."""
        self.source = self.values.in_turn(pairs, self.measured)

    def drift(self) -> None:
        """Measure its room from now on."""
        self.source = self.values.room(self.number)

    @property
    def name(self) -> str:
        """The port it is plugged in at: ``sim-1``."""
        return f"sim-{self.number}"

    @property
    def plugged(self) -> bool:
        """Whether it is plugged in."""
        with self._lock:
            self._advance()
            return self._plugged

    @property
    @abstractmethod
    def leds(self) -> tuple[object, object]:
        """The states of LED 1 and LED 2."""

    @property
    def heater(self) -> bool:
        """Whether the heater is on."""
        return self._heater.on

    @property
    def faults(self) -> dict[str, int | None]:
        """The armed faults, and how often each still occurs; None: until they are cleared."""
        with self._lock:
            return {name: times for name, (times, _) in self._armed.items()}

    @abstractmethod
    def details(self) -> dict[str, Any]:
        """Return what only the status of this kind of instrument has, by JSON key."""

    def next_event(self) -> float | None:
        """Return the moment (s, monotonic) at which the device will do something by itself; None: never."""
        with self._lock:
            return self._events[0][0] if self._events else None

    def _at(self, when: float, event: Event) -> None:
        heapq.heappush(self._events, (when, next(self._order), event))

    def _trigger(self, step: Step, *, but: str = "") -> tuple[str, float | None]:
        """Return the name and the seconds of the fault that occurs now; an empty name if none does."""
        for name, fault in self._faults.items():
            if fault.step is step and name in self._armed and name != but:
                times, seconds = self._armed[name]
                if times == 1:
                    del self._armed[name]
                elif times is not None:
                    self._armed[name] = (times - 1, seconds)
                return name, seconds
        return "", None

    def _advance(self) -> None:
        """Let everything happen that is due."""
        now = self.clock.monotonic() + 1e-9  # sums of seconds are not exact
        while self._events and self._events[0][0] <= now:
            when, _, event = heapq.heappop(self._events)
            event(when)

    def _power_on(self) -> None:
        """Set everything to the state after power-on."""
        self._plugged = True
        self.plug_ins += 1
        self._heater = Heater()
        self._clear()

    @abstractmethod
    def _clear(self) -> None:
        """Discard everything that was asked, measured and planned."""
        self._busy_until = 0.0
        self._events.clear()

    def _disconnect(self, at: float, seconds: float | None) -> None:
        self._plugged = False
        self._clear()
        if seconds is not None:
            self._at(at + seconds, lambda _: self.plug())
