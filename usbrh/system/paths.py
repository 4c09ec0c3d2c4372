"""Checking whether a file exists, even below a folder that this user may not search.

``Path.exists`` can't be used for that: below such a folder it raises PermissionError up to Python 3.13, and returns
False from 3.14 on. Messages would then claim that the file does not exist.
"""

import os
from contextlib import suppress
from pathlib import Path


def stat_or_none(path: Path, *, follow_symlinks: bool = True) -> os.stat_result | None:
    """Return the status of ``path``, or None if it does not exist.

    Raises:
        PermissionError: This user may not search one of the folders in the path.
        OSError: Another error, such as a loop of symbolic links.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        return path.stat(follow_symlinks=follow_symlinks)
    return None
