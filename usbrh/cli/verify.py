"""``usbrh verify``."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from usbrh.cli.context import Context, pass_context
from usbrh.cli.sensors import one_sensor
from usbrh.cli.steps import agree
from usbrh.clock import SYSTEM_CLOCK
from usbrh.drivers.recording import Recorder
from usbrh.errors import ConfigError
from usbrh.output import text as output
from usbrh.sensors import default_bus
from usbrh.steps import Step
from usbrh.verify import usb_rh, usbrh2
from usbrh.verify.bench import Bench
from usbrh.verify.capture import Capture
from usbrh.verify.steps import Result, Verdict, run

_STEPS = {"USB-RH": usb_rh.STEPS, "USBRH2": usbrh2.STEPS}
_COLOURS = {Verdict.AS_ASSUMED: "green", Verdict.NEW: "cyan", Verdict.DIFFERS: "yellow"}


@click.command()
@click.argument("sensor", required=False)
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write every transfer with its time to FILE, as JSON lines.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists, without asking.")
@click.option("--yes", is_flag=True, help="Do not ask for the colours of the LEDs.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON object per step and line.")
@pass_context
def verify(context: Context, sensor: str | None, *, path: Path | None, force: bool, yes: bool, as_json: bool) -> None:
    """Compare SENSOR with what its driver assumes, in about a minute.

    \b
    usbrh verify -o capture.jsonl

    Each step ends with "as assumed", "new" (nobody has published it, and nothing depends on it) or "differs" (the
    driver depends on it). The exit status is 0 only if everything is as assumed. Please attach FILE to a report. It
    contains no serial number, and of this machine only the version of the kernel and the driver of the USB controller.

    The command switches the LEDs on and off and heats the sensor for up to 30 s. Readings that other programs make
    during that time are too warm.
    """
    info = one_sensor(context, sensor).info
    if info.model not in _STEPS:
        raise ConfigError(f"{info.name}, a {info.model}, can't be verified", remedy="choose another sensor")
    with _capture(path, force) as capture, _Display(as_json) as display:
        bus = default_bus(Recorder(SYSTEM_CLOCK, capture.write))
        bench = Bench.of(info, bus, SYSTEM_CLOCK, capture, progress=display.progress)
        if not yes:
            bench.ask = display.ask
        results = []
        for result in run(bench, _STEPS[info.model]):
            display.show(result)
            results.append(result)
    capture.check()
    if not as_json:
        _summarise(results, path)
    if any(result.verdict is not Verdict.AS_ASSUMED for result in results):
        raise SystemExit(1)


def _capture(path: Path | None, force: bool) -> Capture:
    """Make the file; ask before an existing one is replaced."""
    if path and not force and path.exists() and sys.stdin.isatty():
        force = agree(Step(f"replace {path}", question=f"{path} exists"))
        if not force:
            raise ConfigError(f"{path} exists", remedy="set another file with -o")
    return Capture(path, replace=force)


def _summarise(results: Sequence[Result], path: Path | None) -> None:
    others = sum(result.verdict is not Verdict.AS_ASSUMED for result in results)
    click.echo(f"\n{len(results) - others} of {len(results)} steps as assumed")
    if path:
        click.echo(f"{path} has every transfer; please attach it to a report.", err=True)
    else:
        click.echo("With -o FILE the transfers are recorded, for a report.", err=True)


class _Display:
    """Shows results on stdout, and on a terminal the progress of the current step on stderr."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._live = sys.stderr.isatty()
        self._step = ""

    def __enter__(self) -> "_Display":
        return self

    def __exit__(self, *error: object) -> None:
        self._clear()

    def progress(self, words: str) -> None:
        """Show a step ("[2/9] ..."), or how far it is."""
        self._step = words if words.startswith("[") else self._step
        if self._live:
            self._clear()
            click.echo(self._step if words == self._step else f"{self._step}: {words}", nl=False, err=True)

    def show(self, result: Result) -> None:
        """Print the result of a step."""
        self._clear()
        click.echo(output.json_line(result.to_dict()) if self._as_json else _line(result))

    def ask(self, question: str, answers: Sequence[str]) -> str | None:
        """Ask the person; None without a terminal."""
        self._clear()
        if not sys.stdin.isatty():
            return None
        answer: str = click.prompt(question, type=click.Choice(answers), err=True)
        return answer

    def _clear(self) -> None:
        if self._live:
            click.echo("\r\x1b[K", nl=False, err=True)


def _line(result: Result) -> str:
    verdict = result.verdict.value.ljust(11)
    if not os.environ.get("NO_COLOR"):  # click removes colours itself when stdout is not a terminal
        verdict = click.style(verdict, fg=_COLOURS[result.verdict])
    line = f"{verdict} {result.step.ljust(15)} {result.seen}"
    if result.detail is None:
        return line
    return f"{line}\n{'':28}{result.verdict}: {result.detail}\n{'':28}assumed: {result.assumed}"
