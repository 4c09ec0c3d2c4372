"""The quick tests with the Python of Debian 13, in the root directory that has Debian 13's Zabbix."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.zabbix.machine import ZABBIX_70, why_not

TOP = Path(__file__).parents[2]
WHEELS = ZABBIX_70.cache / "wheels"
# The checkout is this one, except for .venv, which is in memory and ends with the process. The tests mostly wait, so
# two processes finish in half the time.
RUN = """
cd "$0"
mount -t tmpfs tmpfs .venv
make PYTHON=/usr/bin/python3 .venv/tests-installed
exec .venv/bin/python -m pytest --numprocesses 2 --dist loadscope tests/unit tests/simulated
"""


def test_the_quick_tests_pass() -> None:
    if reason := why_not(ZABBIX_70):
        pytest.skip(reason)
    # The pip of this machine downloads the packages: it knows the index, the proxy and the certificates.
    version = ("--python-version", "3.13", "--only-binary", ":all:")
    download = [sys.executable, "-m", "pip", "download", "-q", "-d", str(WHEELS), *version, ".[test]", "editables"]
    subprocess.run(download, cwd=TOP, check=True, timeout=300)
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
