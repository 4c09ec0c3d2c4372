"""``usbrh simulate``: virtual sensors for a real kernel."""

import asyncio
import json
import re
import signal
import threading
from contextlib import suppress

import click

from usbrh.cli.signals import SIGNALS
from usbrh.errors import ConfigError
from usbrh.simulator import script
from usbrh.simulator.commands import HELP, execute, status
from usbrh.simulator.usbip import PORT, UsbIpServer
from usbrh.simulator.usbip_wire import busid


@click.command(epilog="Commands on stdin, one per line. Each is answered with one line of JSON:\n\n\b\n" + HELP)
@click.option("--usbip", is_flag=True, required=True, help="Serve them by USB/IP, for any Linux with vhci_hcd.")
@click.option(
    "--sensors",
    default="1",
    metavar="N|FILE",
    help="How many, or the TOML file that describes them.",
    show_default=True,
)
@click.option(
    "--listen",
    default="127.0.0.1",
    metavar="ADDRESS[:PORT]",
    help=f"Where to listen.  [default: 127.0.0.1:{PORT}]",
)
def simulate(usbip: bool, sensors: str, listen: str) -> None:
    """Serve virtual sensors until stdin has the line "quit" or the process ends.

    stdin can be a terminal, a file or a FIFO. The server continues after the end of stdin.
    """
    caught: list[int] = []
    try:
        asyncio.run(_serve(script.models(sensors, origin="--sensors "), *_address(listen), caught))
    except asyncio.CancelledError:
        raise SystemExit(128 + caught[0]) from None


async def _serve(models: list[script.Model], host: str, port: int, caught: list[int]) -> None:
    """Serve until "quit". A signal cancels this task; its number is then the first in ``caught``."""
    this = asyncio.current_task()

    def end(number: int) -> None:
        caught.append(number)
        if this is not None and len(caught) == 1:
            this.cancel()

    # An exception from a signal handler could interrupt any connection; cancelling the task closes all in order.
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, end, number)
    server = UsbIpServer(models)
    try:
        await server.start(host, port)
    except OSError as error:
        message = f"can't listen on {host}:{port}: {error.strerror}"
        raise ConfigError(message, remedy="choose another address: --listen ADDRESS:PORT") from error
    host, port = server.address
    usbip = "usbip" if port == PORT else f"usbip --tcp-port {port}"
    for model in models:
        click.echo(f"{model.name}: sudo {usbip} attach -r {host} -b {busid(model.number)}", err=True)
    click.echo(json.dumps({"ok": True, "host": host, "port": port, "sensors": [status(model) for model in models]}))
    by_name = {model.name: model for model in models}
    lines = _stdin_lines()
    try:
        while (line := (await lines.get()).strip()) != "quit":
            if line:
                answer = execute(line, by_name)
                server.refresh()
                click.echo(json.dumps(answer, ensure_ascii=False))
    finally:
        await server.close()


def _stdin_lines() -> "asyncio.Queue[str]":
    """Return a queue with the lines of stdin. A thread reads them, because an event loop can't wait for a file."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()

    def read() -> None:
        # OSError: no stdin. RuntimeError: the event loop has ended. Without a buffer, the end of Python needs no lock.
        with suppress(OSError, RuntimeError), open(0, "rb", buffering=0, closefd=False) as stdin:
            for line in stdin:
                loop.call_soon_threadsafe(lines.put_nowait, line.decode("utf-8", "replace"))

    threading.Thread(target=read, daemon=True).start()
    return lines


def _address(text: str) -> tuple[str, int]:
    """Split ADDRESS or ADDRESS:PORT, with an IPv6 address in brackets; port 0 stands for any free one."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^][:\s]+))(?::(\d{1,5}))?", text, re.ASCII)
    if not match or int(match[3] or PORT) > 0xFFFF:
        message = f"--listen {text}: not an address"
        raise ConfigError(message, remedy=f"write ADDRESS or ADDRESS:PORT, such as 127.0.0.1:{PORT}")
    return match[1] or match[2], int(match[3] or PORT)
