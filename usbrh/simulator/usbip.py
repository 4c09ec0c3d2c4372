"""A USB/IP server (device side) over virtual sensors: any Linux with vhci_hcd can attach them as real USB devices.

When a sensor is unplugged, the server drops its connection, and the kernel removes the device. Plugged in again, it has
to be attached again. Faults of the host (access, claim, detach) do not apply: the host is real. USB/IP has no message
for a bus reset; the SET_CONFIGURATION with which a host ends a reset has the same effect.
"""

import asyncio
import errno
import logging
from collections.abc import Iterable
from contextlib import suppress

from usbrh.simulator import usbip_wire as wire
from usbrh.simulator.cdc_acm import UsbSerial
from usbrh.simulator.chapter9 import TransferError
from usbrh.simulator.script import Model
from usbrh.simulator.usbrh2 import VirtualUsbrh2

PORT = 3240
"""The port that is registered for USB/IP."""
_REQUEST_TIMEOUT = 10.0
"""s for a new connection to send its request."""

_log = logging.getLogger(__name__)


class _ProtocolError(Exception):
    """The other side does not follow the protocol."""


class UsbIpServer:
    """Serves ``models`` until closed, in one event loop."""

    def __init__(self, models: Iterable[Model]) -> None:
        """Serve nothing until ``start``."""
        self.models = {wire.busid(model.number): model for model in models}
        self.address: tuple[str, int] = ("", 0)
        self._imported: dict[str, _Import] = {}
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = PORT) -> None:
        """Listen; port 0 stands for any free one. Raises OSError."""
        self._server = await asyncio.start_server(self._connected, host, port)
        self.address = self._server.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    def refresh(self) -> None:
        """Send at once what changed because something was done to a sensor by hand."""
        for imported in list(self._imported.values()):
            imported.pump()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            await self._serve(reader, writer)
        except _ProtocolError as problem:
            _log.warning("dropped a client: %s", problem)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, TimeoutError, OSError):
            pass  # the client has gone, or the server is closing
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_REQUEST_TIMEOUT):
            version, code, _ = wire.OPERATION.unpack(await reader.readexactly(wire.OPERATION.size))
            if version != wire.VERSION:
                raise _ProtocolError(f"version {version:#06x} instead of {wire.VERSION:#06x}")
            if code == wire.OP_REQ_DEVLIST:
                plugged = [(model.number, _profile(model)) for model in self.models.values() if model.plugged]
                writer.write(wire.device_list(plugged))
                return await writer.drain()
            if code != wire.OP_REQ_IMPORT:
                raise _ProtocolError(f"unknown operation {code:#06x}")
            (raw,) = wire.BUSID.unpack(await reader.readexactly(wire.BUSID.size))
        busid = raw.partition(b"\0")[0].decode("ascii", "replace")
        model = self.models.get(busid)
        if model is None or not model.plugged:
            writer.write(wire.operation(wire.OP_REP_IMPORT, wire.NO_DEVICE))
        elif busid in self._imported:
            writer.write(wire.operation(wire.OP_REP_IMPORT, wire.BUSY))
        else:
            writer.write(wire.operation(wire.OP_REP_IMPORT, wire.OK, wire.device(model.number, _profile(model))))
            imported = self._imported[busid] = _Import(model, reader, writer)
            try:
                await imported.run()
            finally:
                del self._imported[busid]
                imported.stop()
        return await writer.drain()


def _profile(model: Model) -> wire.Profile:
    if isinstance(model, VirtualUsbrh2):
        return wire.USBRH2
    return wire.usbrh1(model.descriptors, wire.FULL_SPEED if model.full_speed else wire.LOW_SPEED)


class _Import:
    """One sensor that is attached to one host, until the connection ends."""

    def __init__(self, model: Model, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._model = model
        self._device = UsbSerial(model) if isinstance(model, VirtualUsbrh2) else model
        self._reader = reader
        self._writer = writer
        self._plug_in = model.plug_ins
        self._waiting: dict[int, wire.Submit] = {}  # URBs the device has not answered yet, oldest first
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve URBs until the host hangs up or the sensor is unplugged."""
        while True:
            header = await self._reader.readexactly(wire.COMMAND.size)
            command, seqnum, *_ = wire.COMMAND.unpack(header)
            if command == wire.CMD_SUBMIT:
                await self._submit(wire.Submit.parse(header))
            elif command == wire.CMD_UNLINK:
                (unlinked,) = wire.UNLINK.unpack(header)
                cancelled = self._waiting.pop(unlinked, None) is not None
                self._writer.write(wire.ret_unlink(seqnum, -errno.ECONNRESET if cancelled else 0))
            else:
                raise _ProtocolError(f"unknown command {command:#x}")
            self.pump()
            await self._writer.drain()

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pump(self) -> None:
        """Answer waiting URBs with what the device has now, and again when the device will do something."""
        self.stop()
        silent = set()
        for urb in [urb for urb in self._waiting.values() if urb.endpoint]:
            if urb.endpoint not in silent and not self._transfer(urb):
                silent.add(urb.endpoint)
        if not self._model.plugged or self._model.plug_ins != self._plug_in:
            # No message: to the kernel, a dropped connection is an unplugged device.
            self._writer.transport.abort()
            return
        event = self._model.next_event()
        if event is not None:
            delay = max(0.0, event - self._model.clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self.pump)

    async def _submit(self, urb: wire.Submit) -> None:
        if not 0 <= urb.length <= wire.MAX_DATA:
            raise _ProtocolError(f"a transfer of {urb.length} bytes")
        if urb.packets not in (0, -1):
            raise _ProtocolError("an isochronous transfer")
        data = await self._reader.readexactly(urb.length) if urb.direction == wire.OUT else b""
        if urb.seqnum in self._waiting:
            raise _ProtocolError(f"sequence number {urb.seqnum} twice")
        if urb.endpoint and urb.direction == wire.IN:
            self._waiting[urb.seqnum] = urb  # pump() serves it in its turn
        else:
            self._transfer(urb, data)

    def _transfer(self, urb: wire.Submit, data: bytes = b"") -> bool:
        """Try one transfer and send its result; False if it has to wait."""
        try:
            answer = self._attempt(urb, data)
        except TransferError as error:
            self._waiting.pop(urb.seqnum, None)
            if error.errno != errno.ENODEV:  # the dropped connection reports that one
                # A failure on the bus itself is EPROTO to a host; libusb reports an I/O error.
                status = errno.EPROTO if error.errno == errno.EIO else error.errno
                self._writer.write(wire.ret_submit(urb.seqnum, -status, 0))
            return True
        if answer is None:
            self._waiting[urb.seqnum] = urb
            return False
        self._waiting.pop(urb.seqnum, None)
        if urb.direction == wire.OUT:
            self._writer.write(wire.ret_submit(urb.seqnum, 0, len(data)))
        else:
            short = len(answer) < urb.length and urb.flags & wire.URB_SHORT_NOT_OK
            status = -errno.EREMOTEIO if short else 0
            self._writer.write(wire.ret_submit(urb.seqnum, status, len(answer), answer))
        return True

    def _attempt(self, urb: wire.Submit, data: bytes) -> bytes | None:
        if urb.endpoint == 0:
            kind, request, value, index, _ = wire.SETUP.unpack(urb.setup)
            return self._device.control((kind, request), value, index, data, urb.length)
        if isinstance(self._device, UsbSerial):
            if urb.direction == wire.IN:
                return self._device.endpoint_in(urb.endpoint, urb.length)
            self._device.endpoint_out(urb.endpoint, data)
            return b""
        if (urb.endpoint, urb.direction) != (1, wire.IN):
            raise TransferError(errno.EPIPE)
        answer = self._device.interrupt_in()
        if answer is not None and len(answer) > urb.length:
            raise TransferError(errno.EOVERFLOW)
        return answer
