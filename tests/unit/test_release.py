"""tools/release.py: what it refuses, the placeholder, archives that are the same twice. tests/release.py builds all."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.repository import commit, git, repository, write_built, write_versions
from tools.release import (
    PLACEHOLDER,
    ReleaseError,
    absolute_links,
    check,
    export,
    pack,
    substitute,
    write_sums,
)
from tools.version import TOP, is_checkout

URL = "https://forge.example/owner/usbrh"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return repository(tmp_path / "checkout")


def refusal(checkout: Path, repository: str = URL) -> str:
    with pytest.raises(ReleaseError) as caught:
        check(checkout, repository)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_clean_checkout_with_one_version_is_released(checkout: Path) -> None:
    assert check(checkout, URL) == "1.0.0"
    git(checkout, "tag", "v1.0.0")
    assert check(checkout, URL) == "1.0.0"


def test_a_changed_file_is_refused(checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text("## [1.0.0]\n")
    assert refusal(checkout) == "the work tree is dirty (1 changes, first CHANGELOG.md); commit or remove them"


def test_a_new_file_is_refused(checkout: Path) -> None:
    (checkout / "forgotten.py").touch()
    assert "dirty (1 changes, first forgotten.py)" in refusal(checkout)


@pytest.mark.parametrize(
    ("versions", "found"),
    [
        ({"package": "1.0.1"}, ("1.0.1", "1.0.0", "1.0.0")),
        ({"changes": "Unreleased"}, ("1.0.0", "Unreleased", "1.0.0")),
        ({"debian": "0.9"}, ("1.0.0", "1.0.0", "0.9")),
    ],
)
def test_versions_that_differ_are_refused(
    checkout: Path, versions: dict[str, str], found: tuple[str, str, str]
) -> None:
    write_versions(checkout, **versions)
    commit(checkout)
    package, changes, debian = found
    assert refusal(checkout) == (
        f"the versions differ: usbrh/__init__.py has {package}, CHANGELOG.md has {changes},"
        f" debian/changelog has {debian}"
    )


@pytest.mark.parametrize("days", [-2, 200])
def test_a_date_of_the_version_that_is_not_from_now_is_refused(checkout: Path, days: int) -> None:
    write_built(checkout, datetime.now(UTC) - timedelta(days=days))
    commit(checkout)
    assert refusal(checkout) == "BUILT in usbrh/walltime.py is not from the 180 days before the commit; set it"


def test_the_tag_of_another_version_is_refused(checkout: Path) -> None:
    git(checkout, "tag", "v1.0.1")
    assert refusal(checkout) == "the tag v1.0.1 is on this commit, but the version is 1.0.0"


def test_a_folder_that_is_no_clone_is_refused(tmp_path: Path) -> None:
    write_versions(tmp_path)
    assert "is not the top of a git clone" in refusal(tmp_path)


@pytest.mark.parametrize("address", ["", PLACEHOLDER, "forge.example/usbrh", "https://forge.example/owner/usbrh/"])
def test_a_release_needs_the_address_of_the_repository(checkout: Path, address: str) -> None:
    assert refusal(checkout, address).startswith("REPOSITORY is not set; make release REPOSITORY=")


def test_the_placeholder_is_replaced_everywhere(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f'Source = "{PLACEHOLDER}"\nIssues = "{PLACEHOLDER}/issues"\n')
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff")
    substitute(tmp_path, URL)
    assert (tmp_path / "pyproject.toml").read_text() == f'Source = "{URL}"\nIssues = "{URL}/issues"\n'
    assert (tmp_path / "picture.png").read_bytes() == b"\x89PNG\xff"


def test_another_spelling_of_the_placeholder_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PLACEHOLDER.replace("https", "http"))
    with pytest.raises(ReleaseError, match=r"page\.md still has repository\.invalid"):
        substitute(tmp_path, URL)


def test_the_placeholder_is_spelled_in_one_way_in_this_repository(tmp_path: Path) -> None:
    """Files that are not committed yet are in the copy too."""
    if not is_checkout(TOP):
        pytest.skip("this is not a git clone")
    files = git(TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in files:
        if name and (TOP / name).is_file():
            copy = tmp_path / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((TOP / name).read_bytes())
    substitute(tmp_path, URL)
    assert f'Homepage = "{URL}"' in (tmp_path / "pyproject.toml").read_text()


def test_links_of_the_readme_are_absolute_on_a_package_index() -> None:
    text = "![A](docs/a.png) [b](docs/b.md#c) [d](#e) [f](https://f.example/) [日本語](README.ja.md)"
    assert absolute_links(text, URL, "1.0.0") == (
        f"![A]({URL}/raw/v1.0.0/docs/a.png) [b]({URL}/blob/v1.0.0/docs/b.md#c) [d](#e) [f](https://f.example/)"
        f" [日本語]({URL}/blob/v1.0.0/README.ja.md)"
    )
    readme = absolute_links((TOP / "README.md").read_text(encoding="utf-8"), URL, "1.0.0")
    assert "](docs/" not in readme
    assert f"]({URL}/raw/v1.0.0/docs/images/zabbix-dashboard.png)" in readme


def test_the_export_is_the_last_commit(checkout: Path, tmp_path: Path) -> None:
    (checkout / "ignored").touch()
    export(checkout, tmp_path / "work/source")
    assert sorted(path.name for path in (tmp_path / "work/source").iterdir()) == ["CHANGELOG.md", "debian", "usbrh"]


def test_an_archive_does_not_depend_on_times_modes_and_owners(tmp_path: Path) -> None:
    archives = []
    for number in (1, 2):
        folder = tmp_path / f"site{number}"
        (folder / "ja").mkdir(parents=True)
        for name in ("b.html", "a.html") if number == 1 else ("a.html", "b.html"):
            (folder / "ja" / name).write_text(name)
            (folder / "ja" / name).chmod(0o600 + number)
            os.utime(folder / "ja" / name, (number, number))
        pack(folder, tmp_path / f"{number}.tar.gz", "site-1.0.0", 1_800_000_000)
        archives.append((tmp_path / f"{number}.tar.gz").read_bytes())
    assert archives[0] == archives[1]
    listing = subprocess.run(["tar", "tf", tmp_path / "1.tar.gz"], check=True, capture_output=True, text=True).stdout
    assert listing.split() == ["site-1.0.0/", "site-1.0.0/ja/", "site-1.0.0/ja/a.html", "site-1.0.0/ja/b.html"]


def test_sha256sum_accepts_the_sums(tmp_path: Path) -> None:
    (tmp_path / "usbrh-1.0.0.tar.gz").write_bytes(b"a")
    (tmp_path / "usbrh_1.0.0_all.deb").write_bytes(b"b")
    write_sums(tmp_path)
    checked = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    output = subprocess.run(checked, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert output == "usbrh-1.0.0.tar.gz: OK\nusbrh_1.0.0_all.deb: OK\n"
