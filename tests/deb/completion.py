"""Completion as the installed Debian package sets it up, in each shell: python -m tests.deb.completion ROOT.

ROOT is a root directory with the package usbrh, bash-completion, zsh and fish in it.
"""

import sys

from tests.support import shells

SETUP = {"bash": ". /usr/share/bash-completion/bash_completion", "zsh": ":", "fish": ":"}
"""What Debian's own start files do; zsh and fish look into the packages' folders by themselves."""


def main() -> None:
    prefix = ("chroot", sys.argv[1], "env", "-i", "PATH=/usr/bin:/bin", "HOME=/tmp", "LC_ALL=C.UTF-8", "TERM=dumb")
    for shell, setup in SETUP.items():
        shells.check(shell, setup, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, prefix)
        print(f"{shell} completes")


if __name__ == "__main__":
    main()
