"""tools/version.py: the version of a build, from the package and from git."""

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.repository import commit, git, repository, write_versions
from tools.version import Version, current, stamp


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return repository(tmp_path / "checkout")


def test_the_commit_that_writes_the_version_is_the_release(checkout: Path) -> None:
    assert current(checkout) == Version("1.0.0")
    assert (current(checkout).python, current(checkout).debian) == ("1.0.0", "1.0.0")


def test_later_commits_are_counted(checkout: Path) -> None:
    commit(checkout)
    head = commit(checkout)[:7]
    assert current(checkout).python == f"1.0.0.post2+g{head}"
    assert current(checkout).debian == f"1.0.0+git2.g{head}"


def test_the_commits_are_counted_from_the_tag_if_there_is_one(checkout: Path) -> None:
    commit(checkout, "Correct the changelog of the release")
    git(checkout, "tag", "v1.0.0")
    assert current(checkout) == Version("1.0.0")
    head = commit(checkout)[:7]
    assert current(checkout).python == f"1.0.0.post1+g{head}"


def test_a_new_version_starts_to_count_again(checkout: Path) -> None:
    commit(checkout)
    write_versions(checkout, "1.1.0", "1.1.0", "1.1.0")
    commit(checkout)
    assert current(checkout) == Version("1.1.0")


def test_a_change_that_is_not_committed_shows(checkout: Path) -> None:
    (checkout / "new").touch()
    assert current(checkout).python.startswith("1.0.0.post0+g")
    assert current(checkout).python.endswith(".dirty")


def test_a_shallow_clone_counts_nothing(checkout: Path, tmp_path: Path) -> None:
    head = commit(checkout)[:7]
    git(tmp_path, "clone", "--quiet", "--depth", "1", checkout.as_uri(), "shallow")
    assert current(tmp_path / "shallow").python == f"1.0.0.post0+g{head}"


def test_a_copy_outside_of_git_has_the_version_of_the_package(checkout: Path, tmp_path: Path) -> None:
    commit(checkout)
    for copy in (tmp_path / "copy", checkout / "build/deb/usbrh"):  # the second one is inside of a checkout
        shutil.copytree(checkout / "usbrh", copy / "usbrh")
        assert current(copy) == Version("1.0.0")


def test_the_stamp_is_in_the_package_and_in_the_changelog(checkout: Path) -> None:
    version = Version("1.0.0", 12, "0123abc")
    stamp(checkout, version, 1_800_000_000)
    assert '__version__ = "1.0.0.post12+g0123abc"' in (checkout / "usbrh/__init__.py").read_text()
    first, *_, last = (checkout / "debian/changelog").read_text().splitlines()
    assert first == "usbrh (1.0.0+git12.g0123abc) unstable; urgency=medium"
    assert last == "usbrh (1.0.0) unstable; urgency=medium"
    assert "Fri, 15 Jan 2027 08:00:00" in (checkout / "debian/changelog").read_text()


def test_a_release_needs_no_stamp(checkout: Path) -> None:
    stamp(checkout, Version("1.0.0"), 0)
    assert git(checkout, "status", "--porcelain") == ""


ORDER = [Version("1.0.0"), Version("1.0.0", 9, "fffffff"), Version("1.0.0", 10, "0000000"), Version("1.0.1")]


def test_apt_installs_each_version_over_the_one_before() -> None:
    if not shutil.which("dpkg"):
        pytest.skip("dpkg is missing")
    for older, newer in pairwise(ORDER):
        subprocess.run(["dpkg", "--compare-versions", older.debian, "lt", newer.debian], check=True)


def test_pip_installs_each_version_over_the_one_before() -> None:
    packaging = pytest.importorskip("packaging.version")
    versions = [packaging.Version(version.python) for version in ORDER]
    assert versions == sorted(versions)
    assert all(re.fullmatch(r"[\w.+]+", str(version)) for version in versions)
