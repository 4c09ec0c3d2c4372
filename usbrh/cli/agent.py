"""``usbrh agent``: what the UserParameters of a Zabbix agent call."""

from typing import Any, NoReturn

import click

from usbrh.bridge import agent as answers
from usbrh.cli.context import Context, pass_context
from usbrh.errors import ConfigError


class _Answers(click.Group):
    """A command that is called wrongly, by a UserParameter of somebody's own, is answered too."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            words = " ".join(error.format_message().split()).rstrip(".")

            def reject() -> NoReturn:
                raise ConfigError(f"{words[:1].lower()}{words[1:]}; see: usbrh agent --help")

            answers.answer(reject)


@click.group(cls=_Answers)
def agent() -> None:
    """Answer a Zabbix agent: always one line of JSON, errors inside it, nothing on stderr.

    zabbix_agentd.d/usbrh.conf calls these; `usbrh setup` installs it.
    """


@agent.command()
@click.argument("sensor")
@pass_context
def get(context: Context, sensor: str) -> None:
    """A reading of SENSOR, a name or port.

    It is the running service's latest reading, with its age; without a service the sensor is measured.
    """
    answers.answer(lambda: answers.get(sensor, lambda: context.config))


@agent.command()
@pass_context
def discovery(context: Context) -> None:
    """The sensors, for low-level discovery."""
    answers.answer(lambda: answers.discovery(lambda: context.config))


@agent.command()
@pass_context
def bridge(context: Context) -> None:
    """The state of usbrh on this machine."""
    answers.answer(lambda: answers.bridge(lambda: context.config))
