"""Many datagrams with one call of the kernel (recvmmsg, sendmmsg), for a server that sends back what it is sent.

What came is answered where it lies: header, address and ancillary data of a datagram go back as they are, so that
Python looks at a batch and not at each datagram. Each has room for the largest there is; memory is only used for what
has come so far.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import socket
import struct
from collections.abc import Sequence

ROOM = 1 << 16
"""Bytes for one datagram."""

_CONTROL = 128
_NAME = 28  # struct sockaddr_in6
_DONT_WAIT = 0x40


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """struct msghdr, as the kernel has it."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vector", ctypes.c_void_p),
        ("vectors", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Header(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (("message", _Message), ("size", ctypes.c_uint32))


class Batch:
    """At most `most` datagrams. What `receive` gave stays until it is called again."""

    def __init__(self, most: int = 32) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._payloads = mmap.mmap(-1, most * ROOM)
        self._names = bytearray(most * _NAME)
        self._control = bytearray(most * _CONTROL)
        self._vectors = (_Vector * most)()
        self._headers = (_Header * most)()
        self._chosen = (_Header * most)()
        payloads, names, control = (
            ctypes.addressof(ctypes.c_char.from_buffer(b))
            for b in (self._payloads, self._names, self._control)
        )
        for i in range(most):
            self._vectors[i] = _Vector(payloads + i * ROOM, ROOM)
            vector = ctypes.addressof(self._vectors) + i * ctypes.sizeof(_Vector)
            message = _Message(names + i * _NAME, _NAME, vector, 1, control + i * _CONTROL, _CONTROL, 0)
            self._headers[i] = _Header(message, 0)
        self._most = most
        self._view = memoryview(self._payloads)
        self._fresh = bytes(self._headers), bytes(self._vectors)
        self._raw = memoryview(self._headers).cast("B"), memoryview(self._vectors).cast("B")
        self._lengths = self._raw[1].cast("L")  # of the size of size_t
        stride, at = ctypes.sizeof(_Header), _Header.size.offset
        self._size_of = struct.Struct(f"={at}xI{stride - at - 4}x")
        self._port_of = struct.Struct(f">2xH{_NAME - 4}x")

    def receive(self, sock: socket.socket) -> list[int]:
        """The sizes of what has come; nothing when nothing has, or only what became of an answer."""
        for raw, fresh in zip(self._raw, self._fresh, strict=True):
            raw[:] = fresh
        count = self._libc.recvmmsg(sock.fileno(), self._headers, self._most, _DONT_WAIT, None)
        if count <= 0:
            return []
        length = count * self._size_of.size
        sizes = [size for (size,) in self._size_of.iter_unpack(self._raw[0][:length])]
        for i, size in enumerate(sizes):
            self._lengths[2 * i + 1] = size
        return sizes

    def ports(self, count: int) -> list[int]:
        """From which the first `count` came."""
        names = memoryview(self._names)[: count * _NAME]
        return [port for (port,) in self._port_of.iter_unpack(names)]

    def address(self, index: int) -> str:
        """From which one came."""
        name = self._names[index * _NAME : (index + 1) * _NAME]
        (family,) = struct.unpack_from("=H", name)
        raw = name[4:8] if family == socket.AF_INET else name[8:24]
        return socket.inet_ntop(family, bytes(raw))

    def payload(self, index: int, size: int) -> memoryview:
        """One datagram, which may be changed."""
        return self._view[index * ROOM : index * ROOM + size]

    def answer(self, sock: socket.socket, chosen: Sequence[int] | range) -> list[int]:
        """Send those back to where they came from; those that could not be sent."""
        headers = self._headers
        if chosen != range(len(chosen)):
            headers = self._chosen
            for place, index in enumerate(chosen):
                headers[place] = self._headers[index]
        failed: list[int] = []
        done = 0
        while done < len(chosen):
            first = ctypes.byref(headers, done * ctypes.sizeof(_Header))
            sent = self._libc.sendmmsg(sock.fileno(), first, len(chosen) - done, _DONT_WAIT)
            if sent < 0 and ctypes.get_errno() == errno.EINTR:
                continue
            done += max(0, sent)
            if sent <= 0:
                failed.append(chosen[done])
                done += 1
        return failed
