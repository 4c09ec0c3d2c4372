"""``usbrh send`` and ``usbrh run``."""

import fcntl
import logging
import os
import stat
import sys
from collections.abc import Mapping
from typing import TextIO

import click

from usbrh.bridge.delivery import Delivered
from usbrh.bridge.once import send_once
from usbrh.cli.context import Context, pass_context
from usbrh.cli.parameters import uses_fahrenheit
from usbrh.config.names import log_confusable_names
from usbrh.errors import ConfigError, ZabbixRejected, exit_status, of_destination
from usbrh.output import text as output
from usbrh.output.quantities import quantities
from usbrh.reading import Reading, counted


def log_to_stderr(level: int) -> None:
    """Print the log messages of the package from ``level`` on, unless --debug prints them already.

    In a log file each line has the time, which journald and syslog add themselves.
    """
    time = "%(asctime)s " if _is_log_file(sys.stderr) else ""
    logging.basicConfig(level=level, format=f"{time}usbrh: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S%z")


def _is_log_file(stream: TextIO | None) -> bool:
    """Whether ``stream`` appends to a regular file. It is None if the descriptor is closed."""
    try:
        number = stream.fileno() if stream else -1
        return stat.S_ISREG(os.fstat(number).st_mode) and bool(fcntl.fcntl(number, fcntl.F_GETFL) & os.O_APPEND)
    except OSError:  # also io.UnsupportedOperation, of a stream without a descriptor
        return False


@click.command()
@click.option(
    "-j", "--json", "as_json", is_flag=True, help="One JSON object per line: each reading, then each destination."
)
@pass_context
def send(context: Context, as_json: bool) -> None:
    """Read all sensors, store the readings in the journal, and deliver everything that waits there.

    Ends within 25 seconds. What can't be delivered stays in the journal for the next time.
    """
    log_to_stderr(logging.WARNING)
    log_confusable_names(context.config)
    logging.getLogger("usbrh.poller").setLevel(logging.ERROR)  # every failed reading is printed below

    shown = quantities(fahrenheit=uses_fahrenheit(context, None))
    broken: list[OSError] = []

    def show(reading: Reading) -> None:
        try:
            if as_json:
                click.echo(output.json_line(reading.to_dict()))
            elif not reading.error:
                click.echo(output.text(reading, shown))
            if reading.error:
                click.echo(f"usbrh: {reading.problem}", err=True)
        except OSError as error:  # readings are delivered even if the disk behind stdout is full
            broken.append(error)

    sent = send_once(context.config, allow_simulated=context.allow_simulated, on_reading=show)
    if broken:
        raise broken[0]
    if sent.journal_error:
        lost = not sent.results or any(result.lost for result in sent.results.values())
        consequence = "what is not delivered now is lost" if lost else "delivered without it"
        click.echo(f"usbrh: {sent.journal_error}; {consequence}", err=True)
    if sent.problem:
        click.echo(f"usbrh: {sent.problem}", err=True)
    statuses = [
        *show_deliveries(sent.results, as_json=as_json),
        sent.journal_error.exit_status if sent.journal_error else 0,
        *(exit_status(reading.state) for reading in sent.readings),
        sent.problem.exit_status if sent.problem else 0,
    ]
    raise SystemExit(next((status for status in statuses if status), 0))


def show_deliveries(results: Mapping[str, Delivered], *, as_json: bool) -> list[int]:
    """Print the result for each destination; return the exit statuses, the most important first."""
    statuses = []
    for destination, result in results.items():
        if result.error:
            consequence = f"{counted(result.lost)} lost" if result.lost else "readings wait in the journal"
            click.echo(f"usbrh: {of_destination(destination, result.error)}; {consequence}", err=True)
            statuses.append(result.error.exit_status)
        if result.out_of_time:
            click.echo(f"usbrh: {destination}: no time to deliver everything that waits; usbrh journal flush", err=True)
            statuses.append(6)
    for destination, result in results.items():
        if result.rejected:
            consequence = "lost, there is no journal" if result.lost else "usbrh journal status"
            click.echo(f"usbrh: {destination} rejected {counted(result.rejected)}; {consequence}", err=True)
            statuses.append(ZabbixRejected.exit_status)
        if result.simulated_waiting:
            click.echo(
                f"usbrh: {destination}: simulated readings wait; usbrh journal flush --allow-simulated sends them",
                err=True,
            )
            statuses.append(ConfigError.exit_status)
        if as_json:
            click.echo(output.json_line(result.to_dict(destination)))
        else:
            click.echo(f"{destination}: {result.delivered} delivered")
    return statuses


@click.command()
@pass_context
def run(context: Context) -> None:
    """Run the bridge: read all sensors on schedule, and deliver every reading.

    This is for a service. SIGHUP reloads the configuration. SIGTERM delivers what it can within 10 seconds, then ends.
    """
    from usbrh.bridge.reload import run_service  # noqa: PLC0415 - journal flush imports this module, and no driver

    log_to_stderr(logging.INFO)
    log_confusable_names(context.config)
    run_service(context.config, context.load, allow_simulated=context.allow_simulated)
