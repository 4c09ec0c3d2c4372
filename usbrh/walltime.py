"""Whether the wall clock of this machine is right.

A small computer without a battery starts in 1970 or at its last shutdown, until it reaches a time server. The boot time
(CLOCK_BOOTTIME) always runs correctly. Wall time minus boot time changes only when the wall clock is set. So a reading
that has its boot time gets its right time as soon as the clock is set, until the machine restarts.
"""

import ctypes
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path

from usbrh.clock import NS, Moment
from usbrh.errors import ClockError

BUILT = "2026-11-01"
"""A date before this version was made. ``make release`` rejects one that is more than half a year old."""
BUILT_NS = int(datetime.fromisoformat(f"{BUILT}T00:00:00+00:00").timestamp()) * NS
LATE_NS = 60 * NS
"""How far the clock may be behind the newest reading of an earlier boot: a hardware clock that is a little slow."""
AHEAD_NS = 365 * 86400 * NS
"""How far a clock that is not synchronised may be ahead of the newest reading: the machine was switched off so long."""
SYNCHRONISING_NS = 600 * NS
"""Time from the start of the machine in which a clock that was synchronised before usually is synchronised again."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""A random number of each boot. The sandbox of the units hides it, so they set ``USBRH_BOOT_ID``."""
TIMESYNC = Path("/run/systemd/timesync")
"""The folder of systemd-timesyncd while it runs."""
SYSTEMD = Path("/run/systemd/system")
"""A folder that exists while systemd runs (sd_booted(3))."""
RTC = Path("/sys/class/rtc")
"""The hardware clocks."""

_FRESH_NS = 3600 * NS
"""Longest time from one synchronisation to the next: systemd-timesyncd asks at least every 2048 s."""
_TIME_ERROR = 5
"""What adjtimex(2) returns while no time service keeps the clock right, and after a program has set it."""


class Doubt(StrEnum):
    """Why the wall clock can't be right, or may be wrong."""

    BEFORE_BUILD = "before_build"
    """It is earlier than ``BUILT``."""
    BEHIND = "behind"
    """It is earlier than the newest reading of an earlier boot."""
    AHEAD = "ahead"
    """It is more than ``AHEAD_NS`` later than the newest reading, and not synchronised."""
    STARTING = "starting"
    """The machine started a short time ago, and its clock was synchronised in earlier boots, but is not yet now."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about the wall clock from earlier."""

    newest_ns: int | None = None
    """The newest time that is certain to be in the past: of a reading from an earlier boot, or from before a jump."""
    synchronised: bool = False
    """The clock was synchronised in an earlier boot, and was not set in this one."""
    doubt: Doubt | None = None
    """The result for an earlier moment, if the clock was not set since."""


def doubt(moment: Moment, known: Known = Known()) -> Doubt | None:
    """Why the wall clock of ``moment`` can't be trusted; None if nothing speaks against it.

    A machine that has neither a time service nor a hardware clock is trusted unless it can be proved wrong.
    """
    if moment.time_ns < BUILT_NS:
        return Doubt.BEFORE_BUILD
    if moment.synchronised:
        return None
    hardware = moment.hardware_ns is not None and abs(moment.hardware_ns - moment.time_ns) <= LATE_NS
    if known.newest_ns is not None:
        if moment.time_ns < known.newest_ns - LATE_NS:
            return Doubt.BEHIND
        if known.doubt is Doubt.BEHIND and not hardware:  # it has passed that time, but is as wrong as before
            return Doubt.BEHIND
        if moment.time_ns > known.newest_ns + AHEAD_NS:
            return Doubt.AHEAD
    if known.synchronised and moment.synchronised is False and not hardware and moment.boot_ns < SYNCHRONISING_NS:
        return Doubt.STARTING
    return None


def synchronise() -> str:
    """The remedy for a clock that no time service keeps right."""
    return "sudo timedatectl set-ntp true" if SYSTEMD.is_dir() else "start a time service, such as chrony"


def problem(found: Doubt, newest: str = "") -> ClockError:
    """The error for a clock in doubt, which names the date ``newest`` that it is compared with."""
    trust = "set it: sudo date -s 'YYYY-MM-DD hh:mm'; if it is right: usbrh journal trust-clock"
    message, remedy = {
        Doubt.BEFORE_BUILD: (
            f"the system clock is not set (it is before {BUILT})",
            f"{synchronise()}, or set it: sudo date -s 'YYYY-MM-DD hh:mm'",
        ),
        Doubt.BEHIND: (f"the system clock is wrong: it is behind an earlier reading ({newest})", trust),
        Doubt.AHEAD: (f"the system clock is in doubt: it is a year ahead of the newest reading ({newest})", trust),
        Doubt.STARTING: (
            "the system clock is not synchronised yet",
            f"no action is needed in the first {SYNCHRONISING_NS // NS // 60} minutes after the start"
            + ("; see: timedatectl" if SYSTEMD.is_dir() else ""),
        ),
    }[found]
    return ClockError(message, remedy=remedy)


def now(time_ns: int, boot_ns: int) -> Moment:
    """The moment of this machine with these clock values, which were read at the same time."""
    return Moment(time_ns, boot_ns, _boot(), _synchronised(time_ns), _hardware_ns())


@cache
def _boot() -> int:
    """A number for this boot of the machine: 60 bits of the kernel's random id; 0 if it is not known."""
    text = os.environ.get("USBRH_BOOT_ID", "")
    with suppress(OSError):
        text = BOOT_ID.read_text(encoding="utf-8")
    try:
        return int(text.replace("-", ""), 16) >> 68
    except ValueError:
        return 0


def _synchronised(time_ns: int) -> bool | None:
    """Whether a time service keeps the clock right; None if this process can't find out.

    The kernel reports it (adjtimex(2)), but not inside the sandbox of the units in systemd/. There, only
    systemd-timesyncd can be recognised: it writes a file at each synchronisation.
    """
    with suppress(AttributeError, OSError):
        result = ctypes.CDLL(None).adjtimex((ctypes.c_long * 64)())  # struct timex, which is shorter; zeros only read
        if result >= 0:
            return bool(result != _TIME_ERROR)
    if not TIMESYNC.is_dir():
        return None
    with suppress(OSError):
        return abs(time_ns - (TIMESYNC / "synchronized").stat().st_mtime_ns) < _FRESH_NS
    return False


def _hardware_ns() -> int | None:
    """The time of the hardware clock from which the kernel set the wall clock at the start; None without one."""
    for clock in RTC.glob("rtc*"):
        with suppress(OSError, ValueError):
            if (clock / "hctosys").read_bytes().strip() == b"1":
                return int((clock / "since_epoch").read_bytes()) * NS
    return None
