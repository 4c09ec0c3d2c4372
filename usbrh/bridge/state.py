"""The value of ``usbrh.bridge``: the state of usbrh on this machine."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from usbrh import __version__
from usbrh.clock import NS
from usbrh.errors import JournalError, UsbrhError
from usbrh.journal.reader import JournalReader
from usbrh.journal.store import DestinationStatus, Journal

if TYPE_CHECKING:
    from usbrh.poller import Poller


def bridge_state(
    poller: "Poller", destinations: Sequence[DestinationStatus] | None, error: UsbrhError | None = None
) -> dict[str, Any]:
    """The JSON object of ``usbrh.bridge``. ``destinations``: their status; None if the journal can't be used."""
    known = destinations is not None
    each = destinations or ()
    oldest = min((one.oldest_ns for one in each if one.oldest_ns is not None), default=None)
    age = 0 if oldest is None else max(0, (poller.clock.time_ns() - oldest) // NS)
    counts = poller.counts
    return {
        "v": 1,
        "version": __version__,
        "uptime": int(poller.clock.monotonic() - counts.started),
        "sensors": len(poller.sensors),
        "readings": counts.readings,
        "failed": counts.failures.total(),
        "failures_by_kind": dict(counts.failures),
        "waiting": max((one.waiting for one in each), default=0) if known else None,
        "oldest_waiting_age": age if known else None,
        "rejected": sum(one.rejected_count for one in each) if known else None,
        "expired": sum(one.expired for one in each) if known else None,
        "simulated": poller.simulated,
        "clock_synchronised": poller.clock.moment().synchronised,
        "error": error and error.message,
        "remedy": error and error.remedy,
    }


def journal_state(
    poller: "Poller", journal: Journal | JournalReader, error: UsbrhError | None = None
) -> dict[str, Any]:
    """The JSON object of ``usbrh.bridge`` with the numbers from ``journal``, or without them if it can't be used.

    Without another ``error``, a system clock in doubt is the error.
    """
    standings = None
    if not isinstance(error, JournalError):
        try:
            standings = journal.standings()
            error = error or journal.clock_problem()
        except JournalError as journal_error:
            error = error or journal_error
    return bridge_state(poller, standings, error)
