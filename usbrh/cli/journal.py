"""``usbrh journal``: what waits, what was rejected, and everything that was measured."""

import json
import logging
from typing import Any

import click

from usbrh.bridge import once as bridge
from usbrh.cli.context import Context, pass_context
from usbrh.cli.run import log_to_stderr, show_deliveries
from usbrh.journal.errors import require_journal
from usbrh.journal.store import DestinationStatus, Status
from usbrh.output import text as output
from usbrh.reading import counted, format_time


@click.group()
def journal() -> None:
    """The journal of all readings: what waits, what was rejected."""


@journal.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_context
def status(context: Context, as_json: bool) -> None:
    """Show what is kept, what waits for each destination, and what it rejected."""
    log_to_stderr(logging.WARNING)
    require_journal(context.config.journal.path)
    with bridge.open_journal(context.config) as opened:
        found = opened.status()
    click.echo(output.json_line(_as_json(found)) if as_json else _as_text(found))


@journal.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a destination and line.")
@pass_context
def flush(context: Context, as_json: bool) -> None:
    """Deliver what waits, and try again what was rejected."""
    log_to_stderr(logging.WARNING)
    with bridge.open_journal(context.config) as opened:
        results = bridge.flush(context.config, opened, allow_simulated=context.allow_simulated)
    statuses = show_deliveries(results, as_json=as_json)
    raise SystemExit(next(iter(statuses), 0))


@journal.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a reading and line, instead of CSV.")
@pass_context
def export(context: Context, as_json: bool) -> None:
    """Print every reading kept, oldest first, with what became of it at each destination.

    Delivered, waiting, rejected, expired (too many waited), dropped (the destination was not in the configuration).
    """
    log_to_stderr(logging.WARNING)
    require_journal(context.config.journal.path)
    with bridge.open_journal(context.config) as opened:
        destinations = [each.destination for each in opened.standings()]
        if not as_json:
            click.echo(output.csv_line([*output.CSV_COLUMNS, *destinations]))
        for entry, fates in opened.export():
            if as_json:
                reasons = {text: fate.reason for text, fate in fates.items() if fate.reason}
                value = json.loads(entry.body) | {"destinations": {text: fate.state for text, fate in fates.items()}}
                click.echo(output.json_line(value | ({"reasons": reasons} if reasons else {})))
            else:
                states = ",".join(output.csv_line([fates[text].state]) for text in destinations if text in fates)
                click.echo(output.csv_reading(entry.reading) + ("," + states if states else ""))


def _as_json(found: Status) -> dict[str, Any]:
    return {
        "path": str(found.path),
        "readings": found.readings,
        "oldest": None if found.oldest_ns is None else format_time(found.oldest_ns),
        "newest": None if found.newest_ns is None else format_time(found.newest_ns),
        "bytes": found.bytes,
        "destinations": [
            {
                "destination": each.destination,
                "waiting": each.waiting,
                "oldest_waiting": None if each.oldest_ns is None else format_time(each.oldest_ns),
                "delivered": each.delivered,
                "rejected": each.rejected_count,
                "expired": each.expired,
                "rejections": [
                    {"sensor": rejection.sensor, "count": rejection.count, "reason": rejection.reason}
                    for rejection in each.rejected
                ],
            }
            for each in found.destinations
        ],
    }


def _as_text(found: Status) -> str:
    lines = [f"{found.path}: {counted(found.readings)}, {found.bytes / 1e6:.1f} MB"]
    if found.oldest_ns is not None and found.newest_ns is not None:
        lines.append(f"from {format_time(found.oldest_ns)[:19]}Z to {format_time(found.newest_ns)[:19]}Z")
    for each in found.destinations:
        lines += _standing(each)
    return "\n".join(lines)


def _standing(each: DestinationStatus) -> list[str]:
    since = f" since {format_time(each.oldest_ns)[:19]}Z" if each.oldest_ns is not None else ""
    expired = f", {each.expired} given up" if each.expired else ""
    rejected = f", {each.rejected_count} rejected" if each.rejected_count else ""
    return [
        f"{each.destination}: {each.delivered} delivered, {each.waiting} waiting{since}{rejected}{expired}",
        *(f"  {rejection.sensor}: {rejection.count} rejected: {rejection.reason}" for rejection in each.rejected),
    ]
