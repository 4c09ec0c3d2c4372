"""Steps of ``usbrh setup`` and ``usbrh zabbix provision``: planned first, then shown or carried out."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from usbrh.errors import ConfigError


class Status(StrEnum):
    """The state of a step."""

    OK = "ok"
    """Nothing to do."""
    PLANNED = "planned"
    DONE = "done"
    KEPT = "kept"
    """It differs from what is wanted, and was not changed."""


@dataclass(frozen=True)
class Step:
    """One change to a machine or to a Zabbix, or one thing that needs no change; ``text`` describes it in one line."""

    text: str
    do: Callable[[], object] | None = None
    """Makes the change; None if there is nothing to do."""
    kept: bool = False
    """With nothing to do: it differs, because somebody changed it."""
    question: str | None = None
    """The reason to ask the user before the change; None to make it without asking."""
    difference: str = ""
    """What the change would overwrite, as a unified diff."""

    @property
    def status(self) -> Status:
        """The state before the step is carried out."""
        return Status.PLANNED if self.do else Status.KEPT if self.kept else Status.OK


def carry_out(steps: Iterable[Step], agree: Callable[[Step], bool]) -> Iterator[tuple[Step, Status]]:
    """Carry out each step, and yield it with its new state; ``agree`` asks the user the question of a step.

    Raises:
        ConfigError: the system rejected a change. The steps before it are done.
        UsbrhError: as raised by the step.
    """
    for step in steps:
        if step.do is None:
            yield step, step.status
        elif step.question and not agree(step):
            yield step, Status.KEPT
        else:
            try:
                step.do()
            except OSError as error:
                reason = error.strerror or error
                raise ConfigError(f"can't {step.text}: {reason}", remedy="fix that and run it again") from error
            yield step, Status.DONE
