"""Journals that are closed after the test. Python 3.13 warns of a database that nobody closed."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.journal import OpenJournal
from usbrh.journal.store import Journal


@pytest.fixture
def open_journal() -> Iterator[OpenJournal]:
    """Open journals with the arguments of ``Journal``."""
    with ExitStack() as opened:
        yield lambda path, **options: opened.enter_context(Journal(path, **options))
