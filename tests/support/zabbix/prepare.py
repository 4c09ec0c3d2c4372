"""`make test-zabbix-deps`: get what tests/zabbix needs. Run as root; says what it does; may be run again.

Zabbix 6.0 comes from the packages of Debian 12, Zabbix 7.0 from those of Debian 13. The one that is not this
machine's Debian gets its own root directory in the cache, and nothing of it is installed here.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.zabbix.database import load
from tests.support.zabbix.machine import CACHE, PREPARE, RELEASES, ZABBIX_70, Release, codename, missing_packages

BROWSER = ("chromium", "fonts-ipafont-gothic")  # the font for Japanese
TLS = ("openssl", "gcc", "libc6-dev", "libssl-dev", "python3-dev")  # makes certificates; builds the extra usbrh[psk]
POLICY = Path("/usr/sbin/policy-rc.d")


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def apt_get(*arguments: str) -> bool:
    """Run apt-get and return whether it succeeded."""
    command = ["apt-get", "-y", "-qq", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=300", *arguments]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=quiet, stdin=subprocess.DEVNULL, check=False).returncode == 0


@contextmanager
def daemons_not_started() -> Iterator[None]:
    """Disable the start scripts of packages meanwhile. Their services would listen on every address of the machine."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def install(packages: list[str]) -> None:
    say(f"installing with apt-get: {' '.join(packages)}")
    with daemons_not_started():
        arguments = ["install", "--no-install-recommends", *packages]
        if not apt_get(*arguments) and not (apt_get("update") and apt_get(*arguments)):
            sys.exit("apt-get install failed, see above")


def sources(suite: str) -> str:
    """Return the Debian sources of this machine with another suite, so the same mirror is used."""
    form = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    ask = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    ours = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.splitlines()
    if not ours and apt_get("update"):  # on a new machine apt has no lists before its first update
        ours = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.splitlines()
    lines = {
        " ".join([*words[:2], words[2].replace(codename(), suite), *words[3:]])
        for words in map(str.split, ours)
        if words[2].split("-")[0] == codename()
    }
    if not lines:
        sys.exit("apt knows no Debian mirror; see /etc/apt/sources.list and /etc/apt/sources.list.d")
    return "\n".join(sorted(lines))


def make_root(release: Release) -> None:
    """Create a root directory with that Debian and the packages of the release."""
    say(f"making a Debian {release.suite} root directory with Zabbix {release.name} in {release.root} (1 to 2 minutes)")
    shutil.rmtree(release.root, ignore_errors=True)
    new = release.root.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.parent.mkdir(parents=True, exist_ok=True)
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=apt", "--dpkgopt=force-unsafe-io",
               "--include=" + ",".join(release.packages), release.suite, str(new), "-"]  # fmt: skip
    done = subprocess.run(command, input=sources(release.suite), text=True, check=False)
    if done.returncode:
        shutil.rmtree(new, ignore_errors=True)
        sys.exit("mmdebstrap failed, see above")
    new.rename(release.root)


def unpack_proxy(release: Release) -> None:
    """Unpack the program of a proxy without installing its package."""
    say(f"unpacking zabbix-proxy-sqlite3 of Zabbix {release.name}")
    new = release.cache / "proxy.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    script = "cd $0; get() { apt-get -qq -o APT::Sandbox::User=root download zabbix-proxy-sqlite3; }; "
    script += "get 2>/dev/null || { apt-get -qq update && get; }; dpkg-deb -x zabbix-proxy-sqlite3_*.deb .; rm ./*.deb"
    done = subprocess.run(release.command(["sh", "-euc", script, str(new)], "root", (new,)), check=False)
    if done.returncode:
        sys.exit("apt-get download failed, see above")
    new.rename(new.with_name("proxy"))


def main() -> None:
    if os.geteuid() != 0:
        sys.exit(f"this installs packages: {PREPARE}")
    if not shutil.which("apt-get"):
        sys.exit("Zabbix is taken from Debian's packages, and this machine has no apt-get")
    begun = time.monotonic()
    say(f"what the tests with a real Zabbix need; kept in {CACHE}")
    native = [package for release in RELEASES if release.root == Path("/") for package in release.missing()]
    native += missing_packages(BROWSER + TLS)
    if any(release.root != Path("/") for release in RELEASES):
        native += missing_packages(("mmdebstrap",))
    if native:
        install(native)
    for release in RELEASES:
        if release.root != Path("/") and release.missing():
            make_root(release)
        if release is ZABBIX_70 and not release.proxy.is_file():  # the first release with proxy groups
            unpack_proxy(release)
        if not release.loaded_database().is_dir():
            say(f"Zabbix {release.name}: loading its database once, to be copied by each test session")
            load(release)
        say(f"Zabbix {release.name} is ready: {release.package_version('zabbix-server-pgsql')}")
    say(f"done in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
