"""The wheel: its content, and that it works in a separate environment."""

import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tools.version import version
from usbrh.cli import COMMANDS

TOP = Path(__file__).parents[2]
VERSION = version()
"""A build has the version of the commit. The checkout itself has that of the last release."""


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=folder)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # Without isolation the build uses the installed hatchling and downloads nothing.
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(TOP)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    [wheel] = folder.glob("*.whl")
    return wheel


def test_the_wheel_carries_the_files_of_record_whole(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for folder in ("etc", "systemd", "udev", "zabbix"):
            files = [path for path in (TOP / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"]
            assert files
            for path in files:
                assert archive.read(f"usbrh/data/{path.relative_to(TOP)}") == path.read_bytes()


def test_the_wheel_carries_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {str(path.relative_to(TOP)) for path in (TOP / "usbrh").rglob("*.py")}
    assert modules <= names
    assert "usbrh/py.typed" in names
    assert {name.split("/")[0] for name in names} == {"usbrh", f"usbrh-{VERSION}.dist-info"}
    assert not [name for name in names if re.search(r"(^|/)(tests?|benchmarks)/|\.pyc$", name)]


def test_the_metadata_name_what_is_needed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"usbrh-{VERSION}.dist-info/METADATA").decode()
        entry_points = archive.read(f"usbrh-{VERSION}.dist-info/entry_points.txt").decode()
    assert f"\nVersion: {VERSION}\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    needed = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", metadata, re.MULTILINE)
    assert {"click", "pyusb", "pyzabbix"} <= set(needed)
    assert "usbrh = usbrh.__main__:main" in entry_points


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel in a separate environment that uses the dependencies of the tests."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True, with_pip=False)
    [packages] = folder.glob("lib/python*/site-packages")
    command = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(folder), *command[2:]], check=True, timeout=120)
    # The packages of the environment come first on the path, so that Python imports the wheel, not the checkout.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test_the_installed_command_runs(installed: Path, tmp_path: Path) -> None:
    usbrh = str(installed / "bin/usbrh")
    version = _run([usbrh, "--version"], tmp_path)
    assert (version.stdout, version.stderr, version.returncode) == (f"usbrh {VERSION}\n", "", 0)


def test_every_command_of_the_wheel_has_its_help(installed: Path, tmp_path: Path) -> None:
    program = f"""
import usbrh, usbrh.cli
assert usbrh.__file__.startswith({str(installed)!r}), usbrh.__file__
for name in {list(COMMANDS)!r}:
    usbrh.cli.cli.main([name, "--help"], standalone_mode=False)
"""
    python = str(installed / "bin/python")
    result = _run([python, "-c", program], tmp_path)
    assert (result.stderr, result.returncode) == ("", 0)


def test_the_files_are_found_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    program = "from usbrh.resources import resource; print(resource('udev/70-usbrh.rules').read_text('utf-8'), end='')"
    python = str(installed / "bin/python")
    result = _run([python, "-c", program], tmp_path)
    assert result.stdout == (TOP / "udev/70-usbrh.rules").read_text()
