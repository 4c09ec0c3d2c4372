"""Parameter types that several commands use."""

from typing import Any

import click

from usbrh.config.value_types import Duration, InvalidValue


class DurationType(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.5
    """A time span as in the configuration: ``90``, ``90s``, ``5m``, ``1h``, ``7d``. The value is in seconds."""

    name = "time"

    def __init__(self, at_least: float, at_most: float) -> None:
        self._type = Duration(at_least, at_most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert a text; a default that is already a float stays as it is."""
        if isinstance(value, float):
            return value
        try:
            seconds: float = self._type.from_text(value)
        except InvalidValue as error:
            self.fail(str(error), param, ctx)
        return seconds
