"""How usbrh was installed, and the command that adds a library to this installation."""

import os
import shlex
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

DEBIAN = Path("/usr/lib/python3/dist-packages")
"""The module folder of Debian packages. pip must not change Debian's Python (PEP 668)."""


def by_debian() -> bool:
    """Return whether Debian's own Python runs usbrh, rather than a virtual environment."""
    return sys.prefix == "/usr" and DEBIAN.is_dir()


def install_command(library: str) -> str:
    """Return the command that installs ``library``, a name on PyPI, for this usbrh.

    The command names the library and not an extra of usbrh, because pipx and uv would then look for usbrh on PyPI.
    pipx and uv are recognised by a file that they keep at the top of their virtual environments.
    """
    if by_debian():
        return f"sudo apt install python3-{library}"
    prefix = Path(sys.prefix)
    if _is_file(prefix / "pipx_metadata.json"):
        return f"pipx inject {shlex.quote(prefix.name)} {library}"
    python = shlex.quote(sys.executable)
    sudo = "" if os.access(sysconfig.get_path("purelib"), os.W_OK) else "sudo "
    if _is_file(prefix / "uv-receipt.toml") or not find_spec("pip"):
        return f"{sudo}uv pip install --python {python} {library}"
    return f"{sudo}{python} -m pip install {library}"


def _is_file(path: Path) -> bool:
    """Return whether ``path`` is a file; False also if this user can't see it, for which pathlib raises an error."""
    return os.path.isfile(path)  # noqa: PTH113
