"""The computer that setup changes."""

import sys
from pathlib import Path

import pytest

from tests.support.computer import Computer
from usbrh.setup import install as setup


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    # The Python that runs the tests may be in a home directory, which is a separate case below.
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    monkeypatch.setattr(setup, "installed", lambda _: True)  # udevadm, which a container does without
    return Computer(tmp_path)
