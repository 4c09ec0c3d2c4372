"""A process that has imported all of usbrh, and whose forks are ``usbrh`` commands.

Most of the time of a short command is the start of Python and the imports. ``tests/support/command.py`` starts this
file as a program and sends requests over a socket: JSON, and the descriptors of stdin, stdout, stderr and the folder.
"""

import atexit
import gc
import importlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NoReturn

from usbrh.cli import COMMANDS, main

LIBRARIES = ("rich.live", "serial", "usb.core")
"""What commands import where they use it."""
LATER = {
    "plot": ("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"),
    "zabbix": ("usbrh.zabbix.api",),
}
"""What some commands import, which takes longer than all the rest: the server does it for the first such command."""
LONGEST = 1 << 17
"""Bytes of the longest request."""


def serve(requests: socket.socket) -> None:
    """Fork for each request until the other end closes ``requests``. Return in the forks only."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, LONGEST, 4)
        if not message:
            sys.exit()
        for command in LATER.keys() & json.loads(message)[0]:
            load(LATER[command])
        between = os.fork()
        if between == 0:
            # This process ends at once, so that the tests' process becomes the parent of the command and can wait.
            if command := os.fork():
                requests.send(str(command).encode())
                os._exit(0)
            requests.close()
            become(message, descriptors)
            return
        os.waitpid(between, 0)
        for each in descriptors:
            os.close(each)
        requests.send(b"adopted")


def load(modules: Iterable[str]) -> None:
    """Import modules, as far as they are installed, for all forks from now on."""
    if any(module not in sys.modules for module in modules):
        for module in modules:
            with suppress(ImportError):
                importlib.import_module(module)
        gc.freeze()  # a collection in a fork then copies no memory of the imports


def become(message: bytes, descriptors: list[int]) -> None:
    """Take over what a new process gets from its parent (arguments, environment, streams, folder); run ``before``."""
    sys.argv, environment, before = json.loads(message)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    *streams, folder = descriptors
    os.fchdir(folder)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for each in descriptors:
        os.close(each)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    exec(before, {})


def end(command: Callable[[], NoReturn]) -> NoReturn:
    """Run the command and end as Python does, but leave the memory to the kernel: freeing it would copy it first."""
    try:
        command()
    except SystemExit as ending:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(ending.code or 0))


if __name__ == "__main__":
    load([*(f"usbrh.cli.{module}" for module, _, _ in COMMANDS.values()), *LIBRARIES])
    serve(socket.socket(fileno=int(sys.argv[1])))
    end(main)
