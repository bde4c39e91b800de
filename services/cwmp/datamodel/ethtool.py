"""The counters of a port's own hardware (``ethtool -S``): what the kernel's statistics do not tell apart.

Their names are each driver's own: ``RxBroad``, ``in_broadcasts``, ``ifInBroadcastPkts``, ``rx_broadcast``. Those that
are packets of one kind in one direction are found by the words in them.
"""

from __future__ import annotations

import array
import fcntl
import re
import socket
import struct
from collections.abc import Sequence

_SIOCETHTOOL = 0x8946
_GSTRINGS, _GSTATS, _GSSET_INFO = 0x1B, 0x1D, 0x37
_STATISTICS = 1  # ETH_SS_STATS
_NAME = 32
_MOST = 4096
_MARGIN = 64
"""The kernel writes as many as there are and not as many as there is room for, and there may be more by then."""

_NO_PACKETS = re.compile(r"byte|octet|err|drop|bad|discard|pause|filter|^p\d\d_", re.IGNORECASE)
_KINDS = (("unicast", r"uni|ucast"), ("multicast", r"multi|mcast"), ("broadcast", r"broad|bcast"))
_WAYS = (("received", r"rx|ifin|^in_|receive"), ("sent", r"tx|ifout|^out_|sent|transmit"))


def read(device: str) -> dict[str, int]:
    """``broadcast received``, ``multicast sent`` and so on, as far as the driver counts them; none of a device that
    has no such counters."""
    try:
        return _kinds(_counters(device))
    except OSError:
        return {}


def parse(text: str) -> dict[str, int]:
    """As `read`, of what ``ethtool -S`` prints."""
    lines = (line.rpartition(":") for line in text.splitlines())
    return _kinds([(name.strip(), int(value)) for name, _, value in lines if value.strip().isdecimal()])


def _kinds(counters: Sequence[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, value in counters:
        if kind := classify(name):
            found.setdefault(kind, value)
    return found


def classify(name: str) -> str:
    """What a driver's counter counts, like ``broadcast received``; "" where it is something else."""
    if _NO_PACKETS.search(name):
        return ""
    kind = next((k for k, words in _KINDS if re.search(words, name, re.IGNORECASE)), "")
    way = next((w for w, words in _WAYS if re.search(words, name, re.IGNORECASE)), "")
    return f"{kind} {way}" if kind and way else ""


def _counters(device: str) -> list[tuple[str, int]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as handle:
        info = _ask(handle, device, struct.pack("=IIQI", _GSSET_INFO, 0, 1 << _STATISTICS, 0))
        (count,) = struct.unpack_from("=I", info, 16)
        if count > _MOST:
            return []
        room = count + _MARGIN
        names = _ask(handle, device, struct.pack("=III", _GSTRINGS, _STATISTICS, count) + bytes(room * _NAME))
        values = _ask(handle, device, struct.pack("=II", _GSTATS, count) + bytes(room * 8))
    if struct.unpack_from("=8xI", names) != (count,) or struct.unpack_from("=4xI", values) != (count,):
        return []
    names, values = names[12:], values[8:]
    texts = (names[i * _NAME : (i + 1) * _NAME].partition(b"\0")[0] for i in range(count))
    return [
        (text.decode("ascii", "replace"), value)
        for text, value in zip(texts, struct.unpack_from(f"={count}Q", values), strict=True)
    ]


def _ask(handle: socket.socket, device: str, request: bytes) -> bytes:
    """The request as the kernel has filled it in."""
    buffer = array.array("B", request)
    address, _ = buffer.buffer_info()
    fcntl.ioctl(handle, _SIOCETHTOOL, struct.pack("16sP", device.encode()[:15], address) + bytes(16))
    return buffer.tobytes()
