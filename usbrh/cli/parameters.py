"""Parameter types that several commands use."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from usbrh.cli.context import Context
from usbrh.clock import NS, SYSTEM_CLOCK
from usbrh.config.value_types import Duration, InvalidValue
from usbrh.output.times import TimeStyle
from usbrh.reading import QUANTITIES

_F = TypeVar("_F", bound=Callable[..., Any])


class DurationType(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.5
    """A time span as in the configuration: ``90``, ``90s``, ``5m``, ``1h``, ``7d``. The value is in seconds."""

    name = "time"

    def __init__(self, at_least: float, at_most: float) -> None:
        self._type = Duration(at_least, at_most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert a text; a default that is already a float stays as it is."""
        if isinstance(value, float):
            return value
        try:
            seconds: float = self._type.from_text(value)
        except InvalidValue as error:
            self.fail(str(error), param, ctx)
        return seconds


class MomentType(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.5
    """A moment: a time span before now as in ``DurationType``, or a local date, with a time or without one.

    The value is in ns since 1970: 0 for earlier moments, at most ``LATEST``.
    """

    name = "time"
    LATEST = 9_000_000_000 * NS
    """In the year 2255, as SQLite's integers end in 2262."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Convert a text; a value that is already a number stays as it is."""
        if isinstance(value, int):
            return value
        try:
            moment = SYSTEM_CLOCK.time_ns() - int(Duration(0, 1e12).from_text(value) * NS)
        except InvalidValue:
            try:
                moment = int(datetime.fromisoformat(value).timestamp()) * NS
            except (ValueError, OverflowError):
                examples = "7d is a time before now, 2026-11-01 and 2026-11-01T06:00 are dates"
                self.fail(f'"{value}" is no time; {examples}', param, ctx)
        if moment > self.LATEST:
            self.fail(f'"{value}" is too far in the future', param, ctx)
        return max(0, moment)


fahrenheit_option = click.option(
    "--fahrenheit/--celsius", default=None, help="Unit of temperatures.  [default: units in the configuration, else °C]"
)


def uses_fahrenheit(context: Context, option: bool | None) -> bool:
    """Whether people see °F: by the ``option``, or if it is not given by the configuration."""
    return context.config.output.units == "fahrenheit" if option is None else option


def since_option(default: str | None = None) -> Callable[[_F], _F]:
    """Add --since: the start of the time that the command shows, by default everything."""
    words = "Start: a time before now (36h, 7d), or a local date (2026-11-01, 2026-11-01T06:00)."
    return click.option("--since", type=MomentType(), default=default, show_default=True, help=words)


def until_option(default: str = "") -> Callable[[_F], _F]:
    """Add --until: the end of that time; ``default`` is the text of the default, if the command has one."""
    words = "End, in the same form." + (f"  [default: {default}]" if default else "")
    return click.option("--until", type=MomentType(), help=words)


def rows_options(command: _F) -> _F:
    """Add --csv and --json: how the command writes readings, one per line. ``check_rows`` rejects both together."""
    as_csv = click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values with a header (the default).")
    as_json = click.option("-j", "--json", "as_json", is_flag=True, help="One JSON object per line and reading.")
    return as_csv(as_json(command))


def check_rows(*, as_csv: bool, as_json: bool) -> None:
    """Raise UsageError if both forms of rows are chosen."""
    if as_csv and as_json:
        raise click.UsageError("--json and --csv exclude each other.")


def check_since_until(since: int | None, until: int | None) -> None:
    """Reject an end that is not after the start; both in nanoseconds since 1970, and None is open.

    Raises:
        UsageError: The time is empty.
    """
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--until must be after --since.")


def show_option(default: str) -> Callable[[_F], _F]:
    """The option that chooses the values to show, by their keys in JSON."""
    words = f"A value to show; give the option several times for several values.  [default: {default}]"
    return click.option("--show", "shown", multiple=True, type=click.Choice(QUANTITIES), metavar="VALUE", help=words)


def time_options(command: _F) -> _F:
    """Add --local and --time-format: how the command writes times."""
    form = click.option(
        "--time-format",
        metavar="STR",
        callback=_check_time_format,
        help="Format of times, such as '%Y-%m-%d %H:%M', in UTC or with --local in local time.",
    )
    local = click.option("--local", is_flag=True, help="Times in the time zone of this machine instead of UTC.")
    return local(form(command))


def _check_time_format(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    try:
        TimeStyle(form=value).text(0)
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: {error}") from error
    return value


def time_style(*, local: bool, time_format: str | None, as_json: bool) -> TimeStyle:
    """Return the style that the ``time_options`` choose.

    Raises:
        UsageError: They are given for JSON, whose times never change.
    """
    if as_json and (local or time_format is not None):
        option = "--local" if local else "--time-format"
        raise click.UsageError(f"{option} and --json exclude each other: times in JSON are always in UTC.")
    return TimeStyle(local=local, form=time_format)
