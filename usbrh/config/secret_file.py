"""Files that contain a secret: a key, a password or a token."""

import errno
import logging
import os
import select
import stat
import time
from pathlib import Path

from usbrh.errors import ConfigError
from usbrh.system.files import read_regular

_log = logging.getLogger(__name__)

MAX_BYTES = 4096
"""A pre-shared key has at most 513 bytes."""
_READ_BYTES = MAX_BYTES + 3
"""The longest secret with the end of its line, and one byte more, which shows that there is a second line."""
PIPE_SECONDS = 60.0
"""Seconds to wait for a program that writes the secret into a pipe."""


def exposure(mode: int) -> str | None:
    """Describe what other users can do with a file of this mode, such as "be read by everyone"; None if nothing.

    The file's group may read it: a service with its own user reads its key through the group.
    """
    if mode & (stat.S_IRWXO & ~stat.S_IXOTH | stat.S_IWGRP):
        return "be read by everyone" if mode & stat.S_IROTH else "be changed by others"
    return None


def read_secret(path: Path) -> str:
    """Read the only line of ``path``, with its spaces, which can belong to a password. A byte order mark is left out.

    ``path`` is a regular file, or a pipe from the shell: ``<(pass zabbix)``. Logs a warning if other users can read or
    change the file. A key that a service uses is rejected instead (``zabbix/tls.py``).

    Raises:
        ConfigError: The file can't be read, or does not contain exactly one line.
    """
    try:
        mode = path.stat().st_mode
        content = _read_pipe(path) if stat.S_ISFIFO(mode) else read_regular(path, _READ_BYTES)
        line = content.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"{path}: can't be read: {reason}", remedy=f"see: ls -l {path}") from None
    # Only a regular file has a meaningful mode; a pipe from the shell does not.
    if stat.S_ISREG(mode) and (exposed := exposure(mode)):
        _log.warning("%s is secret, but can %s (mode %o); fix: chmod 600 %s", path, exposed, stat.S_IMODE(mode), path)
    if not line.strip() or "\n" in line or len(line) > MAX_BYTES:
        raise ConfigError(f"{path} must contain one line with only the secret")
    return line


def _read_pipe(path: Path) -> bytes:
    """Read ``_READ_BYTES`` or a little more; the program at the other end may ask its user for a password first."""
    deadline = time.monotonic() + PIPE_SECONDS
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    content = b""
    try:
        while len(content) < _READ_BYTES:
            try:
                chunk = os.read(descriptor, _READ_BYTES)
            except BlockingIOError:
                left = deadline - time.monotonic()
                if not select.select([descriptor], [], [], max(0.0, left))[0]:
                    raise TimeoutError(errno.ETIMEDOUT, f"nothing arrived within {PIPE_SECONDS:g} s") from None
                continue
            if not chunk:
                break
            content += chunk
    finally:
        os.close(descriptor)
    return content
