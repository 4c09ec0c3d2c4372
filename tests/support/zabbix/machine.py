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
"""Root directories and loaded databases that later test sessions use again. May be removed at any time."""

PREPARE = "sudo make test-zabbix-deps"

PACKAGES = (
    "php-cgi",  # named first: it satisfies "php", which then installs no web server
    "postgresql",
    "pgbouncer",
    "zabbix-server-pgsql",  # also has zabbix_get
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
    "python3-click",  # for the agents' commands, which the release's Python runs
    "python3-usb",
)


@dataclass(frozen=True)
class Release:
    """One release of Zabbix, and the Debian release that has it."""

    name: str
    suite: str
    packages: tuple[str, ...]

    @property
    def cache(self) -> Path:
        return CACHE / self.name

    @property
    def root(self) -> Path:
        """Where the packages are: this machine if it is that Debian, otherwise a separate root directory."""
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
        """zabbix_proxy, unpacked. Its package conflicts with that of the server: both contain zabbix_get."""
        return self.cache / "proxy" / "usr" / "sbin" / "zabbix_proxy"

    def loaded_database(self) -> Path:
        """Return the folder of a PostgreSQL cluster with the schema and initial data of Zabbix."""
        words = self.package_version("zabbix-server-pgsql"), self.package_version("postgresql")
        return self.cache / "-".join(["postgres", *("".join(c if c.isalnum() else "_" for c in w) for w in words)])

    def command(
        self, arguments: list[str], user: str, visible: tuple[Path, ...] = (), etc: Path | None = None
    ) -> list[str]:
        """Return the command line that runs ``arguments`` as ``user`` with the programs of this release.

        ``visible`` directories are seen there under their own names; ``etc`` stands for /etc/zabbix (Debian's front
        end reads its configuration nowhere else). The mounts are the process's own: nothing is left to undo.
        """
        mounts = []
        if self.root != Path("/"):
            mounts.append(f"mount --bind '{self.root}' '{self.root}'")
            for directory in (Path("/dev"), Path("/proc"), Path("/sys"), *visible):
                inside = self.root / directory.relative_to("/")
                mounts += [f"mkdir -p '{inside}'", f"mount --rbind '{directory}' '{inside}'"]
        if etc:
            mounts.append(f"mount --bind '{etc}' '{self.root / 'etc/zabbix'}'")
        if self.root != Path("/"):  # not chroot: programs below could make no own namespaces
            mounts += [f"cd '{self.root}'", "pivot_root . mnt", "umount --lazy /mnt"]
        script = "\n".join([*mounts, 'exec "$@"'])
        # The kernel ends it if the tests are killed.
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--pdeathsig=TERM"]
        return ["unshare", "--mount", "sh", "-euc", script, "-", *who, "env", "-C", "/", *arguments]


ZABBIX_60 = Release("6.0", "bookworm", PACKAGES)
FOR_THE_QUICK_TESTS = ("git", "make", "mount", "python3-venv", "zsh", "fish")
ZABBIX_70 = Release("7.0", "trixie", (*PACKAGES, "zabbix-sender", *FOR_THE_QUICK_TESTS))
RELEASES = (ZABBIX_60, ZABBIX_70)


def codename() -> str:
    """Return the Debian release of this machine, such as ``bookworm``."""
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        return ""


def missing_packages(packages: tuple[str, ...], root: Path = Path("/")) -> list[str]:
    """Return those of ``packages`` that are not installed below ``root``."""
    query = [f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages]
    answer = subprocess.run(["dpkg-query", *query], capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in answer.splitlines() if line.endswith(" installed")}
    return [package for package in packages if package not in installed]


def why_not(release: Release) -> str | None:
    """Return why this release can't run here, in one line; None if it can."""
    if not shutil.which("dpkg-query") or not shutil.which("unshare"):
        return f"Zabbix {release.name} is run from Debian packages, and this is no Debian"
    if os.geteuid() != 0:
        return f"Zabbix {release.name} needs root, since its daemons run as their own users: {PREPARE}, sudo make test"
    if release.missing():
        return f"the packages of Zabbix {release.name} are not installed: {PREPARE}"
    return None
