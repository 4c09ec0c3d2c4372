"""Files that contain a secret: a key, a password or a token."""

import logging
import os
import stat
from pathlib import Path

from usbrh.errors import ConfigError

_log = logging.getLogger(__name__)

MAX_BYTES = 4096
"""A pre-shared key has at most 513 bytes."""


def exposure(mode: int) -> str | None:
    """Describe what other users can do with a file of this mode, such as "be read by everyone"; None if nothing.

    The file's group may read it: a service with its own user reads its key through the group.
    """
    if mode & (stat.S_IRWXO & ~stat.S_IXOTH | stat.S_IWGRP):
        return "be read by everyone" if mode & stat.S_IROTH else "be changed by others"
    return None


def read_secret(path: Path) -> str:
    """Read the only line of ``path``, with its spaces, which can belong to a password.

    Logs a warning if other users can read or change the file. A key that a service uses is rejected instead
    (``zabbix/tls.py``).

    Raises:
        ConfigError: The file can't be read, or does not contain exactly one line.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            line = file.read(MAX_BYTES + 1).decode().removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"{path}: can't be read: {reason}", remedy=f"see: ls -l {path}") from None
    # Only a regular file has a meaningful mode; a pipe from the shell does not.
    if stat.S_ISREG(mode) and (exposed := exposure(mode)):
        _log.warning("%s is secret, but can %s (mode %o); fix: chmod 600 %s", path, exposed, stat.S_IMODE(mode), path)
    if not line.strip() or "\n" in line or len(line) > MAX_BYTES:
        raise ConfigError(f"{path} must contain one line with only the secret")
    return line
