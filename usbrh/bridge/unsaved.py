"""Readings that the journal can't store at the moment."""

import threading
from collections import deque
from collections.abc import Sequence

from usbrh.reading import Reading

LIMIT = 10_000
"""Readings kept in memory."""


class Unsaved:
    """At most ``limit`` readings in memory, oldest first; they wait for the journal. For any thread."""

    def __init__(self, limit: int = LIMIT) -> None:
        """Start with none."""
        self._readings: deque[Reading] = deque(maxlen=limit)
        self._added = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """The number of readings in memory."""
        return len(self._readings)

    def add(self, readings: Sequence[Reading]) -> int:
        """Keep ``readings`` too; return how many of the oldest had to be dropped."""
        with self._lock:
            before = len(self._readings)
            self._readings.extend(readings)
            self._added += len(readings)
            return before + len(readings) - len(self._readings)

    def since(self, number: int) -> tuple[list[Reading], int]:
        """The readings from ``number`` on, counted from 0, and the number of the next one to come."""
        with self._lock:
            count = max(0, min(len(self._readings), self._added - number))
            return list(self._readings)[len(self._readings) - count :], self._added

    def clear(self) -> None:
        """Forget all readings: the journal has them."""
        with self._lock:
            self._readings.clear()
