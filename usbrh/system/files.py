"""Opening files whose names, or whose folders, somebody else may control.

Reading: only a regular file is read, so that a named pipe or a device can't block the command, and only up to a limit.

Writing as root: a folder of the path can belong to a user, who can replace a file there by a link to a file of root.
Root therefore follows only symbolic links that root made, opens folder by folder with descriptors instead of paths
(openat(2)), and writes to no file with several names in the folder of another user.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EINVAL, EISDIR, ELOOP, EMLINK
from pathlib import Path
from typing import NamedTuple

_MAX_LINKS = 40
"""The kernel's own limit of symbolic links in one path."""
_NULL = os.makedev(1, 3)
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def read_regular(path: Path, limit: int) -> bytes:
    """Return the first ``limit`` bytes of a regular file. ``/dev/null`` counts as an empty file.

    Raises:
        OSError: The file can't be read, or is not a regular file.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read(limit)


def open_regular(path: Path) -> int:
    """Open a regular file or ``/dev/null`` for reading, without blocking, and return its descriptor.

    Raises:
        OSError: The file can't be opened, or is not a regular file.
    """
    check_regular(path.stat(), path)  # before it is opened, which some devices react to
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        check_regular(os.fstat(descriptor), path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def check_regular(status: os.stat_result, path: Path) -> None:
    """Raise OSError unless ``status`` is that of a regular file or of ``/dev/null``."""
    if stat.S_ISDIR(status.st_mode):
        raise OSError(EISDIR, os.strerror(EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode) and status.st_rdev != _NULL:
        raise OSError(EINVAL, "not a regular file", str(path))


def write_regular(path: Path, content: bytes, *, make_folders: bool = False) -> None:
    """Replace the content of a regular file, or make the file. Opens it as ``open_output``.

    Raises:
        OSError: The file can't be written, or is not a regular file.
    """
    descriptor = open_output(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK, make_folders=make_folders)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        check_regular(os.fstat(file.fileno()), path)
        with suppress(OSError):  # /dev/null
            file.truncate(0)
        while content:
            content = content[file.write(content) :]


def open_output(path: Path, flags: int, mode: int = 0o666, *, make_folders: bool = False) -> int:
    """Open ``path`` for writing, with flags and mode of open(2), and return the descriptor.

    Raises:
        OSError: The file can't be opened. For root also: another user made a symbolic link in the path, or the file
            has several names and is in a folder of another user.
    """
    with open_parent(path, make=make_folders) as parent:
        follow = 0 if parent.follow else os.O_NOFOLLOW
        with _naming(path):
            descriptor = os.open(parent.name, flags | follow | os.O_NOCTTY | os.O_CLOEXEC, mode, dir_fd=parent.folder)
        status = os.fstat(descriptor)
        hard_link = stat.S_ISREG(status.st_mode) and status.st_nlink > 1
        if not parent.follow and hard_link and not _only_root_writes(parent.folder):
            os.close(descriptor)
            raise OSError(EMLINK, "the file has several names (hard links) in a folder of another user", str(path))
    return descriptor


class Parent(NamedTuple):
    """The folder of a file, opened, and the name of the file in it."""

    folder: int
    """Its descriptor."""
    name: str
    follow: bool
    """Whether ``name`` may be a symbolic link that is to be followed."""


@contextmanager
def open_parent(path: Path, *, make: bool = False) -> Iterator[Parent]:
    """Open the folder of ``path``, which ``make`` makes if it is missing.

    Raises:
        OSError: A folder can't be opened. For root also: another user made a symbolic link in the path.
    """
    with _naming(path):
        if os.geteuid() == 0:
            parent = _resolve(path, make=make)
        else:
            if make:
                path.parent.mkdir(parents=True, exist_ok=True)
            parent = Parent(os.open(path.parent, _FOLDER), path.name or ".", follow=True)
    try:
        yield parent
    finally:
        os.close(parent.folder)


@contextmanager
def open_folder(path: Path, *, make: bool = False) -> Iterator[int]:
    """Open a folder, for reading too, and yield its descriptor. Raises as ``open_parent``."""
    with open_parent(path, make=make) as parent, _naming(path):
        if make:
            with suppress(FileExistsError):
                os.mkdir(parent.name, dir_fd=parent.folder)
        follow = 0 if parent.follow else os.O_NOFOLLOW
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | follow
        descriptor = os.open(parent.name, flags, dir_fd=parent.folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _resolve(path: Path, *, make: bool) -> Parent:
    """Open the folder of ``path`` step by step. A symbolic link is resolved, also at the end, if root made it."""
    rest = list(reversed(path.parts))
    links = 0
    folder = os.open(".", _FOLDER)
    try:
        while True:
            name = rest.pop() if rest else "."
            link = _read_link(folder, name)
            if link:
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(ELOOP, os.strerror(ELOOP))  # noqa: TRY301 - as for a failed call
                rest += reversed(Path(link).parts)
                continue
            magic = link is not None
            if not rest and name != "/":
                return Parent(folder, name, follow=magic)
            if make and not magic:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=folder)
            below = os.open(name, _FOLDER | (0 if magic else os.O_NOFOLLOW), dir_fd=folder)
            os.close(folder)
            folder = below
    except BaseException:
        os.close(folder)
        raise


def _read_link(folder: int, name: str) -> str | None:
    """Return the target of a symbolic link; None if ``name`` is no link or does not exist.

    It is empty for a link such as /proc/self/fd/1, which only the kernel can follow (proc_pid_fd(5)).

    Raises:
        OSError: A user other than root made the link.
    """
    try:
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISLNK(status.st_mode):
            return None
        if status.st_uid != 0:
            raise OSError(ELOOP, f'root does not follow "{name}", a symbolic link of another user')
        target = os.readlink("", dir_fd=descriptor)
        in_proc = status.st_dev == os.stat("/proc").st_dev  # noqa: PTH116 - as the other calls here
        # Links that the kernel makes for open files are absolute or name no file: /dev/pts/0, pipe:[4711].
        return "" if in_proc and (target.startswith("/") or ":[" in target) else target
    finally:
        os.close(descriptor)


def _only_root_writes(folder: int) -> bool:
    status = os.fstat(folder)
    return status.st_uid == 0 and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put ``path`` into the errors of system calls that know only a part of it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
