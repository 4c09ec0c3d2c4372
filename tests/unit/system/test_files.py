"""Opening files in folders of other users; root follows nothing there."""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.closed import NOBODY, as_root, nobody, reachable
from tests.support.waits import within
from usbrh.system.files import open_folder, open_output, read_regular, write_regular

APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND


@pytest.fixture
def precious(theirs: Path) -> Iterator[Path]:
    """A file of root's in a folder of root's, which nothing may touch."""
    (theirs.parent / "roots").mkdir(0o700)
    file = theirs.parent / "roots" / "precious"
    file.write_text("precious")
    yield file
    assert (file.read_text(), file.stat().st_uid, stat.S_IMODE(file.stat().st_mode)) == ("precious", 0, 0o644)


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A folder that belongs to another user."""
    with reachable() as folder:
        (folder / "theirs").mkdir()
        os.chown(folder / "theirs", NOBODY, NOBODY)
        yield folder / "theirs"


@as_root
def test_a_link_of_another_user_is_not_followed(theirs: Path, precious: Path) -> None:
    for target in (precious, precious.with_name("new")):
        with nobody():
            (theirs / "link").unlink(missing_ok=True)
            (theirs / "link").symlink_to(target)
        with pytest.raises(OSError, match='root does not follow "link", a symbolic link of another user'):
            write_regular(theirs / "link", b"x")
        with pytest.raises(OSError, match="a symbolic link of another user"):
            open_output(theirs / "link", APPEND)
    assert not precious.with_name("new").exists()


@as_root
def test_a_folder_that_is_a_link_of_another_user_is_not_entered(theirs: Path, precious: Path) -> None:
    with nobody():
        (theirs / "folder").symlink_to(precious.parent)
    for path in (theirs / "folder/new", theirs / "folder/deep/new", theirs / "folder/precious"):
        with pytest.raises(OSError, match='root does not follow "folder", a symbolic link of another user'):
            write_regular(path, b"x", make_folders=True)
    for make in (True, False):
        with (
            pytest.raises(OSError, match="a symbolic link of another user"),
            open_folder(theirs / "folder", make=make),
        ):
            pass
    assert [path.name for path in precious.parent.iterdir()] == ["precious"]


@as_root
def test_a_second_name_of_a_file_is_not_written_to(theirs: Path, precious: Path) -> None:
    """A hard link; where fs.protected_hardlinks is 1, the kernel does not let another user make it."""
    os.link(precious, theirs / "again")
    with pytest.raises(OSError, match="has several names"):
        write_regular(theirs / "again", b"x")
    with pytest.raises(OSError, match="has several names"):
        open_output(theirs / "again", APPEND)


@as_root
@pytest.mark.parametrize(
    ("mode", "owner", "written"),
    [
        (0o755, 0, True),
        (0o700, 0, True),
        (0o775, 0, False),
        (0o757, 0, False),
        (0o1777, 0, False),
        (0o700, NOBODY, False),
    ],
)
def test_a_second_name_is_harmless_where_only_root_can_have_made_it(
    tmp_path: Path, mode: int, owner: int, written: bool
) -> None:
    file = tmp_path / "file"
    file.write_text("before")
    (tmp_path / "other").hardlink_to(file)
    os.chown(tmp_path, owner, owner)
    tmp_path.chmod(mode)
    if written:
        write_regular(file, b"after")
    else:
        with pytest.raises(OSError, match="several names"):
            write_regular(file, b"after")
    assert file.read_text() == ("after" if written else "before")


@as_root
def test_a_link_of_root_is_followed(theirs: Path) -> None:
    (theirs.parent / "shortcut").symlink_to("theirs")
    (theirs.parent / "file").symlink_to("./shortcut/../shortcut/file")
    write_regular(theirs.parent / "file", b"first")
    write_regular(theirs.parent / "shortcut/file", b"2nd")
    assert (theirs / "file").read_bytes() == b"2nd"
    assert (theirs.parent / "file").is_symlink()


@as_root
def test_links_in_a_circle(theirs: Path) -> None:
    (theirs / "a").symlink_to("b")
    (theirs / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        write_regular(theirs / "a", b"x")


@as_root
def test_a_race_for_the_file_is_never_won(theirs: Path, precious: Path) -> None:
    """Another process replaces the file by a link and back, all the time."""
    link = 'root does not follow "file", a symbolic link of another user'
    child = os.fork()
    if child == 0:
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        while True:
            (theirs / "next").touch()
            (theirs / "next").replace(theirs / "file")
            (theirs / "next").symlink_to(precious)
            (theirs / "next").replace(theirs / "file")
    try:
        results: set[str] = set()
        end = time.monotonic() + 20
        rounds = 0
        while rounds < 2000 or not ({"opened", link} <= results or time.monotonic() > end):
            rounds += 1
            try:
                descriptor = open_output(theirs / "file", APPEND)
            except OSError as error:
                results.add(error.strerror or "")
            else:
                os.write(descriptor, b"x")
                os.close(descriptor)
                results.add("opened")
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert {"opened", link} <= results <= {"opened", link, "Too many levels of symbolic links"}, results


def test_what_the_kernel_made_is_followed() -> None:
    read, write = os.pipe()
    descriptor = open_output(Path(f"/dev/fd/{write}"), APPEND)
    os.write(descriptor, b"x")
    assert os.read(read, 9) == b"x"
    for each in (read, write, descriptor):
        os.close(each)
    write_regular(Path("/dev/null"), b"x")


@as_root
def test_folders_are_made(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(theirs)
    for path in (theirs / "a/b/c", Path("d/e"), Path("f"), Path("../theirs/g/../h")):
        write_regular(path, b"new", make_folders=True)
        assert path.read_bytes() == b"new"
    with pytest.raises(FileNotFoundError, match="none/file"):
        write_regular(Path("none/file"), b"new")


def test_an_ordinary_user_may_follow_any_link() -> None:
    with reachable() as folder:
        folder.chmod(0o777)
        (folder / "link").symlink_to("file")
        with nobody():
            write_regular(folder / "link", b"x")
            for _ in range(2):
                write_regular(folder / "deep/below/file", b"x", make_folders=True)
        assert (folder / "file").read_bytes() == b"x"


def test_no_other_kind_of_file_is_written_or_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with within(5), pytest.raises(OSError, match="No such device or address"):
        write_regular(pipe, b"x")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with within(5), pytest.raises(OSError, match="not a regular file"):
        write_regular(pipe, b"x")
    os.close(reader)
    for path, words in ((pipe, "not a regular file"), (tmp_path, "Is a directory")):
        with within(5), pytest.raises(OSError, match=words):
            read_regular(path, 10)
    with pytest.raises(IsADirectoryError):
        write_regular(tmp_path, b"x")
