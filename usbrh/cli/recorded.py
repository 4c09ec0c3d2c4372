"""The argument SENSOR of commands that show the journal: sensors that have readings, plugged in or not."""

from collections.abc import Sequence

import click

from usbrh.cli.context import Context
from usbrh.errors import JournalError, UsbrhError
from usbrh.journal.reader import JournalReader, existing
from usbrh.journal.selection import select
from usbrh.output.times import FOR_PEOPLE
from usbrh.reading import SensorInfo


def recorded(context: Context, journal: JournalReader, selectors: Sequence[str]) -> list[str]:
    """Return the names of the selected sensors in ``journal``, by default of all. Raises as ``selection.select``."""

    def plugged_in() -> list[SensorInfo]:
        from usbrh.sensors import find  # noqa: PLC0415 - it imports all of USB

        return [sensor.info for sensor in find(context.config)]

    return select(journal.newest() or (), selectors or ["all"], plugged_in)


def no_readings(journal: JournalReader, sensors: Sequence[str]) -> JournalError:
    """Return the error of a command that finds no reading of ``sensors`` in the time that the user chose."""
    newest = [reading.time_ns for reading in journal.newest() or () if reading.sensor in sensors]
    remedy = "read the sensors into it: usbrh run, or usbrh send"
    if newest:
        time = FOR_PEOPLE.text(max(newest))
        remedy = f"choose another time with --since and --until: the newest reading is of {time}"
    return JournalError("the journal has no readings of that time", remedy=remedy)


def names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names that a shell offers for SENSOR: those in the journal, if it can be read."""
    try:
        newest = existing(ctx.ensure_object(Context).config.journal.path).newest() or ()
    except UsbrhError:
        return []
    return [reading.sensor for reading in newest if reading.sensor.startswith(incomplete)]
