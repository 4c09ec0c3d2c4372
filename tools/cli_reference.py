"""Write the reference in docs/cli.md from the --help of each command.

python -m tools.cli_reference           write the reference
python -m tools.cli_reference --check   change nothing; exit with status 1 if the reference is outdated
"""

import argparse
import copy
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks.document import TOP
from usbrh.cli import cli
from usbrh.cli.context import add_global_options

DOCUMENT = TOP / "docs" / "cli.md"
BEGIN, END = "<!-- reference -->\n", "<!-- /reference -->"
_WIDTH = 88


def commands(command: click.Command = cli, path: tuple[str, ...] = ("usbrh",)) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name; a group is followed by its commands."""
    yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from commands(below, (*path, name))


def help_text(path: str, command: click.Command) -> str:
    """Return the output of --help without the options that every command has."""
    shared = click.Command("shared")
    add_global_options(shared)
    everywhere = {option.name for option in shared.params} if path != "usbrh" else set()
    own = copy.copy(command)  # the original must keep its options
    own.params = [parameter for parameter in command.params if parameter.name not in everywhere]
    own.add_help_option = False
    context = click.Context(own, info_name=path, terminal_width=_WIDTH, max_content_width=_WIDTH)
    return "\n".join(line.rstrip() for line in own.get_help(context).splitlines())


def reference() -> str:
    """Return the generated part of the page."""
    sections = []
    for path, command in commands():
        depth = "##" + "#" * max(0, path.count(" ") - 1)
        sections.append(f"{depth} {path}\n\n```text\n{help_text(path, command)}\n```\n")
    return "\n".join(sections)


def stale(path: Path = DOCUMENT) -> str | None:
    """Return the new content of the page, or None if the page is up to date.

    Raises:
        ValueError: The page has no marks for the reference.
    """
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no marks {BEGIN.strip()} … {END}")
    wanted = f"{before}{BEGIN}\n{reference()}\n{END}{after}"
    return wanted if wanted != text else None


def main() -> None:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with status 1 if the page is outdated"
    )
    check = parser.parse_args().check
    wanted = stale()
    if wanted and check:
        sys.exit("docs/cli.md is outdated; run: make documents")
    if wanted:
        DOCUMENT.write_text(wanted, encoding="utf-8")
        print("docs/cli.md was written")


if __name__ == "__main__":
    main()
