"""A step of ``usbrh verify``, its verdict, and how the steps are run."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from usbrh.errors import AccessDenied, SensorBusy, SensorError, SensorNotFound
from usbrh.verify.bench import Bench

UNUSABLE = (SensorNotFound, AccessDenied, SensorBusy)
"""Errors that say nothing about the device. They end the command."""


class Verdict(StrEnum):
    """What was seen, compared with what the driver assumes."""

    AS_ASSUMED = "as assumed"
    NEW = "new"
    """Nobody has published it, and the driver does not depend on it. The virtual sensor guesses it differently."""
    DIFFERS = "differs"
    """The driver depends on it."""


class Seen(NamedTuple):
    """What a step saw; ``differs`` and ``new`` are empty if all is as assumed."""

    text: str
    differs: Sequence[str] = ()
    new: Sequence[str] = ()


@dataclass(frozen=True)
class Step:
    """One step. ``observe`` raises SensorError if the sensor fails, which is a difference."""

    name: str
    assumes: str
    """What the driver, or the virtual sensor, assumes. docs/device.md has the sources."""
    observe: Callable[[Bench], Seen]


@dataclass(frozen=True)
class Result:
    """The result of one step."""

    step: str
    assumed: str
    seen: str
    verdict: Verdict
    detail: str | None = None
    """What differs, or what is new."""

    @classmethod
    def of(cls, step: Step, seen: Seen) -> "Result":
        """Judge what ``step`` has seen."""
        verdict = Verdict.DIFFERS if seen.differs else Verdict.NEW if seen.new else Verdict.AS_ASSUMED
        return cls(step.name, step.assumes, seen.text, verdict, "; ".join([*seen.differs, *seen.new]) or None)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of this result."""
        return {
            "step": self.step,
            "assumed": self.assumed,
            "seen": self.seen,
            "verdict": self.verdict.value,
            "detail": self.detail,
        }


def run(bench: Bench, steps: Sequence[Step]) -> Iterator[Result]:
    """Run ``steps`` and yield the result of each.

    Raises:
        SensorNotFound, AccessDenied, SensorBusy: the sensor was unplugged, or can't be used; nothing can be seen.
        ConfigError: the file can't be written.
    """
    for number, step in enumerate(steps, 1):
        bench.progress(f"[{number}/{len(steps)}] {step.name}")
        bench.recorder.note(begin=step.name)
        try:
            seen = step.observe(bench)
        except UNUSABLE:
            raise
        except SensorError as error:
            seen = Seen("the step failed", differs=[error.message])
        result = Result.of(step, seen)
        bench.recorder.note(**result.to_dict())
        bench.capture.check()
        yield result
