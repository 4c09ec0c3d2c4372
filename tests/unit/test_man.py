"""The manual page, and shell completion."""

import ast
import os
import re

import click
import pytest

from tests.support.command import run, usbrh
from tools import man
from tools.release import PLACEHOLDER
from tools.version import TOP
from usbrh.cli import COMMANDS, cli


def test_the_manual_page_names_every_command_and_option() -> None:
    page = man.page().replace("\\-", "-")
    top = click.Context(cli, info_name="usbrh")
    for name in COMMANDS:
        assert f"usbrh {name}" in page
        command = cli.get_command(top, name)
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert max(parameter.opts, key=len) in page
    assert "6 Zabbix not reached" in page
    assert page.count(".TP\n.B -v, --debug") == 1


def test_the_page_in_the_repository_is_up_to_date() -> None:
    assert man.PAGE.read_text(encoding="utf-8") == man.page(), "run: make documents"


def test_help_and_messages_name_pages_by_their_address() -> None:
    """Who installed the wheel has no folder docs and no README.md."""
    texts = [man.page().replace("\\-", "-")]
    for path in (TOP / "usbrh").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        constants = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings]
        texts += [node.value for node in constants if isinstance(node.value, str)]
    named = [word for text in texts for word in re.findall(r"\S*(?:docs/|README|CHANGELOG)\S*", text)]
    assert len(named) >= 2, "the help of calibrate and demo name a page"
    assert [word for word in named if PLACEHOLDER not in word] == []


@pytest.mark.parametrize(
    ("shell", "sign"), [("bash", "complete -o nosort -F"), ("zsh", "#compdef usbrh"), ("fish", "complete --no-files")]
)
def test_each_shell_gets_its_completion(shell: str, sign: str) -> None:
    result = usbrh(_USBRH_COMPLETE=f"{shell}_source")
    assert result.returncode == 0
    assert sign in result.stdout


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("usbrh wat", "watch"),
        ("usbrh plot --sin", "--since"),
        ("usbrh journal st", "status"),
        ("usbrh --deb", "--debug"),
    ],
)
def test_commands_and_options_are_completed_without_a_look_at_usb(line: str, completed: str) -> None:
    environment = {
        "_USBRH_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
        "USBRH_SIMULATE": "no such file",  # an error if the command searches for sensors
    }
    result = run([], os.environ | environment)
    assert (result.stdout, result.stderr, result.returncode) == (f"plain,{completed}\n", "", 0)
