"""``usbrh help``: the manual of a command, which is its --help and that of its subcommands."""

from collections.abc import Iterator

import click

from usbrh.cli.help import Group


@click.command("help")
@click.argument("command", nargs=-1)
@click.pass_context
def help_(ctx: click.Context, command: tuple[str, ...]) -> None:
    """Show the manual of COMMAND, such as zabbix provision. Without COMMAND, list all commands."""
    page = ctx.find_root()
    for name in command:
        found = page.command
        if not isinstance(found, Group):
            raise click.UsageError(f"usbrh {page.info_name} has no subcommands", ctx)
        _, below, _ = found.resolve_command(page, [name])
        if below:
            page = click.Context(below, parent=page, info_name=name)
    pages = _manual(page) if command else [page.get_help()]
    click.echo("\n\n".join(pages))


def _manual(page: click.Context) -> Iterator[str]:
    yield page.get_help()
    if isinstance(page.command, Group):
        for name in page.command.list_commands(page):
            if command := page.command.get_command(page, name):
                yield from _manual(click.Context(command, parent=page, info_name=name))
