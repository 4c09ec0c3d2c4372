"""A computer that is a folder, for the tests of ``usbrh setup``."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from usbrh.setup import install as setup
from usbrh.setup.machine import Machine

USBRH = Path("/opt/usbrh/bin/usbrh")
ROOT = os.getuid(), os.getgid()
"""The user who runs the tests is root of the computer, so that files can be given to it."""
SERVICE = (61001, 61002) if os.geteuid() == 0 else ROOT
"""The numbers of the account usbrh: others than root's, where files can be given to it."""


class Computer:
    """A root directory, and the account tools, which really edit its passwd and group."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commands: list[str] = []
        root.chmod(0o755)
        for folder in ("etc/udev", "etc/systemd/system", "run/systemd/system", "run/udev", "var/lib"):
            (root / folder).mkdir(parents=True)
        (root / "etc/passwd").write_text(f"root:x:{ROOT[0]}:{ROOT[1]}::/root:/bin/sh\n")
        (root / "etc/group").write_text(f"root:x:{ROOT[1]}:\n")
        self.machine = Machine(root, self.run)

    def run(self, command: Sequence[str]) -> None:
        self.commands.append(" ".join(command))
        passwd, group = self.root / "etc/passwd", self.root / "etc/group"
        name = command[-1]
        match command[0]:
            case "groupadd":
                group.write_text(f"{group.read_text()}{name}:x:{SERVICE[1]}:\n")
            case "useradd":
                home, shell = (command[command.index(option) + 1] for option in ("--home-dir", "--shell"))
                passwd.write_text(f"{passwd.read_text()}{name}:x:{SERVICE[0]}:{SERVICE[1]}::{home}:{shell}\n")
            case "usermod":
                group.write_text(re.sub(r"^(usbrh:.*:)$", rf"\g<1>{name}", group.read_text(), flags=re.MULTILINE))
            case "gpasswd":
                member = command[command.index("--delete") + 1]
                entry = rf"^({name}:.*[:,]){member}(?:,|$)"
                group.write_text(re.sub(entry, r"\1", group.read_text(), flags=re.MULTILINE))
            case "rm" if "-rf" in command:
                shutil.rmtree(self.machine.path(name))
            case "userdel":
                passwd.write_text(re.sub(rf"^{name}:.*\n", "", passwd.read_text(), flags=re.MULTILINE))
            case "groupdel":
                group.write_text(re.sub(rf"^{name}:.*\n", "", group.read_text(), flags=re.MULTILINE))

    def carry_out(self, planned: setup.Plan) -> None:
        for step in planned.steps:
            if step.do:
                step.do()

    def install_agent(self, config: str, include: str) -> None:
        file = self.machine.path(config)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# Include=/nowhere/*.conf\nServer=127.0.0.1\nInclude={include}\n")
        with (self.root / "etc/passwd").open("a") as passwd:
            passwd.write("zabbix:x:102:105::/:/bin/false\n")

    def owner(self, name: str) -> tuple[int, int]:
        found = self.machine.path(name).stat()
        return found.st_uid, found.st_gid

    def tree(self) -> dict[str, tuple[int, tuple[int, int], bytes | None]]:
        return {
            name: (path.stat().st_mode, self.owner(name), path.read_bytes() if path.is_file() else None)
            for path in self.root.rglob("*")
            if (name := str(path.relative_to(self.root)))
        }

    def text(self, name: str) -> str:
        return self.machine.path(name).read_text()


def words(planned: setup.Plan) -> list[str]:
    return [step.text for step in planned.steps]
