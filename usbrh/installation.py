"""How this usbrh was installed, and so which command adds a library to it."""

import os
import shlex
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

DEBIAN = Path("/usr/lib/python3/dist-packages")
"""Where Debian's packages have their modules. Its Python is not pip's to change (PEP 668)."""


def by_debian() -> bool:
    """Whether the Python that runs is Debian's own, and no venv made with it."""
    return sys.prefix == "/usr" and DEBIAN.is_dir()


def install_command(library: str) -> str:
    """What to type so that this ``usbrh`` finds ``library``, by the name it has at PyPI.

    It names the library and not an extra of usbrh: pipx and uv would look for usbrh itself again, and not find it
    where it came from. pipx and uv are known by the file that each keeps at the top of its venv.
    """
    if by_debian():
        return f"sudo apt install python3-{library}"
    prefix = Path(sys.prefix)
    if (prefix / "pipx_metadata.json").is_file():
        return f"pipx inject {shlex.quote(prefix.name)} {library}"
    python = shlex.quote(sys.executable)
    sudo = "" if os.access(sysconfig.get_path("purelib"), os.W_OK) else "sudo "
    if (prefix / "uv-receipt.toml").is_file() or not find_spec("pip"):
        return f"{sudo}uv pip install --python {python} {library}"
    return f"{sudo}{python} -m pip install {library}"
