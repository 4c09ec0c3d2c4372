"""``usbrh journal``: what waits, what was rejected, and all readings."""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import click

from usbrh.bridge import once as bridge
from usbrh.cli.context import Context, pass_context
from usbrh.cli.help import Group
from usbrh.cli.parameters import (
    check_rows,
    check_since_until,
    rows_options,
    since_option,
    time_options,
    time_style,
    until_option,
)
from usbrh.cli.recorded import names, recorded
from usbrh.cli.run import log_to_stderr, show_deliveries
from usbrh.cli.steps import agree
from usbrh.config import Config
from usbrh.errors import ConfigError, UsbrhError, ZabbixRejected
from usbrh.journal.errors import no_journal
from usbrh.journal.file import is_part
from usbrh.journal.queries import Exported
from usbrh.journal.reader import JournalReader, existing
from usbrh.journal.rows import Timing
from usbrh.journal.store import DeliveryState, DestinationStatus, Entry, Status
from usbrh.output import text as output
from usbrh.output.times import TimeStyle
from usbrh.reading import counted, format_time
from usbrh.steps import Step
from usbrh.system.files import open_output
from usbrh.zabbix.agent_config import effective

Reasons = Mapping[str, ZabbixRejected]
"""Why Zabbix rejects the readings of a sensor."""


@click.group(cls=Group)
def journal() -> None:
    """The journal: usbrh's own send queue and history (not systemd's journal)."""


@journal.command()
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_context
def status(context: Context, as_json: bool) -> None:
    """Show the size of the journal, and what waits for each destination or was rejected by it."""
    log_to_stderr(logging.WARNING)
    found = existing(context.config.journal.path).status()
    if found is None:  # an empty file, or removed at this moment
        raise no_journal(context.config.journal.path)
    reasons = _reasons(context.config, found)
    click.echo(output.json_line(_status_object(found, reasons)) if as_json else _status_text(found, reasons))


@journal.command()
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON object per line and destination.")
@pass_context
def flush(context: Context, as_json: bool) -> None:
    """Deliver what waits, and send again what was rejected. Repairs a damaged journal first."""
    log_to_stderr(logging.WARNING)
    with bridge.open_journal(context.config) as opened:
        results = bridge.flush(context.config, opened, allow_simulated=context.allow_simulated)
    statuses = show_deliveries(results, as_json=as_json)
    raise SystemExit(next(iter(statuses), 0))


@journal.command()
@click.argument("sensor", nargs=-1, shell_complete=names)
@since_option()
@until_option()
@click.option(
    "-o", "--output", "path", metavar="FILE", default="-", show_default=True, help="Write to FILE, which is replaced."
)
@rows_options
@time_options
@pass_context
def export(
    context: Context,
    sensor: tuple[str, ...],
    *,
    since: int | None,
    until: int | None,
    path: str,
    as_csv: bool,
    as_json: bool,
    local: bool,
    time_format: str | None,
) -> None:
    """Print the readings of each SENSOR, or all readings, oldest first, each with its state at each destination.

    \b
    usbrh journal export --since 30d living-room -o room.csv

    SENSOR is a name, a port, a serial number, a number in usbrh list, or "all". The states are delivered, waiting,
    rejected, expired (too many readings waited), dropped (the destination was not in the configuration) and undated
    (the clock was wrong, and the time of the reading is not known). With --since or --until, readings without a known
    time are left out.
    """
    log_to_stderr(logging.WARNING)
    check_rows(as_csv=as_csv, as_json=as_json)
    times = time_style(local=local, time_format=time_format, as_json=as_json)
    check_since_until(since, until)
    opened = existing(context.config.journal.path)
    chosen = recorded(context, opened, sensor) if sensor else []
    exported = opened.export(since, until, chosen)
    rows = _json_rows(exported) if as_json else _csv_rows(exported, opened, times)
    _write(rows, path, opened)
    limited = since is not None or until is not None
    if limited and (left_out := opened.undated(chosen)):
        them = "it" if left_out == 1 else "them"
        words = f"{counted(left_out)} without a known time left out; to see {them}, omit --since and --until"
        click.echo(f"usbrh: {words}", err=True)


def _write(rows: Iterator[str], path: str, opened: JournalReader) -> None:
    """Write the rows to stdout if ``path`` is "-", or to the file ``path``, but never to the journal itself."""
    if path == "-":
        for row in rows:
            click.echo(row)
        return
    if is_part(Path(path), opened.path):
        raise ConfigError(f"{path} is the journal itself, or a part of it", remedy="set another file with -o")
    try:
        _to_file(rows, Path(path))
    except OSError as error:
        raise ConfigError(f"can't write {path}: {error.strerror}", remedy="set another file with -o") from error


def _json_rows(exported: Iterable[Exported]) -> Iterator[str]:
    for entry, states in exported:
        yield output.json_line(_reading_object(entry, states))


def _csv_rows(exported: Iterable[Exported], opened: JournalReader, times: TimeStyle) -> Iterator[str]:
    destinations = [each.destination for each in opened.standings() or ()]
    yield output.csv_line([*output.CSV_COLUMNS, *destinations])
    for entry, states in exported:
        columns = [states[each].state if each in states else "" for each in destinations]
        yield ",".join([output.csv_reading(entry.reading, times), *columns])


def _to_file(rows: Iterator[str], path: Path) -> None:
    """Write the rows to the file ``path``, whose old content is replaced when the first row is there."""
    first = next(rows, None)
    with os.fdopen(open_output(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w", encoding="utf-8") as file:
        for row in [] if first is None else chain([first], rows):
            file.write(f"{row}\n")


def _reasons(config: Config, found: Status) -> Reasons:
    """The certain reasons for rejections, if the configuration has a login for the API; a failure is only logged."""
    settings = config.zabbix
    sensors = {rejection.sensor for each in found.destinations for rejection in each.rejected}
    if not sensors or not settings.url or not settings.token_file:
        return {}
    from usbrh.cli.zabbix import connect  # noqa: PLC0415 - pyzabbix is slow to import
    from usbrh.zabbix.rejection import certain_reasons  # noqa: PLC0415

    try:
        with connect(settings, None, None, None, None) as api:
            return certain_reasons(api, effective(settings), sensors)
    except UsbrhError as error:
        logging.getLogger(__name__).warning("the reasons below are only probable: %s", error)
        return {}


@journal.command()
@click.argument("sensor", required=False, shell_complete=names)
@click.option(
    "--rejected", is_flag=True, required=True, expose_value=False, help="Required: drop the rejected readings."
)
@click.option("--force", is_flag=True, help="Do not ask.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON object per line and destination.")
@pass_context
def drop(context: Context, sensor: str | None, force: bool, as_json: bool) -> None:
    """Do not send rejected readings again: those of SENSOR, or all of them. They stay in the history.

    SENSOR is a name, a port, a serial number, a number in usbrh list, or "all". Asks first. Without a terminal, --force
    is needed.
    """
    log_to_stderr(logging.WARNING)
    reader = existing(context.config.journal.path)
    chosen = recorded(context, reader, [sensor] if sensor else [])
    found = {each.destination: each.rejected for each in reader.standings() or ()}
    count = sum(one.count for each in found.values() for one in each if one.sensor in chosen)
    question = f"{counted(count)} will not be sent again" + (f" ({sensor})" if sensor else "")
    if count and not force and not agree(Step("continue", question=question)):
        click.echo("usbrh: nothing was dropped; --force drops without a question", err=True)
        raise SystemExit(1)
    dropped = Counter(dict.fromkeys(found, 0))
    with bridge.open_journal(context.config) as opened:
        for name in chosen if count else ():
            dropped.update(opened.drop_rejected(name))
    if not dropped and not as_json:
        click.echo("nothing was rejected: the journal has no destination")
    for destination, number in dropped.items():
        line = output.json_line({"destination": destination, "dropped": number})
        click.echo(line if as_json else f"{destination}: {number} dropped")


@journal.command()
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_context
def trust_clock(context: Context, as_json: bool) -> None:
    """Confirm that the system clock is right: usbrh then sends the readings that wait because it was in doubt.

    This applies until the clock is set again, or the machine restarts. Readings that are later than the clock now are
    not sent any more.
    """
    log_to_stderr(logging.WARNING)
    existing(context.config.journal.path)
    with bridge.open_journal(context.config) as opened:
        if problem := opened.trust_clock():
            raise problem
        waiting = max((each.waiting for each in opened.standings()), default=0)
    text = f"the system clock is trusted; {counted(waiting)} waiting"
    click.echo(output.json_line({"waiting": waiting}) if as_json else text)


def _reading_object(entry: Entry, states: dict[str, DeliveryState]) -> dict[str, Any]:
    destinations = [
        {"destination": destination, "state": found.state, "reason": found.reason}
        for destination, found in states.items()
    ]
    return {**json.loads(entry.body), "time_known": entry.timing is Timing.KNOWN, "destinations": destinations}


def _status_object(found: Status, reasons: Reasons) -> dict[str, Any]:
    return {
        "path": str(found.path),
        "readings": found.readings,
        "oldest": None if found.oldest_ns is None else format_time(found.oldest_ns),
        "newest": None if found.newest_ns is None else format_time(found.newest_ns),
        "bytes": found.bytes,
        "unconfirmed": found.unconfirmed,
        "undated": found.undated,
        "error": found.clock and found.clock.message,
        "remedy": found.clock and found.clock.remedy,
        "destinations": [
            {
                **each.to_dict(),
                "rejections": [
                    {
                        "sensor": rejection.sensor,
                        "count": rejection.count,
                        "reason": str(reasons.get(rejection.sensor, rejection.reason)),
                        "certain": rejection.sensor in reasons,
                    }
                    for rejection in each.rejected
                ],
            }
            for each in found.destinations
        ],
    }


def _status_text(found: Status, reasons: Reasons) -> str:
    lines = [f"{found.path}: {counted(found.readings)}, {found.bytes / 1e6:.1f} MB"]
    if found.oldest_ns is not None and found.newest_ns is not None:
        lines.append(f"from {format_time(found.oldest_ns)[:19]}Z to {format_time(found.newest_ns)[:19]}Z")
    if found.clock:
        lines.append(str(found.clock))
    if found.unconfirmed:
        lines.append(f"{counted(found.unconfirmed)} waiting until the system clock is set")
    if found.undated:
        lines.append(f"{counted(found.undated)} without a known time, not sent")
    for each in found.destinations:
        lines += _destination_lines(each, reasons)
    return "\n".join(lines)


def _destination_lines(each: DestinationStatus, reasons: Reasons) -> list[str]:
    since = f" since {format_time(each.oldest_ns)[:19]}Z" if each.oldest_ns is not None else ""
    expired = f", {each.expired} expired" if each.expired else ""
    rejected = f", {each.rejected_count} rejected" if each.rejected_count else ""
    return [
        f"{each.destination}: {each.delivered} delivered, {each.waiting} waiting{since}{rejected}{expired}",
        *(
            f"  {rejection.sensor}: {rejection.count} rejected: {reasons.get(rejection.sensor, rejection.reason)}"
            for rejection in each.rejected
        ),
    ]
