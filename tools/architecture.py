"""The table of packages: what each contains and may import.

``python -m tools.architecture`` writes the table into docs/architecture.md. tests/unit/test_imports.py checks every
import of usbrh against it.
"""

from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "architecture.md"
BEGIN, END = "<!-- packages: make documents -->\n", "<!-- end of packages -->\n"

GROUND = (
    "errors",
    "clock",
    "walltime",
    "reading",
    "periods",
    "summary",
    "sht1x",
    "psychrometry",
    "system",
    "findings",
    "steps",
)
"""Modules at the top of ``usbrh/`` and the package ``system``, which every package may use."""


@dataclass(frozen=True)
class Package:
    """One row of the table: a package in ``usbrh/``, or a module at its top."""

    name: str
    contents: str
    may_import: tuple[str, ...]
    """Packages that it may import, in addition to the ground modules. The table is in the order of the layers."""
    libraries: tuple[str, ...] = ()
    """Third-party libraries that it may import."""


_MEASURING = ("config", "drivers", "sensors")
_BELOW_BRIDGE = (*_MEASURING, "poller", "journal", "zabbix")
_BELOW_DOCTOR = (*_BELOW_BRIDGE, "simulator", "output", "setup", "bridge")
_BELOW_CLI = (*_BELOW_DOCTOR, "verify", "doctor")

PACKAGES = (
    Package(
        "config",
        "`usbrh.toml` and the environment as one frozen `Config`; secret files; addresses of Zabbix servers",
        (),
    ),
    Package(
        "drivers",
        "what an instrument is, one module per model, USB access, locks on device nodes",
        (),
        ("usb", "serial"),
    ),
    Package("simulator", "virtual instruments behind pyusb, a pseudo-terminal and USB/IP", ("config",), ("usb",)),
    Package(
        "sensors",
        "which sensors are plugged in, their names, how they are selected",
        ("config", "drivers", "simulator"),
    ),
    Package("poller", "the measuring loop: readings of all selected sensors, round by round", _MEASURING),
    Package(
        "journal", "the send queue and local history: one SQLite file, its repair and conversion, read-only access", ()
    ),
    Package(
        "zabbix",
        "sender protocol, TLS, agent configuration, API, templates, provisioning, a fake server",
        ("config",),
        ("pyzabbix", "requests", "urllib3", "sslpsk3"),
    ),
    Package(
        "output",
        "readings as text, terminal screen, chart, picture, log file; tables of the history",
        (),
        ("rich", "matplotlib", "numpy"),
    ),
    Package(
        "verify",
        "what `usbrh verify` checks on a device, and the file with its transfers",
        _MEASURING,
        ("usb", "serial"),
    ),
    Package("setup", "what `usbrh setup` installs on a machine and removes again", ("config",)),
    Package(
        "bridge",
        "from the sensors to Zabbix: once (`send`), as a service (`run`), for the agent; the check of the route",
        _BELOW_BRIDGE,
    ),
    Package("doctor", "finds what is wrong on this machine, and shows the command that fixes it", _BELOW_DOCTOR),
    Package("cli", "click commands: parse, call, print", _BELOW_CLI, ("click",)),
)


def table() -> str:
    """Return the table in Markdown."""
    rows = ["| package | contents | may import | libraries |", "| --- | --- | --- | --- |"]
    ground = ", ".join(f"`{name}`" for name in GROUND)
    rows.append(f"| ground (top level) | {ground} | ground | |")
    for package in PACKAGES:
        top = package.name in ("sensors", "poller")
        name = f"`{package.name}.py`" if top else f"`{package.name}/`"
        allowed = ", ".join(("ground", *(f"`{other}`" for other in package.may_import)))
        libraries = ", ".join(f"`{library}`" for library in package.libraries)
        rows.append(f"| {name} | {package.contents} | {allowed} | {libraries} |")
    return "\n".join(rows) + "\n"


def drawn(page: str) -> str:
    """Return ``page`` with the current table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(drawn(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
