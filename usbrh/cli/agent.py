"""``usbrh agent``: the commands that the UserParameters of a Zabbix agent call."""

from typing import Any, NoReturn

import click

from usbrh.bridge import agent as answers
from usbrh.cli.context import Context, pass_context
from usbrh.cli.help import Group, one_line
from usbrh.errors import ConfigError


class _Answers(Group):
    """A group that answers a wrong call with JSON too: users can write their own UserParameters."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            problem = ConfigError(one_line(error), remedy="see: usbrh agent --help")

            def reject() -> NoReturn:
                raise problem

            answers.answer(reject)


@click.group(cls=_Answers)
def agent() -> None:
    """Answer a Zabbix agent: one line of JSON, with any error inside, and nothing on stderr.

    The agent's file zabbix_agentd.d/usbrh.conf calls these commands. `usbrh setup` installs it.
    """


@agent.command()
@click.argument("sensor")
@pass_context
def get(context: Context, sensor: str) -> None:
    """Print a reading of SENSOR, a name or port, and its age.

    The reading is the latest one of the running service. Without a service, the sensor is measured.
    """
    answers.answer(lambda: answers.get(sensor, lambda: context.config))


@agent.command()
@pass_context
def discovery(context: Context) -> None:
    """Print the sensors, for low-level discovery."""
    answers.answer(lambda: answers.discovery(lambda: context.config))


@agent.command()
@pass_context
def bridge(context: Context) -> None:
    """Print the state of usbrh on this machine."""
    answers.answer(lambda: answers.bridge(lambda: context.config))
