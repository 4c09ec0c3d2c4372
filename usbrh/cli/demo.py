"""``usbrh demo``: the whole route, with a virtual sensor and a fake server."""

import itertools
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from usbrh.bridge.once import send_once
from usbrh.clock import Schedule
from usbrh.config import Config, JournalConfig, ZabbixConfig
from usbrh.output import text as output
from usbrh.output.quantities import quantities
from usbrh.reading import Reading, counted
from usbrh.zabbix.fake_server import FakeServer
from usbrh.zabbix.items import BRIDGE, DISCOVERY

_READINGS = 10
_INTERVAL = 1.0
_CHART_WIDTH = 60
_BLOCKS = "▁▂▃▄▅▆▇█"

_NEXT = """\
With a real sensor (https://repository.invalid/usbrh/blob/HEAD/docs/getting-started.md):
  usbrh list                 the sensors that are plugged in
  sudo usbrh setup           udev rule, user, service and configuration; --dry-run shows what it would do
  usbrh read                 one reading; --json, --csv, --format
  usbrh doctor               what is wrong, and the command that fixes it"""


@click.command()
@click.option("--forever", is_flag=True, help="Continue until Ctrl-C.")
def demo(forever: bool) -> None:
    """Show the whole route with a virtual sensor: no sensor and no server are needed.

    The real driver reads a virtual USB-RH through pyusb, a real journal stores the readings, and a fake server receives
    them over a real connection. Ends after ten readings.
    """
    os.environ["USBRH_SIMULATE"] = "1"
    readings: list[Reading] = []
    with tempfile.TemporaryDirectory(prefix="usbrh-demo-") as folder, FakeServer() as server:
        config = replace(
            Config(),
            zabbix=ZabbixConfig(servers=(server.address,), host="demo"),
            journal=JournalConfig(path=Path(folder) / "journal.db"),
        )
        try:
            click.echo("A virtual USB-RH is plugged in; a fake Zabbix server listens.\n")
            schedule = Schedule(_INTERVAL, align=False)
            for number in itertools.count(1) if forever else range(1, _READINGS + 1):
                if number > 1:
                    schedule.sleep()
                sent = send_once(config, allow_simulated=True, on_reading=readings.append)
                counter = f"{number:>2}" if forever else f"{number:>2}/{_READINGS}"
                result = "delivered" if sent.results[server.address].delivered else "waits"
                for reading in sent.readings:
                    click.echo(f"  {counter}  {output.text(reading, quantities())}  ->  {result}")
        except KeyboardInterrupt:
            click.echo()
        if readings:
            _summarize(readings, server)


def _summarize(readings: list[Reading], server: FakeServer) -> None:
    for what, values, unit in (
        ("temperature", [reading.temperature for reading in readings], "°C"),
        ("humidity", [reading.humidity for reading in readings], "%RH"),
    ):
        known = [value for value in values if value is not None][-_CHART_WIDTH:]
        click.echo(f"\n  {what:<12} {sparkline(known)}  {min(known):.2f} to {max(known):.2f} {unit}")
    stored = [value for value in server.values if value.key not in {BRIDGE, DISCOVERY}]
    last = " The last one:" if stored else ""
    click.echo(f"\nThe server received {counted(len(stored))} of {len(readings)} measured.{last}")
    for value in stored[-1:]:
        click.echo(f"  host {value.host}, item {value.key}, clock {value.clock}, ns {value.ns}")
        click.echo(f"  {value.value}\n")
    click.echo(_NEXT)
    if len(stored) != len(readings):
        sys.exit(1)


def sparkline(values: list[float]) -> str:
    """The values as a line of blocks, scaled from the lowest to the highest value."""
    low, span = min(values), max(values) - min(values)
    return "".join(_BLOCKS[int((value - low) / span * (len(_BLOCKS) - 1)) if span else 0] for value in values)
