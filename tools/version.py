"""The version of a build, from the package and from git.

python -m tools.version                  print the version of this checkout
python -m tools.version --stamp FOLDER   write the version into FOLDER, a copy of this checkout, for a Debian package

``usbrh/__init__.py`` names the last released version. A build of a later commit has that version, the number of commits
since, and the commit: ``1.0.0.post12+g0123abc`` for pip, ``1.0.0+git12.g0123abc`` for Debian. Both sort after 1.0.0 and
before 1.0.1, so pip and apt install them as upgrades. hatchling calls this file too (pyproject.toml), so it imports
only the standard library.
"""

import argparse
import email.utils
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PACKAGE = "usbrh/__init__.py"
_ASSIGNMENT = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)


@dataclass(frozen=True)
class Version:
    """A released version, and the commits since."""

    released: str
    """As in ``usbrh/__init__.py``."""
    commits: int = 0
    commit: str | None = None
    """Abbreviated hash, followed by ``.dirty`` if the work tree has changes. None for the release itself."""

    @property
    def python(self) -> str:
        """The version by the rules of Python packages (PEP 440)."""
        return self.released if self.commit is None else f"{self.released}.post{self.commits}+g{self.commit}"

    @property
    def debian(self) -> str:
        """The version by the rules of Debian packages."""
        return self.released if self.commit is None else f"{self.released}+git{self.commits}.g{self.commit}"


def released(top: Path = TOP) -> str:
    """Return the version that ``usbrh/__init__.py`` names.

    Raises:
        ValueError: the file names no version.
    """
    found = _ASSIGNMENT.search((top / PACKAGE).read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"{top / PACKAGE} has no line __version__ = …")
    return found[1]


def current(top: Path = TOP) -> Version:
    """Return the version of the checkout ``top``.

    The commits are counted from the tag ``vVERSION``; before the tag exists, from the commit that wrote the version.
    Outside of git, and in a copy inside of another checkout, the version is the released one. The source archive is
    such a copy: the build has written the whole version into its ``usbrh/__init__.py``.
    """
    version = released(top)
    if not is_checkout(top):
        return Version(version)
    head = git(top, "rev-parse", "HEAD")
    start = git(top, "rev-parse", "--quiet", "--verify", f"refs/tags/v{version}^{{commit}}")
    # A shallow clone lacks the commit that wrote the version, so its commits can't be counted.
    if not start and git(top, "rev-parse", "--is-shallow-repository") == "false":
        start = git(top, "log", "-1", "--format=%H", f'-S__version__ = "{version}"', "--", PACKAGE)
    dirty = bool(git(top, "status", "--porcelain"))
    if head == start and not dirty:
        return Version(version)
    commits = int(git(top, "rev-list", "--count", f"{start}..HEAD") or 0) if start else 0
    return Version(version, commits, head[:7] + ".dirty" * dirty)


def is_checkout(top: Path) -> bool:
    """Return whether ``top`` is the top of a git work tree that has a commit."""
    root = git(top, "rev-parse", "--show-toplevel")
    return bool(root) and Path(root).resolve() == top.resolve() and bool(git(top, "rev-parse", "--verify", "HEAD"))


def git_command(top: Path, *arguments: str) -> list[str]:
    """Return a command line of git for the checkout ``top``, which any user may own."""
    # pip can run as root in the checkout of another user. It is about to run the code of the checkout anyway.
    return ["git", "-c", f"safe.directory={top}", *arguments]


def git(top: Path, *arguments: str) -> str:
    """Return what git prints, without the line end. Return an empty text if git fails or is not installed."""
    try:
        done = subprocess.run(git_command(top, *arguments), cwd=top, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def version() -> str:
    """Return the version for pip. hatchling calls this function."""
    return current().python


def stamped(text: str, version: Version) -> str:
    """Return the text of ``usbrh/__init__.py`` with the whole version in it."""
    return _ASSIGNMENT.sub(f'__version__ = "{version.python}"', text)


def stamp(folder: Path, version: Version, seconds: int) -> None:
    """Write the version into a copy of the checkout: into the package, and as an entry of debian/changelog.

    Args:
        folder: the top of the copy.
        version: the version to write. Nothing is written for a release.
        seconds: Unix time of the entry.
    """
    if version.commit is None:
        return
    package, changelog = folder / PACKAGE, folder / "debian/changelog"
    package.write_text(stamped(package.read_text(encoding="utf-8"), version), encoding="utf-8")
    entry = f"""\
usbrh ({version.debian}) unstable; urgency=medium

  * Build of commit {version.commit}, {version.commits} commits after {version.released}.

 -- The usbrh contributors <nobody@usbrh.invalid>  {email.utils.formatdate(seconds)}

"""
    changelog.write_text(entry + changelog.read_text(encoding="utf-8"), encoding="utf-8")


def main() -> None:
    """Print the version, or write it into a copy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stamp", metavar="FOLDER", type=Path, help="write the version into this copy of the checkout")
    folder = parser.parse_args().stamp
    if folder is None:
        print(version())
    else:
        stamp(folder, current(), int(git(TOP, "log", "-1", "--format=%ct") or 0))


if __name__ == "__main__":
    main()
