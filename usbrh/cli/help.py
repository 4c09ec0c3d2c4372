"""Help and usage errors: groups that list their commands whole, and click's errors in the words of this package."""

import re

import click

from usbrh.errors import did_you_mean

_PHRASES = (
    (r"Missing command\.", "a command is missing"),
    (r"Got unexpected extra arguments? \((.*)\)\.?", r"unexpected argument: \1"),
    (r"Option '(.*)' requires an argument\.", r"\1 needs a value"),
    (r"Option '(.*)' requires (\d+) arguments\.", r"\1 needs \2 values"),
    (r"Option '(.*)' does not take a value\.", r"\1 does not accept a value"),
)
"""Messages of click that have no separate class, and what this package prints instead."""


class Group(click.Group):
    """A group that lists its commands with whole sentences, prints its help if no command is given, and knows typos."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Print the help if there is no word at all. Since click 8.2 that would be an error."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that ``args`` name.

        Raises:
            UsageError: There is no such command.
        """
        name = args[0]
        is_word = not ctx.resilient_parsing and not name.startswith("-")
        if is_word and self.get_command(ctx, name) is None:
            raise click.UsageError(_unknown("command", name, self.list_commands(ctx)), ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Invoke the command that was named; an error of its options then names it."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if error.ctx is None and ctx.invoked_subcommand:  # click raises errors of the parser without a context
                command = self.get_command(ctx, ctx.invoked_subcommand)
                error.ctx = click.Context(command, parent=ctx, info_name=ctx.invoked_subcommand) if command else ctx
            raise

    def sections(self, ctx: click.Context) -> dict[str, list[tuple[str, str]]]:
        """Return the headings, and for each the names and summaries of its commands."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(1000)) for name, command in commands if command]
        return {"Commands": rows}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections, with their columns in line."""
        sections = self.sections(ctx)
        width = max(len(name) for rows in sections.values() for name, _ in rows)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), summary) for name, summary in rows])


def one_line(error: click.ClickException) -> str:
    """Return the message of click in the style of this package: one line in lower case, without a full stop."""
    if isinstance(error, click.NoSuchOption):
        options = [option for each in _parameters(error.ctx) for option in (*each.opts, *each.secondary_opts)]
        return _unknown("option", error.option_name, options)
    text = " ".join(error.format_message().split())
    if isinstance(error, click.MissingParameter) and error.param:
        kind = "option" if isinstance(error.param, click.Option) else "argument"
        choices = getattr(error.param.type, "choices", ())
        return f"the {kind} {_name(error.param)} is missing" + (f": {', '.join(choices)}" if choices else "")
    if isinstance(error, click.BadParameter) and error.param:
        text = f"{_name(error.param)}: " + " ".join(error.message.split())
    for theirs, ours in _PHRASES:
        text = re.sub(f"^{theirs}$", ours, text)
    return (text[:1].lower() + text[1:]).rstrip(".")


def usage(error: click.UsageError) -> str:
    """Return the message of a usage error with the next step: the nearest name, or the command that lists all."""
    words = one_line(error)
    return words if words.endswith("?") else f"{words}; see: {error.ctx.command_path if error.ctx else 'usbrh'} --help"


def _unknown(kind: str, name: str, known: list[str]) -> str:
    suggestion = did_you_mean(name, known)
    return f'there is no {kind} "{name}"' + (f"; {suggestion}" if suggestion else "")


def _parameters(ctx: click.Context | None) -> list[click.Parameter]:
    return ctx.command.get_params(ctx) if ctx else []


def _name(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return parameter.metavar or parameter.human_readable_name.upper()
