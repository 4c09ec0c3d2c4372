"""The documents: their links, their twins, and the commands they speak of."""

import re
from pathlib import Path

import click
import pytest

from tests.support.documents import (
    DOCUMENTS,
    ELSEWHERE,
    GENERATED,
    NOT_COMMANDS,
    TOP,
    blocks,
    commands,
    has_reason,
    is_usbrh,
    spoken_of,
)
from tools.cli_reference import commands as all_commands
from usbrh.config import load

BY_PATH = dict(all_commands())
TWINS = [
    (path.with_name(path.name.replace(".ja.md", ".md")), path) for path in DOCUMENTS if path.name.endswith(".ja.md")
]


def name(value: object) -> str:
    return value.name if isinstance(value, Path) else str(value)


@pytest.mark.parametrize("document", [*DOCUMENTS, GENERATED], ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("https://", "http://")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}, which is not there"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_command_is_run_or_has_its_reason(document: Path) -> None:
    """A new one is usbrh with virtual sensors, which test_documents in tests/simulated runs, or goes into ELSEWHERE."""
    unknown = [command for command in commands(document) if not is_usbrh(command.text) and not has_reason(command.text)]
    assert not unknown, "\n".join(["say in tests/support/documents.py why no test can run:", *map(str, unknown)])


def test_nothing_is_excepted_that_is_nowhere() -> None:
    everything = {command.text for document in DOCUMENTS for command in commands(document)}
    assert set(ELSEWHERE) <= everything
    texts = [block.text for document in DOCUMENTS for block in blocks(document)]
    assert [start for start in NOT_COMMANDS if not any(text.startswith(start) for text in texts)] == []


def calls(text: str) -> list[list[str]]:
    """The words of each call of usbrh in a command line."""
    before = r"(?:^|\$\(|;\s*|\bsudo (?:-u \S+ )?|\bIMAGE |\b[A-Z_]+=\S+ )"
    found = re.findall(before + r"(?:/\S+/)?usbrh ((?:'[^']*'|[^|;&)>'])*)", text)
    return [re.findall(r"'[^']*'|\"[^\"]*\"|\S+", words) for words in found]


def check_call(words: list[str]) -> None:
    """The command is there, and has these options."""
    path, options = "usbrh", set[str]()
    for word in words:
        if word == "--":
            break
        command = BY_PATH[path]
        if word.startswith("-") and len(word) > 1:
            options.add(word.split("=")[0].rstrip("…"))
        elif isinstance(command, click.Group):
            assert f"{path} {word}" in BY_PATH, f"there is no command {path} {word}"
            path = f"{path} {word}"
    known = {option for parameter in BY_PATH[path].params for option in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"-h", "--help", "--version", "--config", "--debug", "--allow-simulated"}
    assert options <= known, f"{path} has no {options - known}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_commands_that_are_spoken_of_are_there(document: Path) -> None:
    for text in [*spoken_of(document), *(command.text for command in commands(document))]:
        for words in calls(text):
            check_call(words)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_targets_of_make_are_there(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", TOP.joinpath("Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"(?:^ {4}|`|sudo )make ([a-z-]+)", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= targets


@pytest.mark.parametrize("words", [["no-such-thing"], ["heater", "boil"], ["read", "--fast"]])
def test_a_command_that_is_not_there_is_found(words: list[str]) -> None:
    with pytest.raises(AssertionError, match=r"has no|no command"):
        check_call(words)


@pytest.mark.parametrize(("english", "japanese"), TWINS, ids=name)
def test_twins_have_the_same_commands(english: Path, japanese: Path) -> None:
    theirs, ours = ([command.text for command in commands(path)] for path in (english, japanese))
    assert ours == theirs


@pytest.mark.parametrize(("english", "japanese"), TWINS, ids=name)
def test_twins_have_the_same_chapters(english: Path, japanese: Path) -> None:
    depths = [re.findall(r"^#+ ", path.read_text(encoding="utf-8"), re.MULTILINE) for path in (english, japanese)]
    assert depths[0] == depths[1]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_configuration_examples_are_right(document: Path, tmp_path: Path) -> None:
    for block in blocks(document):
        if block.language == "toml" and "[sensor.sim-" not in block.text:
            path = tmp_path / "usbrh.toml"
            path.write_text(block.text, encoding="utf-8")
            load(path, {})


@pytest.mark.parametrize("name", ["calibration.md", "calibration.ja.md"])
def test_the_table_of_salts_is_what_its_formulas_give(name: str) -> None:
    text = TOP.joinpath("docs", name).read_text(encoding="utf-8")
    formulas = re.findall(r"^ {4}(?:NaCl|MgCl2) +(.*)$", text, re.MULTILINE)
    rows = [
        [float(each) for each in re.findall(r"\d\d\.\d", row)]
        for row in re.findall(r"^\|.*\d\d\.\d.*$", text, re.MULTILINE)
    ]
    assert len(rows) == len(formulas) == 2
    for formula, row in zip(formulas, rows, strict=True):
        terms = re.findall(r"([+-]?) ?(\d+\.\d+) ?(t?)([²³]?)", formula)
        powers = [(float(sign + number), ("", "t", "²", "³").index(power or t)) for sign, number, t, power in terms]
        assert [round(sum(factor * t**power for factor, power in powers), 1) for t in range(10, 31, 5)] == row
