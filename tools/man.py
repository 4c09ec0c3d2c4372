"""Write the manual page docs/usbrh.1 from the --help of each command: `python -m tools.man`.

The page is a file of the repository, so that a build of the package needs none of its dependencies. It has no date and
no version, which would change with each build.
"""

import inspect
import re
from collections.abc import Iterator

import click

from benchmarks.document import TOP
from usbrh.cli import cli
from usbrh.cli.context import add_global_options

PAGE = TOP / "docs" / "usbrh.1"
FILES = (
    ("/etc/usbrh/usbrh.toml", "the configuration file, with comments"),
    ("/var/lib/usbrh/journal.db", "the journal: the send queue and local history of usbrh"),
)
ENVIRONMENT = (
    ("USBRH_CONFIG", "the configuration file"),
    ("USBRH_SECTION_KEY", "any key of [zabbix], [bridge] and [journal], such as USBRH_ZABBIX_HOST; overrides the file"),
    ("USBRH_SIMULATE", "number of virtual sensors to use instead of real ones, or a file that describes them"),
    ("NO_COLOR", "disables colours"),
)


def page() -> str:
    """Return the page in troff format."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    top = click.Context(cli, info_name="usbrh")
    yield '.TH USBRH 1 "" "usbrh" "User Commands"'
    yield ".SH NAME"
    yield "usbrh \\- read Strawberry Linux USB hygrometers and bring every reading to Zabbix"
    yield ".SH SYNOPSIS"
    yield ".B usbrh"
    yield "[OPTIONS] COMMAND [ARGS]..."
    yield ".SH DESCRIPTION"
    yield from _paragraphs(cli.help)
    yield "Results go to standard output, messages to standard error."
    yield ".SH OPTIONS"
    yield "These options can also follow the command."
    yield from _options(top)
    yield from (".TP", f".B {_escape('-h, --help')}", "Show this message and exit.")
    yield ".SH COMMANDS"
    for name in cli.list_commands(top):
        command = cli.get_command(top, name)
        if command is not None:
            yield from _command(command, click.Context(command, parent=top, info_name=name))
    yield ".SH EXIT STATUS"
    yield from _paragraphs((cli.epilog or "").removeprefix("Exit status: "))
    for title, table in (("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT)):
        yield f".SH {title}"
        for term, words in table:
            yield from (".TP", f".B {_escape(term)}", _escape(words))


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f'.SS "{_escape(" ".join([context.command_path, *command.collect_usage_pieces(context)]))}"'
    yield from _paragraphs(command.help)
    yield from _options(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            subcommand = command.get_command(context, name)
            if subcommand is not None:
                yield from _command(subcommand, click.Context(subcommand, parent=context, info_name=name))


def _options(context: click.Context) -> Iterator[str]:
    everywhere = {"--help"} | {option for each in _global_options() for option in each.opts}
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        # click keeps the option --help of a command as the first context made it, with or without -h.
        hidden = everywhere if context.parent else {"--help"}
        if record and not hidden & set(parameter.opts):
            yield from (".TP", f".B {_escape(record[0])}", _escape(record[1]))


def _global_options() -> list[click.Parameter]:
    command = click.Command("any")
    add_global_options(command)
    return command.params


def _paragraphs(text: str | None) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text or "")):
        yield ".PP"
        if paragraph.startswith("\b"):  # click's mark for text that must not be wrapped
            yield from (".nf", *(_escape(line) for line in paragraph.splitlines()[1:]), ".fi")
        else:
            yield _escape(" ".join(paragraph.split()))


def _escape(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
