"""The quick tests with the Python of Debian 13, in the root directory that has Debian 13's Zabbix."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.zabbix.machine import ZABBIX_70, why_not

TOP = Path(__file__).parents[2]
WHEELS = ZABBIX_70.cache / "wheels"
# The checkout is this one, always as /mnt: its .venv stays in that root directory and refers to it. The tests wait
# a lot, so they run in three processes.
RUN = """
mkdir -p /venv
mount --bind "$0" /mnt
cd /mnt
mount --bind /venv .venv
make PYTHON=/usr/bin/python3 .venv/tests-installed
exec .venv/bin/python -m pytest --numprocesses 3 --dist loadscope tests/unit tests/simulated
"""


def download() -> None:
    """Download the packages, if their list has changed since the last time."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = repr((project["dependencies"], project["optional-dependencies"]["test"]))
    done = WHEELS / "wanted"
    if done.exists() and done.read_text(encoding="utf-8") == wanted:
        return
    # The pip of this machine downloads them: it knows the index, the proxy and the certificates.
    version = ("--python-version", "3.13", "--only-binary", ":all:")
    command = [sys.executable, "-m", "pip", "download", "-q", "-d", str(WHEELS), *version, ".[test]", "editables"]
    subprocess.run(command, cwd=TOP, check=True, timeout=300)
    done.write_text(wanted, encoding="utf-8")


def test_the_quick_tests_pass() -> None:
    if reason := why_not(ZABBIX_70):
        pytest.skip(reason)
    download()
    ask = ["git", "rev-parse", "--path-format=absolute", "--git-common-dir"]  # elsewhere in a work tree
    repository = Path(subprocess.check_output(ask, cwd=TOP, text=True).strip())
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PIP"))}
    environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(
        ZABBIX_70.command(["sh", "-euc", RUN, str(TOP)], "root", (TOP, repository, WHEELS)),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout.splitlines()[-1:]
