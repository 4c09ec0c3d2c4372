"""Builds the files of a release in dist/: source archive, wheel, Debian package, site, checksums.

make release REPOSITORY=https://github.com/OWNER/usbrh

Everything is built from the last commit, never from the work tree: two builds of a commit with the same tools give the
same files. All times in them are the time of that commit (SOURCE_DATE_EPOCH).
"""

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from datetime import datetime, timedelta
from pathlib import Path

from tools.version import TOP, git, git_command, is_checkout, released

PLACEHOLDER = "https://repository.invalid/usbrh"
"""Stands for the address of the public repository in every file of this repository. A release replaces it."""
DEBIAN = "bookworm"
"""The Debian release that builds the package. A package built on Debian 12 installs on Debian 13 too."""
CHANGELOG = "CHANGELOG.md"
BUILT = "usbrh/walltime.py"
"""The file with the date: usbrh does not trust a system clock that is earlier."""
BUILT_DAYS = 180


class ReleaseError(Exception):
    """A reason not to release, in one line."""


def versions(top: Path) -> dict[str, str]:
    """Return the version that each of the three files names, by file. A file without a version has "none"."""
    changelog = (top / CHANGELOG).read_text(encoding="utf-8")
    debian = (top / "debian/changelog").read_text(encoding="utf-8")
    newest = re.search(r"^## \[?([^\]\s]+)", changelog, re.MULTILINE)
    entry = re.match(r"usbrh \((\S+)\)", debian)
    return {
        "usbrh/__init__.py": released(top),
        CHANGELOG: newest[1] if newest else "none",
        "debian/changelog": entry[1] if entry else "none",
    }


def check(top: Path, repository: str) -> str:
    """Return the version to release.

    Args:
        top: the checkout.
        repository: the address of the public repository.

    Raises:
        ReleaseError: the checkout can't be released as it is.
    """
    if not re.fullmatch(r"https://[^\s/]+/\S*[^\s/]", repository) or ".invalid/" in repository:
        raise ReleaseError("REPOSITORY is not set; make release REPOSITORY=https://github.com/OWNER/usbrh")
    if not is_checkout(top):
        raise ReleaseError(f"{top} is not the top of a git clone; releases are built from a clone")
    if changes := git(top, "status", "--porcelain").splitlines():
        name = changes[0].split(maxsplit=1)[1]
        raise ReleaseError(f"the work tree is dirty ({len(changes)} changes, first {name}); commit or remove them")
    found = versions(top)
    if len(set(found.values())) != 1:
        raise ReleaseError("the versions differ: " + ", ".join(f"{name} has {value}" for name, value in found.items()))
    version = found[CHANGELOG]
    tags = [tag for tag in git(top, "tag", "--points-at", "HEAD").splitlines() if tag.startswith("v")]
    if tags and f"v{version}" not in tags:
        raise ReleaseError(f"the tag {tags[0]} is on this commit, but the version is {version}")
    built = re.search(r'^BUILT = "(\S+)"$', (top / BUILT).read_text(encoding="utf-8"), re.MULTILINE)
    committed = datetime.fromisoformat(git(top, "log", "-1", "--format=%cI"))
    age = committed - datetime.fromisoformat(f"{built[1] if built else '1970-01-01'}T00:00:00+00:00")
    if not timedelta() <= age <= timedelta(days=BUILT_DAYS):
        raise ReleaseError(f"BUILT in {BUILT} is not from the {BUILT_DAYS} days before the commit; set it")
    return version


def check_tools() -> None:
    """Check that this machine can build the Debian package.

    Raises:
        ReleaseError: it is not Debian 12, or build tools are missing.
    """
    system = dict(re.findall(r'^(\w+)="?(.*?)"?$', Path("/etc/os-release").read_text(encoding="utf-8"), re.MULTILINE))
    if system.get("VERSION_CODENAME") != DEBIAN:
        name = system.get("PRETTY_NAME", "another system")
        raise ReleaseError(f"the Debian package is built on Debian 12, and this is {name}")
    if not shutil.which("dpkg-buildpackage") or not shutil.which("dh"):
        raise ReleaseError("build tools are missing; sudo apt install build-essential && sudo apt build-dep .")


def export(top: Path, folder: Path) -> None:
    """Unpack the last commit of ``top`` into the new ``folder``. All files have the time of the commit."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = folder.parent / "source.tar"
    _run(git_command(top, "-c", "tar.umask=022", "archive", f"--output={archive}", "HEAD"), top)
    _run(["tar", "--extract", "--no-same-owner", f"--file={archive}"], folder)


def substitute(folder: Path, repository: str) -> None:
    """Replace the placeholder in every file below ``folder``, and check that none is left.

    Raises:
        ReleaseError: a file still has the name of the placeholder's host, for example in another spelling.
    """
    host = PLACEHOLDER.split("/")[2].encode()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        before = path.read_bytes()
        after = before.replace(PLACEHOLDER.encode(), repository.encode())
        if after != before:
            path.write_bytes(after)
        if host in after:
            raise ReleaseError(f"{path.relative_to(folder)} still has {host.decode()}")


def absolute_links(readme: str, repository: str, version: str) -> str:
    """Return README.md with absolute links: a package index shows the text, but does not have the other files.

    The addresses have the form of GitHub's: ``/raw/`` for pictures and ``/blob/`` for pages, both at the tag.
    """
    for start, kind in ((r"!\[[^\]]*\]\(", "raw"), (r"(?<!!)\[[^\]]*\]\(", "blob")):
        readme = re.sub(rf"({start})(?!https?:|#)([^)\s]+)", rf"\1{repository}/{kind}/v{version}/\2", readme)
    return readme


def build_python(source: Path, output: Path) -> None:
    """Build the source archive, and the wheel from it."""
    # Without isolation: the pinned hatchling of the extra "release" builds, and nothing is fetched.
    _run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output)], source)


def build_deb(source: Path, output: Path) -> None:
    """Build the Debian package."""
    copy = source.parent / "deb" / "usbrh"
    shutil.rmtree(copy.parent, ignore_errors=True)
    shutil.copytree(source, copy)
    # Debian's Python, not that of .venv.
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    _run(["dpkg-buildpackage", "--no-sign", "--build=binary"], copy, path)
    [package] = copy.parent.glob("usbrh_*_all.deb")
    shutil.copy(package, output)


def build_site(source: Path, output: Path, version: str, seconds: int) -> None:
    """Build the site, and pack it as ``usbrh-site-VERSION.tar.gz``."""
    _run([sys.executable, "-m", "tools.site"], source)
    pack(source / "build/site", output / f"usbrh-site-{version}.tar.gz", f"usbrh-site-{version}", seconds)


def pack(folder: Path, archive: Path, name: str, seconds: int) -> None:
    """Write ``folder`` as ``name`` into a tar archive that depends on nothing but names, contents and ``seconds``."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = seconds
        entry.mode = 0o755 if entry.isdir() else 0o644
        return entry

    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=seconds) as packed,
        tarfile.open(fileobj=packed, mode="w") as files,
    ):
        for path in [folder, *sorted(folder.rglob("*"))]:
            files.add(path, str(Path(name) / path.relative_to(folder)), recursive=False, filter=plain)


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS, as ``sha256sum --check`` reads it."""
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def release(top: Path, repository: str) -> list[Path]:
    """Build the release of the checkout ``top``, and return the files in ``top/dist``.

    Raises:
        ReleaseError: the checkout can't be released, or this machine can't build it.
    """
    version = check(top, repository)
    check_tools()
    seconds = int(git(top, "log", "-1", "--format=%ct"))
    work = top / "build/release"
    shutil.rmtree(work, ignore_errors=True)
    source, output = work / "source", work / "dist"
    export(top, source)
    substitute(source, repository)
    readme = source / "README.md"
    readme.write_text(absolute_links(readme.read_text(encoding="utf-8"), repository, version), encoding="utf-8")
    output.mkdir()
    os.environ.update(SOURCE_DATE_EPOCH=str(seconds), TZ="UTC", LC_ALL="C.UTF-8", PYTHONDONTWRITEBYTECODE="1")
    os.umask(0o022)
    build_deb(source, output)
    build_python(source, output)
    build_site(source, output, version, seconds)
    write_sums(output)
    dist = top / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    shutil.move(output, dist)
    return sorted(dist.iterdir())


def _run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    """Run a build step. Show its output only if it fails."""
    done = subprocess.run(
        command, cwd=folder, env=os.environ | (environment or {}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(done.stdout, end="", file=sys.stderr)
        raise ReleaseError(f"{' '.join(command)} failed with exit status {done.returncode}")


def main() -> None:
    """Release, or print one line with the reason why not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repository", default="", help="address of the public repository, without a slash at its end")
    arguments = parser.parse_args()
    try:
        files = release(TOP, arguments.repository)
    except ReleaseError as error:
        sys.exit(f"release: {error}")
    for path in files:
        print(f"{path.relative_to(TOP)}  {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
