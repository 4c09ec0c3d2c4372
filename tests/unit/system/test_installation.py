"""The command that adds a library, for each installation method. tests/installed.py runs these commands."""

import os
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.closed import closed
from usbrh.system import installation
from usbrh.system.installation import install_command


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A virtual environment with the name usbrh."""
    folder = tmp_path / "usbrh"
    folder.mkdir()
    monkeypatch.setattr(sys, "prefix", str(folder))
    monkeypatch.setattr(sys, "executable", str(folder / "bin/python"))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(folder))
    return folder


def test_a_venv(prefix: Path) -> None:
    assert install_command("rich") == f"{prefix}/bin/python -m pip install rich"


def test_a_venv_of_root(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (str(prefix), os.W_OK))
    assert install_command("rich") == f"sudo {prefix}/bin/python -m pip install rich"


def test_a_venv_without_pip(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda name: None)
    assert install_command("rich") == f"uv pip install --python {prefix}/bin/python rich"


def test_pipx(prefix: Path) -> None:
    (prefix / "pipx_metadata.json").write_text("{}")
    assert install_command("rich") == "pipx inject usbrh rich"


def test_uv_tool(prefix: Path) -> None:
    (prefix / "uv-receipt.toml").write_text("")
    assert install_command("rich") == f"uv pip install --python {prefix}/bin/python rich"


def test_debian(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "prefix", "/usr")
    monkeypatch.setattr(installation, "DEBIAN", tmp_path)
    assert install_command("matplotlib") == "sudo apt install python3-matplotlib"


def test_another_systems_python_is_not_debians(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "prefix", "/usr")
    monkeypatch.setattr(installation, "DEBIAN", tmp_path / "missing")
    assert install_command("rich").endswith(f"{sys.executable} -m pip install rich")


def test_an_installation_that_this_user_can_not_see(prefix: Path) -> None:
    (prefix / "pipx_metadata.json").touch()
    with closed(prefix):
        assert "pipx" not in install_command("rich")
