"""``USBRH_SIMULATE``: how many virtual sensors there are, or the file that describes them."""

from usbrh.clock import SYSTEM_CLOCK, Clock
from usbrh.errors import ConfigError
from usbrh.simulator.backend import SimulatorBackend
from usbrh.simulator.model import VirtualUsbRh

MOST_SENSORS = 127
"""As many as one USB bus has addresses for."""


def backend_from_environment(text: str, clock: Clock = SYSTEM_CLOCK) -> SimulatorBackend:
    """The virtual sensors that ``USBRH_SIMULATE`` asks for: a number, or the path of a TOML file.

    Raises:
        ConfigError: it is neither, or the file is wrong.
    """
    return SimulatorBackend(models(text, clock), clock)


def models(text: str, clock: Clock = SYSTEM_CLOCK, origin: str = "USBRH_SIMULATE=") -> list[VirtualUsbRh]:
    """As ``backend_from_environment``, without a backend around them."""
    if text.isascii() and text.isdigit():
        if int(text) > MOST_SENSORS:
            raise ConfigError(f"{origin}{text}: a bus takes {MOST_SENSORS} sensors; set it to at most that")
        return [VirtualUsbRh(number, clock=clock) for number in range(1, int(text) + 1)]
    raise ConfigError(f"{origin}{text}: neither a number nor a file; {origin}1 gives one virtual sensor")
