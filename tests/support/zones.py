"""Time zones, as rules of POSIX: a machine without tzdata has them too."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
"""Summer time begins at 2:00 on the last Sunday in March, and ends at 3:00 on the last Sunday in October."""
TOKYO = "JST-9"
BEIRUT = "EET-2EEST,M3.5.0/0,M10.5.0/0"
"""Summer time begins at midnight: that day has no 0:00."""
HAVANA = "CST5CDT,M3.2.0/0,M11.1.0/1"
"""Summer time ends at 1:00: that day has 0:00 twice."""
LORD_HOWE = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"
"""Summer time differs by half an hour."""


@contextmanager
def zone(rules: str) -> Iterator[None]:
    """Set the time zone of this process."""
    try:
        with patch.dict(os.environ, TZ=rules):
            time.tzset()
            yield
    finally:
        time.tzset()
