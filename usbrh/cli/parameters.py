"""Kinds of parameter that several commands take."""

from typing import Any

import click

from usbrh.config.kinds import Duration, Unfit


class DurationType(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.5
    """A time as in the configuration: ``90``, ``90s``, ``5m``, ``1h``, ``7d``; seconds."""

    name = "time"

    def __init__(self, at_least: float, at_most: float) -> None:
        self._kind = Duration(at_least, at_most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            seconds: float = self._kind.from_text(value)
        except Unfit as error:
            self.fail(str(error), param, ctx)
        return seconds
