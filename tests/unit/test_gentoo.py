"""The Gentoo overlay in gentoo/, without Gentoo: bash reads each ebuild, with substitutes for the eclasses.

What only Gentoo can show, the build and the installation, is not tested.
"""

import hashlib
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
OVERLAY = TOP / "gentoo"
EBUILDS = sorted(OVERLAY.rglob("*.ebuild"))
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SUBSTITUTES = r"""
set -eu
inherit() { :; }
python_gen_cond_dep() { echo "$1"; }
acct-user_add_deps() { :; }
distutils-r1_python_install_all() { :; }
insinto() { into=$1; }
installed() { [ -f "$1" ] || { echo "no file $1" >&2; exit 1; }; echo "$2"; }
udev_dorules() { installed "$1" "/lib/udev/rules.d/${1##*/}"; }
newinitd() { installed "$1" "/etc/init.d/$2"; }
newconfd() { installed "$1" "/etc/conf.d/$2"; }
systemd_dounit() { for each; do installed "$each" "/usr/lib/systemd/system/${each##*/}"; done; }
dotmpfiles() { installed "$1" "/usr/lib/tmpfiles.d/${1##*/}"; }
doins() { installed "$1" "$into/${1##*/}"; }
PYTHON_USEDEP=usedep
"""


def bash(ebuild: Path, command: str) -> str:
    """What ``command`` prints after ``ebuild`` has been read."""
    name, _, version = ebuild.stem.rpartition("-")
    variables = f"PN={name}\nPV={version}\nP={ebuild.stem}\n"
    done = subprocess.run(
        ["bash", "-c", f"{SUBSTITUTES}{variables}source '{ebuild}'\n{command}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=TOP,
        timeout=10,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(autouse=True)
def has_bash() -> None:
    if not shutil.which("bash"):
        pytest.skip("bash is not installed: sudo apt install bash")


@pytest.mark.parametrize("ebuild", EBUILDS, ids=lambda path: path.stem)
def test_bash_reads_each_ebuild(ebuild: Path) -> None:
    assert bash(ebuild, 'echo "$EAPI"') == "8\n"
    assert (ebuild.parent / "metadata.xml").is_file()


def ebuild_of_usbrh() -> Path:
    [ebuild] = (OVERLAY / "net-analyzer" / "usbrh").glob("*.ebuild")
    return ebuild


def test_the_dependencies_are_those_of_the_package() -> None:
    depends = bash(ebuild_of_usbrh(), 'echo "$RDEPEND"')
    always = {re.split(r"[>=<]", each)[0].lower() for each in PROJECT["dependencies"]}
    assert set(re.findall(r"^\tdev-python/(\w+)", depends, re.MULTILINE)) == always
    flags = dict(re.findall(r"(\w+)\? \( .*?dev-python/(\w+)", depends))
    extras = PROJECT["optional-dependencies"]
    assert flags == {name: re.split(r"[>=<]", extras[name][0])[0] for name in ("plot", "psk", "watch")}
    assert bash(ebuild_of_usbrh(), 'echo "$IUSE"').split() == sorted(flags)


def test_the_files_that_it_installs_exist() -> None:
    assert set(bash(ebuild_of_usbrh(), "python_install_all").split()) == {
        "/lib/udev/rules.d/70-usbrh.rules",
        "/etc/init.d/usbrh",
        "/etc/conf.d/usbrh",
        "/usr/lib/systemd/system/usbrh.service",
        "/usr/lib/systemd/system/usbrh-send.service",
        "/usr/lib/systemd/system/usbrh-send.timer",
        "/usr/lib/tmpfiles.d/usbrh.conf",
        "/etc/usbrh/usbrh.toml",
    }


def test_the_manifests_are_whole() -> None:
    for manifest in OVERLAY.rglob("Manifest"):
        kind, name, size, *digests = manifest.read_text(encoding="utf-8").split()
        assert kind == "DIST"
        assert any(name == f"{ebuild.stem}.tar.gz" for ebuild in manifest.parent.glob("*.ebuild"))
        assert int(size) > 0
        assert [(digests[0], len(digests[1])), (digests[2], len(digests[3]))] == [
            ("BLAKE2B", 2 * hashlib.blake2b().digest_size),
            ("SHA512", 2 * hashlib.sha512().digest_size),
        ]
