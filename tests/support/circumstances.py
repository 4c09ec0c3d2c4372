"""The environment, umask and signal handling of a process: the same for all tests wherever they are started."""

import os
import re
import signal
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

SHAPING = re.compile(
    rb"USBRH.*|TZ|LANG|LANGUAGE|LC_.*|TERM|COLUMNS|LINES|NO_COLOR|FORCE_COLOR|CLICOLOR.*"
    rb"|PYTHON(UNBUFFERED|UTF8|IOENCODING|WARNINGS)|NOTIFY_SOCKET|JOURNAL_STREAM"
)
"""Variables that change what programs do or print. A test that needs one sets it."""
NEUTRAL = {b"LANG": b"C.UTF-8", b"TZ": b"UTC"}
UMASK = 0o022
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD, signal.SIGWINCH)
"""Signals that usbrh handles, or whose default handling it needs."""
IGNORED_BY_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}
"""Signals that Python itself ignores. subprocess restores them in the processes that it starts."""


def catch_what_is_ignored() -> None:
    """Install a handler for each signal that this process inherited as ignored.

    nohup ignores SIGHUP, a shell ignores SIGINT and SIGQUIT for a command with ``&``. Child processes inherit that, so
    a test could not stop them with such a signal. A handler is not inherited: after exec the signal has its default
    action. The handlers do nothing, so a run under nohup survives its terminal. Only SIGINT raises KeyboardInterrupt,
    because some tests interrupt themselves.
    """
    for number in signal.valid_signals() - IGNORED_BY_PYTHON:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else lambda *_: None)


@dataclass(frozen=True)
class Circumstances:
    """The state of a process that one test could change for the next one."""

    environment: dict[bytes, bytes]
    folder: str
    umask: int
    handlers: dict[signal.Signals, Any]

    @classmethod
    def current(cls) -> Self:
        """Return the present state of this process."""
        os.umask(umask := os.umask(UMASK))
        environment = dict(os.environb)  # not os.environ: this runs twice per test, and decoding takes longest
        environment.pop(b"PYTEST_CURRENT_TEST", None)
        return cls(environment, str(Path.cwd()), umask, {number: signal.getsignal(number) for number in HANDLED})

    def neutral(self) -> "Circumstances":
        """Return the same state with neutral values for the variables that change output, and the usual umask."""
        kept = {name: value for name, value in self.environment.items() if not SHAPING.fullmatch(name)}
        return Circumstances(kept | NEUTRAL, self.folder, UMASK, self.handlers)

    def restore(self) -> list[str]:
        """Restore this state in the process. Return the names of the fields that differed."""
        now = Circumstances.current()
        if now == self:
            return []
        for name in now.environment.keys() - self.environment.keys():
            del os.environb[name]
        os.environb.update(self.environment)
        time.tzset()
        os.chdir(self.folder)
        os.umask(self.umask)
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        return [each.name for each in fields(self) if getattr(now, each.name) != getattr(self, each.name)]
