"""Files that hold a secret: a key, a password, a token."""

import os
import stat
from pathlib import Path

from usbrh.errors import ConfigError

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
    """The one line in ``path``, with its blanks: they may belong to a password.

    Raises:
        ConfigError: it can't be read, others can read or change it, or it is not one line.
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
        raise ConfigError(f"{path} is secret, and can {whom} (mode {stat.S_IMODE(mode):o}); chmod 600 {path}")
    if not line.strip() or "\n" in line or len(line) > LARGEST:
        raise ConfigError(f"{path} should hold one line, the secret alone")
    return line
