"""The contents of the documents: blocks, command lines, inline code. Also the commands that no test runs, and why."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

TOP = Path(__file__).parents[2]
GENERATED = TOP / "docs" / "cli.md"
DOCUMENTS = sorted(path for path in [*TOP.glob("*.md"), *TOP.glob("docs/*.md")] if path != GENERATED)

_DEVICE = "asks about devices that are not there"
_DOCKER = "needs Docker"
_FRONT_END = "needs the front end of a Zabbix: tests/zabbix runs it with real ones"
_TEXTFILE = (
    "cd /var/lib/prometheus/node-exporter && usbrh read --unknown NaN --format"
    """ 'usbrh_temperature_celsius{{sensor="{sensor}"}} {temperature}\\nusbrh_humidity_percent{{sensor="{sensor}"}}"""
    " {humidity}' | sort >usbrh.prom.new; mv usbrh.prom.new usbrh.prom"
)
ELSEWHERE: dict[str, str] = {
    "make bench": "measures for many minutes",
    "make demo": "is usbrh demo",
    "make test": "is what runs this test",
    "make mutants NAMES=usbrh/journal": "runs the tests many times",
    ".venv/bin/python -m tools.mutants --sample 20 --seed 2 usbrh/zabbix/provisioning.py": "takes minutes",
    ".venv/bin/pip install atheris": "installs a package",
    ".venv/bin/python -m tools.readme_pictures": "replaces the pictures of the README",
    ".venv/bin/python -m tools.watch_picture": "takes ten minutes; test_watch runs it for some seconds",
    "git archive --prefix=root/usbrh/ HEAD | sudo tar -x -C bare": "writes into a bare system, as root",
    "git clone https://repository.invalid/usbrh": "needs the repository",
    "usbrh zabbix provision --url https://zabbix.example/zabbix --token-file FILE": _FRONT_END,
    "usbrh zabbix test-alert --url https://zabbix.example/zabbix --token-file ~/zabbix-token": _FRONT_END,
    "lsusb -d 1774:1001": _DEVICE,
    ".venv/bin/pip wheel --no-deps --wheel-dir dist .": "asks a package index; tests/container/try runs it",
    "podman build --format docker --tag usbrh .": "needs Podman and an image; tests/container/try runs buildah",
    "docker build --file Containerfile --tag usbrh .": _DOCKER,
    "docker run --detach --name usbrh --restart unless-stopped --network host --device-cgroup-rule='c 189:* rmw'"
    ' --group-add "$(getent group usbrh | cut -d: -f3)" -v /dev/bus/usb:/dev/bus/usb -v usbrh-journal:/var/lib/usbrh'
    " -e USBRH_ZABBIX_SERVERS=zabbix.example -e USBRH_ZABBIX_HOST=living-room-pc usbrh": _DOCKER,
    "USBRH_GROUP=$(getent group usbrh | cut -d: -f3) docker compose up --detach": _DOCKER,
    "docker exec usbrh usbrh list": _DOCKER,
    "docker exec usbrh usbrh status": _DOCKER,
    "timedatectl": "needs systemd",
    "docker rm --force usbrh": _DOCKER,
    "usbrh calibrate living-room --temperature 0": "takes a minute; test_calibrate runs it with fewer readings",
    "usbrh verify -o capture.jsonl": "takes a minute; test_verify runs it",
    "usbrh simulate --usbip --sensors 2": "takes a fixed port; test_usbip runs it with a free one",
    "USBRH_ZABBIX_SERVERS='zabbix.example,node1.example;node2.example' USBRH_ZABBIX_HOST=living-room-pc"
    " usbrh send": "sends to these servers",
    _TEXTFILE: "writes for node_exporter; test_recipes runs it in another folder",
    "usbrh log --json | mosquitto_pub -l -t usbrh": "needs mosquitto; test_recipes runs it with a substitute",
    """rrdtool update room.rrd "$(usbrh read --format 'N:{temperature}:{humidity}')\"""": "needs rrdtool",
}
"""Commands that no test runs, each with the reason. With sudo no reason is needed: they change the machine as root."""

NOT_COMMANDS: dict[str, str] = {
    "T  = d1 + d2": "the formulas of the data sheet",
    "13.861 s   control OUT": "a recorded exchange",
    "humidity_scale  =": "a formula",
    "NaCl   75": "a formula",
    "{$USBRH.": "macros of the templates",
    "* * * * * usbrh": "a line for cron, which tests/openrc runs",
    "sim-1 ticks 6500 1500": "lines for stdin, which test_simulator_document runs",
}
"""The beginnings of blocks that are neither commands nor Python nor TOML, each with what the block is."""


@dataclass(frozen=True)
class Block:
    """An indented or fenced block."""

    document: str
    line: int
    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command line without its comment."""

    document: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {self.text}"


def blocks(path: Path) -> Iterator[Block]:
    """Yield all blocks of a document. The language is that of the fence; for an indented block it is guessed."""
    name = str(path.relative_to(TOP))
    lines = path.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        start, line = number, lines[number]
        number += 1
        if line.startswith("```"):
            while lines[number] != "```":
                number += 1
            yield Block(name, start + 2, line[3:].strip(), "\n".join(lines[start + 1 : number]))
            number += 1
        elif line.startswith("    ") and (start == 0 or not lines[start - 1]):
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number]):
                number += 1
            text = "\n".join(each[4:] for each in lines[start:number]).strip()
            yield Block(name, start + 1, _language(text), text)


def _language(text: str) -> str:
    if text.startswith(("import ", "from ")):
        return "python"
    if re.match(r"(#.*\n)*\[", text):
        return "toml"
    return "text" if any(text.startswith(start) for start in NOT_COMMANDS) else "sh"


def commands(path: Path) -> Iterator[Command]:
    """Return the command lines of a document in their order: those in blocks, and those with arguments in tables."""
    name = str(path.relative_to(TOP))
    found = [
        Command(name, block.line + offset, line)
        for block in blocks(path)
        if block.language in {"sh", "console", ""}
        for offset, line in _lines(block.text, block.language)
    ]
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("| "):
            found += [
                Command(name, number, span)
                for span in re.findall(r"`([^`]+)`", line.replace(r"\|", "|"))
                if re.search(r"(?:^|[ (])usbrh [^|]", span) and not re.fullmatch(r"usbrh( [a-z]+)+", span)
            ]
    return iter(sorted(found, key=lambda command: command.line))


def _lines(text: str, language: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a block with their offsets, without comments. Lines that end in a backslash are joined.

    In a console the commands are those behind a "$".
    """
    whole = ""
    for number, line in enumerate(text.splitlines()):
        if language == "console":
            if line.startswith("$ "):
                yield number, line[2:]
            continue
        whole += re.sub(r"(?:^|\s+)#( .*)?$", "", line)
        if whole.endswith("\\"):
            whole = whole[:-1]
        elif whole.strip():
            yield number, whole.strip()
            whole = ""
        else:
            whole = ""


def has_reason(text: str) -> bool:
    """Return whether a reason is known why no test runs the command."""
    return text in ELSEWHERE or text.startswith("sudo ") or is_tests_or_benchmark(text)


def is_tests_or_benchmark(text: str) -> bool:
    """Return whether the command runs existing tests or a benchmark, which takes minutes."""
    module = re.fullmatch(r"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?python -m (pytest|benchmarks(?:\.\w+)?)((?: \S+)*)", text)
    if not module:
        return False
    paths = re.findall(r"tests/\S+", module[2])
    return bool(find_spec(module[1])) and all(TOP.joinpath(path).exists() for path in paths)


def is_usbrh(text: str) -> bool:
    """Return whether a command line calls usbrh and no other program."""
    return bool(re.match(r"(?:[A-Z_]+=\S+ )*usbrh ", text + " "))


def spoken_of(path: Path) -> Iterator[str]:
    """Yield the inline code that contains a usbrh command."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for span in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text):
        if re.search(r"(?:^|[ (/])usbrh [a-z-]", span):
            yield span
