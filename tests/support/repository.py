"""A git repository in a temporary folder, with the files that name the version."""

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

WHO = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@a.example",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@a.example",
}
"""The machine's git may not know who commits."""


def git(folder: Path, *arguments: str) -> str:
    """Run git, and return what it prints."""
    if not shutil.which("git"):
        pytest.skip("git is not installed: sudo apt install git")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | WHO
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


def commit(folder: Path, message: str = "Change") -> str:
    """Commit everything in ``folder``, and return the hash."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def write_versions(folder: Path, package: str = "1.0.0", changes: str = "1.0.0", debian: str = "1.0.0") -> None:
    """Write the three files that name the version."""
    for name, text in {
        "usbrh/__init__.py": f'"""Package."""\n\n__version__ = "{package}"\n',
        "CHANGELOG.md": f"# Changelog\n\n## [{changes}] - 2026-12-01\n\n- First.\n",
        "debian/changelog": f"usbrh ({debian}) unstable; urgency=medium\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write_built(folder: Path, moment: datetime) -> None:
    """Write the file with the date of the version."""
    (folder / "usbrh/walltime.py").write_text(f'"""Clock."""\n\nBUILT = "{moment:%Y-%m-%d}"\n', encoding="utf-8")


def repository(folder: Path) -> Path:
    """Make ``folder`` a repository of version 1.0.0 with one commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet")
    write_versions(folder)
    write_built(folder, datetime.now(UTC))
    commit(folder)
    return folder
