"""The wheel: its content, and that it works in a separate environment."""

import os
import re
import shutil
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
        for folder in ("etc", "openrc", "systemd", "udev", "zabbix"):
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
    assert {name.split("/")[0] for name in names} == {
        "usbrh",
        f"usbrh-{VERSION}.dist-info",
        f"usbrh-{VERSION}.data",
    }
    assert [name for name in names if ".data/" in name] == [f"usbrh-{VERSION}.data/data/share/man/man1/usbrh.1"]
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
    program = (
        "from usbrh.system.resources import resource; print(resource('udev/70-usbrh.rules').read_text('utf-8'), end='')"
    )
    python = str(installed / "bin/python")
    result = _run([python, "-c", program], tmp_path)
    assert result.stdout == (TOP / "udev/70-usbrh.rules").read_text()


def test_the_manual_page_is_where_man_finds_it(installed: Path) -> None:
    """man looks beside each folder of PATH: bin, and then share/man."""
    assert (installed / "share/man/man1/usbrh.1").read_text() == (TOP / "docs/usbrh.1").read_text()


def make(*arguments: str, folder: Path, path: str | None = None) -> "subprocess.CompletedProcess[str]":
    # git distrusts a checkout of another user, who may run the tests too.
    trust = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    environment = {"PATH": path or os.environ["PATH"], "LC_ALL": "C", **trust}
    command = [shutil.which("make") or "make", "-C", str(folder), "--no-print-directory", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)


def packaged_files(folder: Path) -> set[str]:
    """The files that ``make deb`` copies."""
    listed = make("--eval", "sources: ; @$(SOURCES)", "sources", folder=folder)
    assert (listed.returncode, listed.stderr) == (0, "")
    return {name.removeprefix("./") for name in listed.stdout.strip("\0").split("\0")}


def test_a_package_is_built_from_a_tree_without_git(tmp_path: Path) -> None:
    """As GitHub exports it, or a mirror: no .git, and perhaps no git."""
    ours = {name for name in packaged_files(TOP) if (TOP / name).exists()}
    assert {"pyproject.toml", "debian/usbrh.udev", "usbrh/cli/__init__.py", ".github/workflows/test.yml"} <= ours
    for name in ours:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / name, tmp_path / name, follow_symlinks=False)
    generated = (".venv/bin/python", "build/deb/usbrh/x", "usbrh/__pycache__/x.pyc", ".mypy_cache/x", "tests/output/x")
    for name in generated:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert packaged_files(tmp_path) == ours


def test_git_is_named_when_it_is_missing(tmp_path: Path) -> None:
    shutil.copy(TOP / "Makefile", tmp_path)
    (tmp_path / ".git").touch()
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("dpkg-buildpackage", "dh", "lintian"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    done = make("deb", folder=tmp_path, path=str(programs))
    assert (done.returncode, done.stdout) == (2, "git is missing; sudo apt install git\n")
    assert not (tmp_path / "build").exists()
