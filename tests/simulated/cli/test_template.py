"""``usbrh zabbix template``, which replaces no file that somebody changed."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.support.closed import as_root, nobody, reachable
from tests.support.command import start, usbrh


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    done = usbrh("zabbix", "template", str(tmp_path))
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr, len(paths)) == (0, "", 9)
    assert {path.relative_to(tmp_path) for path in paths} == {
        path.relative_to(tmp_path) for path in tmp_path.rglob("*.yaml")
    }
    return tmp_path


def answered(answer: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run the command at a terminal, where the user gives the answer."""
    terminal, stdin = pty.openpty()
    os.write(terminal, f"{answer}\n".encode())
    try:
        words = ["zabbix", "template", str(folder)]
        process = start(words, os.environ, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = process.communicate(timeout=30)
        return subprocess.CompletedProcess(words, process.returncode, output, errors)
    finally:
        os.close(terminal)
        os.close(stdin)


def test_a_second_time_nothing_is_asked(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*.yaml")}
    done = answered("", folder)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 9)
    assert {path: path.read_bytes() for path in folder.rglob("*.yaml")} == before


@pytest.mark.parametrize("answer", ["n", "", None], ids=["no", "Enter", "no terminal"])
def test_a_changed_file_stays(folder: Path, answer: str | None) -> None:
    changed = folder / "7.0/usbrh_trapper.yaml"
    changed.write_text(changed.read_text().replace("{$USBRH", "{$OURS"))
    edited = changed.read_text()
    terminal = answer is not None
    done = usbrh("zabbix", "template", str(folder)) if answer is None else answered(answer, folder)
    assert done.returncode == 1
    assert changed.read_text() == edited
    assert str(changed) not in done.stdout.splitlines()
    expected = f"usbrh: {changed} differs from the template of this version, and was not replaced; --force replaces it"
    assert f"{expected}\n" in done.stderr
    assert ("+++" in done.stderr, "not a terminal" in done.stderr) == (terminal, not terminal)


@pytest.mark.parametrize("force", [True, False])
def test_it_is_replaced_where_that_is_wanted(folder: Path, force: bool) -> None:
    changed = folder / "7.0/usbrh_trapper.yaml"
    ours = changed.read_text()
    changed.write_text("theirs\n")
    done = usbrh("zabbix", "template", "--force", str(folder)) if force else answered("y", folder)
    assert done.returncode == 0, done
    assert str(changed) in done.stdout.splitlines()
    assert changed.read_text() == ours


@as_root
def test_root_follows_no_link_of_another_user(tmp_path: Path) -> None:
    with reachable() as folder:
        folder.chmod(0o777)
        with nobody():
            (folder / "7.0").symlink_to(tmp_path)
        done = usbrh("zabbix", "template", "--force", str(folder))
    assert done.returncode == 2
    assert 'root does not follow "7.0", a symbolic link of another user' in done.stderr
    assert list(tmp_path.iterdir()) == []
