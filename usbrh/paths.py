"""Whether a file is there, where a folder may be closed to who asks.

``Path.exists`` and its like don't say: over a closed folder they raise up to Python 3.13, and answer False from 3.14,
which would turn into wrong advice: "there is none yet".
"""

import os
from contextlib import suppress
from pathlib import Path


def stat_or_none(path: Path, *, follow_symlinks: bool = True) -> os.stat_result | None:
    """What is at ``path``; None if nothing is.

    Raises:
        PermissionError: a folder on the way is closed to this user, so nobody knows.
        OSError: it can't be looked at for another reason, such as links in a circle.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        return path.stat(follow_symlinks=follow_symlinks)
    return None
