"""What a machine needs to run a real Zabbix of a release, and how to run a program of that release.

Standard library only: `make test-zabbix-deps` runs this with the system's own Python.
"""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "usbrh-tests"
"""Survives between test sessions: root directories, loaded databases. May be removed at any time."""

PREPARE = "sudo make test-zabbix-deps"

PACKAGES = (
    "php-cgi",  # named first: "php" is satisfied with it, and brings no web server
    "postgresql",
    "zabbix-server-pgsql",  # zabbix_get too
    "zabbix-agent",
    "zabbix-agent2",
    "zabbix-frontend-php",
    "php-cli",
    "php-pgsql",
    "php-mbstring",
    "php-gd",
    "php-xml",
    "php-bcmath",
    "fonts-dejavu-core",
    "locales",
    "python3-click",  # the agents' commands run by the release's own Python
    "python3-usb",
)


@dataclass(frozen=True)
class Release:
    """One release of Zabbix, in the Debian that has it."""

    name: str
    suite: str
    packages: tuple[str, ...]

    @property
    def cache(self) -> Path:
        return CACHE / self.name

    @property
    def root(self) -> Path:
        """Where its packages are: the machine itself if that is this Debian, or a root directory of its own."""
        return Path("/") if codename() == self.suite else self.cache / "root"

    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return missing_packages(self.packages, self.root)

    def package_version(self, package: str) -> str:
        """The installed version of ``package``."""
        query = [f"--admindir={self.root}/var/lib/dpkg", "-W", "-f", "${Version}", package]
        return subprocess.run(["dpkg-query", *query], capture_output=True, text=True, check=True).stdout

    @property
    def proxy(self) -> Path:
        """zabbix_proxy, unpacked: its package and the server's can't be installed together, both bring zabbix_get."""
        return self.cache / "proxy" / "usr" / "sbin" / "zabbix_proxy"

    def loaded_database(self) -> Path:
        """Where a PostgreSQL cluster with Zabbix's schema and first data is kept."""
        words = self.package_version("zabbix-server-pgsql"), self.package_version("postgresql")
        return self.cache / "-".join(["postgres", *("".join(c if c.isalnum() else "_" for c in w) for w in words)])

    def command(
        self, arguments: list[str], user: str, visible: tuple[Path, ...] = (), etc: Path | None = None
    ) -> list[str]:
        """The command line that runs ``arguments`` as ``user`` with this release's programs.

        ``visible`` directories are seen there under their own names; ``etc`` stands for /etc/zabbix (Debian's front
        end reads its configuration nowhere else). The mounts are the process's own: nothing is left to undo.
        """
        mounts = []
        if self.root != Path("/"):
            for directory in (Path("/dev"), Path("/proc"), Path("/sys"), *visible):
                inside = self.root / directory.relative_to("/")
                mounts += [f"mkdir -p '{inside}'", f"mount --rbind '{directory}' '{inside}'"]
        if etc:
            mounts.append(f"mount --bind '{etc}' '{self.root / 'etc/zabbix'}'")
        script = "\n".join([*mounts, f"exec chroot '{self.root}' " + '"$@"'])
        # Told to end when the tests are killed and can't do it themselves.
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--pdeathsig=TERM"]
        return ["unshare", "--mount", "sh", "-euc", script, "-", *who, "env", "-C", "/", *arguments]


ZABBIX_60 = Release("6.0", "bookworm", PACKAGES)
ZABBIX_70 = Release("7.0", "trixie", (*PACKAGES, "zabbix-sender"))
RELEASES = (ZABBIX_60, ZABBIX_70)


def codename() -> str:
    """The Debian release of this machine, such as ``bookworm``."""
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        return ""


def missing_packages(packages: tuple[str, ...], root: Path = Path("/")) -> list[str]:
    """Those of ``packages`` that are not installed below ``root``."""
    query = [f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages]
    answer = subprocess.run(["dpkg-query", *query], capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in answer.splitlines() if line.endswith(" installed")}
    return [package for package in packages if package not in installed]


def why_not(release: Release) -> str | None:
    """Why this release can't be run here, in one line; None if it can."""
    if not shutil.which("dpkg-query") or not shutil.which("unshare"):
        return f"Zabbix {release.name} is run from Debian packages, and this is no Debian"
    if os.geteuid() != 0:
        return (
            f"Zabbix {release.name} needs root, since its daemons run as users of their own: {PREPARE}, sudo make test"
        )
    if release.missing():
        return f"the packages of Zabbix {release.name} are not installed: {PREPARE}"
    return None
