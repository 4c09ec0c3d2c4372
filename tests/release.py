"""`make test-release`: a release built twice, in two clean clones, gives the same files; and the wheel works.

By hand, because each clone installs its own tools from a package index, which takes minutes. The second clone has
another path, time zone, language and umask. Nothing outside of a temporary folder changes.
"""

import filecmp
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

from tests.support.repository import commit, git
from tools.release import CHANGELOG, PLACEHOLDER, versions
from tools.version import TOP

URL = "https://forge.example/owner/usbrh"
SECONDS = 900


def clone(folder: Path) -> None:
    """Clone this repository, and give CHANGELOG.md and debian/changelog the version of the package."""
    git(folder.parent, "clone", "--quiet", "--no-hardlinks", str(TOP), str(folder))
    found = versions(folder)
    version = found["usbrh/__init__.py"]
    for name, heading in ((CHANGELOG, r"(?m)^## .*$"), ("debian/changelog", r"(?<=^usbrh \()[^)]+")):
        if found[name] != version:
            path = folder / name
            new = f"## [{version}] - 2026-12-01" if name == CHANGELOG else version
            path.write_text(re.sub(heading, new, path.read_text(encoding="utf-8"), count=1), encoding="utf-8")
    if git(folder, "status", "--porcelain"):
        commit(folder, f"Release {version}")


def build(folder: Path, environment: dict[str, str], umask: int) -> Path:
    """Run `make release` in a clone, and return dist/."""
    begun = time.monotonic()
    done = subprocess.run(
        ["make", "release", f"REPOSITORY={URL}"], cwd=folder, env=os.environ | environment, umask=umask,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    print(f"{folder.name}: built in {time.monotonic() - begun:.0f} s", flush=True)
    return folder / "dist"


def compare(first: Path, second: Path) -> None:
    """Both folders have the same files, and SHA256SUMS is right."""
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    for pattern in ("*.whl", "usbrh-[0-9]*.tar.gz", "usbrh-site-*.tar.gz", "*.deb", "SHA256SUMS"):
        assert len(list(first.glob(pattern))) == 1, f"{pattern}: {names}"
    assert len(names) == 5, names
    same, different, missing = filecmp.cmpfiles(first, second, names, shallow=False)
    assert (different, missing) == ([], []), f"not the same: {different}, missing: {missing}"
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=second, check=True)
    print(f"the same: {', '.join(same)}")


def contents(dist: Path) -> None:
    """No file has the placeholder, and links of the project's description are absolute."""
    host = PLACEHOLDER.split("/")[2].encode()
    for path in dist.glob("*.tar.gz"):
        with tarfile.open(path) as archive:
            files = {entry.name: archive.extractfile(entry) for entry in archive if entry.isfile()}
            assert not [name for name, file in files.items() if file and host in file.read()]
    [wheel] = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if host in archive.read(name)]
        [metadata] = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")]
    assert f"Project-URL: Source, {URL}\n" in metadata
    assert not re.search(r"\]\((?!https?:|#)", metadata)
    [package] = dist.glob("*.deb")
    fields = subprocess.run(["dpkg-deb", "--field", str(package)], check=True, capture_output=True, text=True).stdout
    assert f"Homepage: {URL}\n" in fields
    print("the placeholder is in no file")


def use(dist: Path, folder: Path) -> None:
    """The wheel, and the source archive, install and run."""
    for archive in [*dist.glob("*.whl"), *(path for path in dist.glob("*.tar.gz") if "site" not in path.name)]:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "--quiet", str(archive)], check=True)
        command = [str(folder / "bin/usbrh"), "--version"]
        print(f"{archive.name}: {subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()}")


def main() -> None:
    """Build twice, and compare."""
    with tempfile.TemporaryDirectory(prefix="usbrh-release-") as name:
        first, second = Path(name) / "first", Path(name) / "another/path"
        second.parent.mkdir()
        clone(first)
        git(second.parent, "clone", "--quiet", "--no-hardlinks", str(first), str(second))
        dist = build(first, {}, 0o022)
        time.sleep(2)  # another second on every file that has the time of the build
        again = build(second, {"TZ": "Asia/Tokyo", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "1"}, 0o027)
        compare(dist, again)
        contents(dist)
        use(dist, Path(name) / "venv")
        print("ok: the two builds are the same")


if __name__ == "__main__":
    main()
