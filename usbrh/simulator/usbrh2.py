"""The behaviour of a USBRH2: characters in, characters out, in its own time. No pseudo-terminal, no threads.

The maker publishes what the commands do (docs/device.md). Inferred: the device serves commands in their order, and
answers a wrong command with a line of words. ``Usbrh2Unknowns`` has the forms of the answers, echo and prompt.
"""

from collections.abc import Callable
from typing import Any

from usbrh.clock import SYSTEM_CLOCK, Clock
from usbrh.simulator import room
from usbrh.simulator.device import VirtualInstrument
from usbrh.simulator.faults import USBRH2_FAULTS, Step
from usbrh.simulator.unknowns import Usbrh2Unknowns

MEASURING = 0.016
"""s for one measurement of the SHT31 at high repeatability, at most (data sheet: 15.5 ms)."""
STATUS, HEATER_BIT = 0x8010, 0x2000
"""The SHT31's status register after power-up, and its heater bit."""
FIRMWARE = "USBRH2 Ver 1.00"
LEDS = {"0": "off", "off": "off", "false": "off", "1": "on", "on": "on", "true": "on", "blink": "blink"}
MAX_AUTO = 65535
"""s between automatic lines, at most."""
_SWITCHES = {"0": False, "off": False, "false": False, "1": True, "on": True, "true": True}
_LINE_LIMIT = 64
_COMMANDS = "getrh auto <s>|off led1=<bool> led2=<bool> heater <bool> status ver serial echo <bool> list help"


def crc8(data: bytes) -> int:
    """Compute the device's checksum: polynomial 0x31, start value 0, bit by bit."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ (0x31 if crc & 0x80 else 0)
            crc &= 0xFF
    return crc


def line(temperature: float, humidity: float) -> bytes:
    """Return ``:23.77,42.76,AC``, without its end."""
    body = f":{temperature:.2f},{humidity:.2f},".encode()
    return body + b"%02X" % crc8(body)


_STATUS_FORMS: dict[str, Callable[[int], str]] = {
    "0x8010": lambda status: f"0x{status:04X}",
    "8010": lambda status: f"{status:04X}",
    "STATUS=0x8010": lambda status: f"STATUS=0x{status:04X}",
    "Status: 8010h": lambda status: f"Status: {status:04X}h",
    "32784": str,
    "1000 0000 0001 0000": lambda status: " ".join(f"{status >> shift & 15:04b}" for shift in (12, 8, 4, 0)),
    "": lambda status: "",
}
"""How a status word is written, by ``Usbrh2Unknowns.status``."""
_CORRUPTIONS: dict[str, Callable[[bytes], bytes]] = {
    "half_line": lambda answer: answer[: len(answer) // 2],
    "dropped_byte": lambda answer: answer[:2] + answer[3:],
    "flipped_bit": lambda answer: answer[:2] + bytes([answer[2] ^ 1]) + answer[3:],
    "no_crc": lambda answer: answer[: answer.rindex(b",")] + b"\r\n",
    "disconnected_chip": lambda answer: line(130, 100) + b"\r\n",
    "shorted_chip": lambda answer: line(-45, 0) + b"\r\n",
    "garbage": lambda answer: bytes(byte ^ 0xA5 for byte in answer) + b"\r\n",
    "endless": lambda answer: b":" + b"7" * 4000,
    "duplicate": lambda answer: answer * 2,
}


class VirtualUsbrh2(VirtualInstrument):
    """One virtual USBRH2. All methods may be called from any thread."""

    values = room.AIR
    _echo: bool

    def __init__(
        self,
        number: int = 1,
        *,
        clock: Clock = SYSTEM_CLOCK,
        air: room.AirSource | None = None,
        serial: str | None = None,
        measuring: float = MEASURING,
        firmware: str = FIRMWARE,
        unknowns: Usbrh2Unknowns | None = None,
    ) -> None:
        """Plug in sensor ``number``, from 1. Without ``air`` it measures a room that drifts.

        ``serial``: ``E001`` for sensor 1 by default; ``measuring``: s for one measurement; ``firmware``: the answer to
        ``ver``.
        """
        super().__init__(number, clock, air or room.air(number), measuring, USBRH2_FAULTS)
        self.serial = serial or f"E{number:03X}"
        self.firmware = firmware
        self.unknowns = unknowns or Usbrh2Unknowns()
        self._newline = self.unknowns.newline.encode()
        self._auto: float | None = None
        self._auto_order = -1
        self._typed = self._output = b""
        self._power_on()

    @property
    def leds(self) -> tuple[str, str]:
        """``off``, ``on`` or ``blink`` of LED 1 and LED 2."""
        return self._leds["1"], self._leds["2"]

    @property
    def automatic(self) -> float | None:
        """s between the lines it sends by itself; None if it sends none."""
        return self._auto

    def details(self) -> dict[str, Any]:
        """Return what only the status of a USBRH2 has, by JSON key."""
        return {"serial": self.serial, "auto": self.automatic}

    def close(self) -> None:
        """Stop the automatic lines, because the host closed the port. Characters that were not read stay."""
        with self._lock:
            self._auto = None
            self._greet()

    def write(self, data: bytes) -> None:
        """Accept characters from the host; the end of a line completes a command."""
        with self._lock:
            self._advance()
            for byte in data if self._plugged else b"":
                character = bytes([byte])
                if character not in b"\r\n":
                    self._typed = (self._typed + character)[-_LINE_LIMIT:]
                    continue
                command, self._typed = self._typed.decode("ascii", "replace"), b""
                self._at(max(self.clock.monotonic(), self._busy_until), self._deferred(command))
            self._advance()

    def read(self) -> bytes:
        """Return what it has sent since the last call."""
        with self._lock:
            self._advance()
            output, self._output = self._output, b""
            return output

    def _deferred(self, command: str) -> Callable[[float], None]:
        """Return an event that does ``command`` in its turn: commands wait while the device measures or hangs."""

        def run(at: float) -> None:
            if at < self._busy_until:
                self._at(self._busy_until, run)
            else:
                self._command(command, at)

        return run

    def _command(self, command: str, at: float) -> None:
        if self._echo:
            self._send(command.encode() + self._newline)
        words = command.lower().replace("=", " ").split()
        if not words:
            self._prompt()
            return
        fault, seconds = self._trigger(Step.COMMAND)
        match fault:
            case "unplug_on_command":
                self._disconnect(at, seconds)
            case "hang":
                self._busy_until = at + (seconds or 0.0)
                self._at(self._busy_until, lambda at: self._do(words, at))
            case "":
                self._do(words, at)

    def _do(self, words: list[str], at: float) -> None:
        match words:
            case ["getrh"]:
                self._busy_until = at + self.measuring
                self._at(self._busy_until, self._answer)
                return
            case ["status"]:
                self._send_line(_STATUS_FORMS[self.unknowns.status](STATUS | (HEATER_BIT if self.heater else 0)))
            case ["ver"]:
                self._send_line(self.firmware)
            case ["serial"]:
                self._send_line(self.unknowns.serial.replace("E02A", self.serial))
            case ["list"]:
                self._send_line(f"echo={int(self._echo)} led1={self._leds['1']} led2={self._leds['2']}")
            case ["help"]:
                self._send_line(_COMMANDS)
            case _ if self._trigger(Step.SWITCH)[0] or self._switch(words, at):
                name, value = words
                form = self.unknowns.switched
                self._send_line(form.replace("LED1", name.upper()).replace("led1", name).replace("on", value))
            case _:
                self._send_line("Error")
        self._prompt()

    def _switch(self, words: list[str], at: float) -> bool:
        """Do a command that switches something; False if there is no such command."""
        match words:
            case [("led1" | "led2") as led, value] if value in LEDS:
                self._leds[led[-1]] = LEDS[value]
            case ["heater", value] if value in _SWITCHES:
                self._heater.switch(_SWITCHES[value], at)
            case ["echo", value] if value in _SWITCHES:
                self._echo = _SWITCHES[value] if self.unknowns.echo == "switchable" else self._echo
            case ["auto", ("0" | "off")]:
                self._auto = None
            case ["auto", seconds] if seconds.isdigit() and int(seconds) <= MAX_AUTO:
                self._auto = float(seconds)
                self._auto_order = next(self._order)
                self._at(at + self._auto, self._repeat(self._auto_order))
            case _:
                return False
        return True

    def _repeat(self, order: int) -> Callable[[float], None]:
        """Return an event that sends an automatic line, unless another ``auto`` command came since."""

        def run(at: float) -> None:
            if self._auto is not None and order == self._auto_order:
                self._send(self._measure(at) + self._newline)
                self._at(at + self._auto, run)

        return run

    def _answer(self, at: float) -> None:
        fault, seconds = self._trigger(Step.MEASURE)
        answer = self._measure(at) + self._newline
        match fault:
            case "no_answer":
                return
            case "late":
                self._busy_until = at + (seconds or 0.0)
                self._at(self._busy_until, lambda _: self._send(answer))
            case "unplug_mid_line":
                self._send(answer[: len(answer) // 2])
                self._at(at + 0.05, lambda at: self._disconnect(at, seconds))
                return
            case "byte_by_byte":
                for place in range(len(answer)):
                    self._at(at + place * (seconds or 0.0), self._byte(answer[place : place + 1]))
                self._busy_until = at + len(answer) * (seconds or 0.0)
                return
            case _:
                self._send(_CORRUPTIONS.get(fault, bytes)(answer))
        self._prompt()

    def _byte(self, byte: bytes) -> Callable[[float], None]:
        return lambda _: self._send(byte)

    def _measure(self, at: float) -> bytes:
        temperature, humidity = self.source(self.measured)
        self.measured += 1
        return line(*self._heater.warm_air(temperature, humidity, at))

    def _send(self, data: bytes) -> None:
        self._output += data

    def _send_line(self, words: str) -> None:
        """Send a line; without words, nothing."""
        if words:
            self._send(words.encode() + self._newline)

    def _prompt(self) -> None:
        if self._echo:
            self._send(self.unknowns.prompt.encode())

    def _greet(self) -> None:
        if self.unknowns.greeting:
            self._prompt()

    def _power_on(self) -> None:
        self._leds = {"1": "off", "2": "off"}
        self._echo = self.unknowns.echo != "never"
        super()._power_on()
        self._greet()

    def _clear(self) -> None:
        super()._clear()
        self._auto = None
        self._typed = self._output = b""
