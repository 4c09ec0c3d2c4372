"""What a process inherits from where it was started, made the same for all tests."""

import os
import re
import signal
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

SHAPING = re.compile(
    r"USBRH.*|TZ|LANG|LANGUAGE|LC_.*|TERM|COLUMNS|LINES|NO_COLOR|FORCE_COLOR|CLICOLOR.*"
    r"|PYTHON(UNBUFFERED|UTF8|IOENCODING|WARNINGS)|NOTIFY_SOCKET|JOURNAL_STREAM"
)
"""Variables that change what programs do or print. A test that needs one sets it."""
NEUTRAL = {"LANG": "C.UTF-8", "TZ": "UTC"}
UMASK = 0o022
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD, signal.SIGWINCH)
"""Signals that the program handles, or relies on."""
IGNORED_BY_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}
"""subprocess puts these back for what it starts."""


def catch_what_is_ignored() -> None:
    """Catch each signal that is ignored: children inherit that (nohup: SIGHUP; a shell's ``&``: SIGINT, SIGQUIT).

    What is caught has the default action in a child after exec. The tests themselves go on, as they should under nohup.
    Only SIGINT has its usual effect on them: some tests are ended by it.
    """
    for number in signal.valid_signals() - IGNORED_BY_PYTHON:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else lambda *_: None)


@dataclass(frozen=True)
class Circumstances:
    """What one test could change for the next."""

    environment: dict[str, str]
    folder: str
    umask: int
    handlers: dict[signal.Signals, Any]

    @classmethod
    def current(cls) -> Self:
        """Those of this process."""
        os.umask(umask := os.umask(UMASK))
        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        return cls(environment, str(Path.cwd()), umask, {number: signal.getsignal(number) for number in HANDLED})

    def neutral(self) -> "Circumstances":
        """The same with variables that shape output at their neutral values, and the usual umask."""
        kept = {name: value for name, value in self.environment.items() if not SHAPING.fullmatch(name)}
        return Circumstances(kept | NEUTRAL, self.folder, UMASK, self.handlers)

    def restore(self) -> list[str]:
        """Have this process work under these again; the names of what differed."""
        now = Circumstances.current()
        if now == self:
            return []
        for name in now.environment.keys() - self.environment.keys():
            del os.environ[name]
        os.environ.update(self.environment)
        time.tzset()
        os.chdir(self.folder)
        os.umask(self.umask)
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        return [each.name for each in fields(self) if getattr(now, each.name) != getattr(self, each.name)]
