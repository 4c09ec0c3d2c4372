"""Files that hold a secret: a key, a password, a token."""

import logging
import os
import stat
from pathlib import Path

from usbrh.errors import ConfigError

_log = logging.getLogger(__name__)

LARGEST = 4096
"""Bytes; a pre-shared key has at most 513."""


def exposure(mode: int) -> str | None:
    """How others can get at a file of that mode, such as "be read by everyone"; None if they can't.

    A group may read it: that is how a service of its own user gets a key.
    """
    if mode & (stat.S_IRWXO & ~stat.S_IXOTH | stat.S_IWGRP):
        return "be read by everyone" if mode & stat.S_IROTH else "be changed by others"
    return None


def read_secret(path: Path) -> str:
    """The one line in ``path``, with its blanks: they may belong to a password. Warns if others can get at it.

    Raises:
        ConfigError: it can't be read, or is not one line.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            line = file.read(LARGEST + 1).decode().removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"can't read {path}: {reason}; see ls -l {path}") from None
    # What is no file, such as a pipe of the shell, has no mode that would say anything.
    if stat.S_ISREG(mode) and (whom := exposure(mode)):
        # The harm is done, and whoever types this wants to get on; a key that a service lives by is rejected (tls.py).
        _log.warning("%s is secret, and can %s (mode %o); chmod 600 %s", path, whom, stat.S_IMODE(mode), path)
    if not line.strip() or "\n" in line or len(line) > LARGEST:
        raise ConfigError(f"{path} should hold one line, the secret alone")
    return line
