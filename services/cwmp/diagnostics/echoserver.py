"""UDPEchoConfig: Device.IP.Diagnostics.UDPEchoConfig. (TR-143's UDP Echo server, with Echo Plus).

While Enable is true, datagrams that come in on UDPPort go back to their sender; with Echo Plus their header says
when that was. Enabling it sets the counters back. It is no test: it has no DiagnosticsState and runs for as long
as it is enabled, over reboots too.

A datagram from a port of a service that answers anything, ourselves included, is counted and not answered: two
such services would go on for ever.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import trio

from cwmp.contract import FaultCode, ParameterFault
from cwmp.diagnostics import echoplus
from cwmp.diagnostics.definition import Failed, Input, Means, boolean, is_true, text, unsigned
from cwmp.diagnostics.times import date_time

if TYPE_CHECKING:
    from cwmp.diagnostics.batch import Batch

NAME = "UDPEchoConfig"
PATH = "Device.IP.Diagnostics.UDPEchoConfig."

_RETRY = 10.0
_BATCHES = 4
"""Without looking after anything else."""
_UDP_HEADER = 8
_ANSWER_ANYTHING = frozenset({0, 7, 13, 17, 19})
_WRAP = 1 << 32
_PKTINFO = {
    socket.AF_INET: (socket.IPPROTO_IP, 8),
    socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO),
}


def _address(value: str) -> str:
    try:
        ipaddress.ip_address(value or "::")
    except ValueError:
        return "not an IP address"
    return ""


INPUTS: Mapping[str, Input] = MappingProxyType(
    {
        "Enable": Input("false", boolean),
        "Interface": Input("", text(256)),
        "SourceIPAddress": Input("", _address),
        "UDPPort": Input("7", unsigned(1, 65535)),
        "EchoPlusEnabled": Input("false", boolean),
    }
)


@dataclass(slots=True)
class Counters:
    """What was received and answered since it was enabled; bytes with the UDP header, times in ns."""

    packets_received: int = 0
    packets_responded: int = 0
    bytes_received: int = 0
    bytes_responded: int = 0
    first: int = 0
    last: int = 0
    failures: int = 0
    started: int = field(default_factory=time.monotonic_ns)

    def results(self) -> dict[str, str]:
        return {
            "EchoPlusSupported": "true",
            "PacketsReceived": str(self.packets_received % _WRAP),
            "PacketsResponded": str(self.packets_responded % _WRAP),
            "BytesReceived": str(self.bytes_received % _WRAP),
            "BytesResponded": str(self.bytes_responded % _WRAP),
            "TimeFirstPacketReceived": date_time(self.first),
            "TimeLastPacketReceived": date_time(self.last),
        }


class EchoServer:
    """The server and its parameters. `save` makes the inputs durable; `kept` is what it saved last."""

    path = PATH

    def __init__(self, kept: object, *, means: Means, save: Callable[[Mapping[str, str]], None]) -> None:
        found = kept if isinstance(kept, dict) else {}
        self.inputs = {
            name: value
            if isinstance(value := found.get(name), str) and not item.check(value)
            else item.default
            for name, item in INPUTS.items()
        }
        self.counters = Counters()
        self._means = means
        self._save = save
        self._changed = trio.Event()
        self._scope = trio.CancelScope()

    @property
    def active(self) -> bool:
        """Whether it serves, or has counted something that nothing else remembers."""
        return is_true(self.inputs["Enable"]) or self.counters.packets_received > 0

    def parameters(self) -> dict[str, str]:
        """All parameters by full path."""
        return {PATH + name: value for name, value in {**self.inputs, **self.counters.results()}.items()}

    def check(self, values: Mapping[str, str]) -> list[ParameterFault]:
        """What is wrong with writing `values` (by name without path)."""
        wrong: list[ParameterFault] = []
        for name, value in values.items():
            if name in INPUTS:
                if reason := INPUTS[name].check(value):
                    wrong.append(ParameterFault(PATH + name, FaultCode.INVALID_PARAMETER_VALUE, reason))
            elif name in self.counters.results():
                wrong.append(ParameterFault(PATH + name, FaultCode.NOT_WRITABLE, "it is a result"))
            else:
                reason = "there is no such parameter"
                wrong.append(ParameterFault(PATH + name, FaultCode.INVALID_PARAMETER_NAME, reason))
        return wrong

    def write(self, values: Mapping[str, str]) -> None:
        """Write parameters that were checked.

        Raises:
            OSError: they could not be made durable; nothing has changed.
        """
        inputs = {**self.inputs, **values}
        self._save(inputs)
        if is_true(inputs["Enable"]) and not is_true(self.inputs["Enable"]):
            self.counters = Counters()
        if inputs != self.inputs:
            self.inputs = inputs
            self._scope.cancel()
            self._changed.set()

    async def run(self) -> None:
        """Serve while it is enabled; runs until it is cancelled."""
        while True:
            self._changed = trio.Event()
            if is_true(self.inputs["Enable"]):
                with trio.CancelScope() as self._scope:
                    try:
                        await self._serve()
                    except (Failed, OSError) as error:
                        self._means.log.warning("%s: port %s: %s", NAME, self.inputs["UDPPort"], error)
                    await trio.sleep(_RETRY)
            else:
                await self._changed.wait()

    async def _serve(self) -> None:
        device = await self._means.device(self.inputs["Interface"])
        opened: list[socket.socket] = []
        try:
            for family in (socket.AF_INET, socket.AF_INET6):
                if sock := self._open(family, device):
                    opened.append(sock)
            self._means.log.info("%s: answering on port %s", NAME, self.inputs["UDPPort"])
            async with trio.open_nursery() as nursery:
                for sock in opened:
                    nursery.start_soon(self._answer_all, sock)
        finally:
            for sock in opened:
                sock.close()

    def _open(self, family: socket.AddressFamily, device: str) -> socket.socket | None:
        """A socket on the port; None for a family that there is not."""
        try:
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        except OSError:
            return None
        try:
            sock.setsockopt(*_PKTINFO[family], 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if device:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
            sock.bind(("", int(self.inputs["UDPPort"])))
        except BaseException:
            sock.close()
            raise
        return sock

    async def _answer_all(self, sock: socket.socket) -> None:
        from cwmp.diagnostics.batch import Batch  # noqa: PLC0415  # not needed where nobody enables it

        batch = Batch()
        while True:
            await trio.lowlevel.wait_readable(sock)
            for _ in range(_BATCHES):
                sizes = batch.receive(sock)
                if not sizes:
                    break
                self._answer(sock, batch, sizes)

    def _answer(self, sock: socket.socket, batch: Batch, sizes: Sequence[int]) -> None:
        """Send a batch back, each from the address that it came to, which the routing table might not choose."""
        counters, received = self.counters, self._clock()
        ours: Sequence[int] = range(len(sizes))
        if wanted := self.inputs["SourceIPAddress"]:
            only = ipaddress.ip_address(wanted)
            ours = [i for i in ours if ipaddress.ip_address(batch.address(i)) == only]
            if not ours:
                return
        counters.packets_received += len(ours)
        counters.bytes_received += sum(sizes[i] for i in ours) + _UDP_HEADER * len(ours)
        counters.last = time.time_ns()
        counters.first = counters.first or counters.last
        ports = batch.ports(len(sizes))
        if not self._silent_for.isdisjoint(ports):
            ours = [i for i in ours if ports[i] not in self._silent_for]
        if is_true(self.inputs["EchoPlusEnabled"]):
            for number, i in enumerate(ours):
                self._stamp(batch.payload(i, sizes[i]), number, received)
        failed = set(batch.answer(sock, ours))
        counters.failures += len(failed)
        counters.packets_responded += len(ours) - len(failed)
        counters.bytes_responded += sum(sizes[i] + _UDP_HEADER for i in ours if i not in failed)

    def _stamp(self, payload: memoryview, number: int, received: int) -> None:
        """Write what the server knows into the header of Echo Plus; shorter packets have none."""
        header = echoplus.unpack(bytes(payload[: echoplus.SIZE]))
        if header is not None:
            answered = self.counters.packets_responded + number
            failures = self.counters.failures
            stamped = echoplus.Header(header.gen_sn, answered, received, self._clock(), failures)
            payload[: echoplus.SIZE] = stamped.pack()

    @property
    def _silent_for(self) -> frozenset[int]:
        """Source ports that are not answered."""
        return _ANSWER_ANYTHING | {int(self.inputs["UDPPort"])}

    def _clock(self) -> int:
        """µs since it was enabled."""
        return (time.monotonic_ns() - self.counters.started) // 1000
