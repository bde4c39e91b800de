"""Which of a name's addresses to connect to, and in which order (TR-069a6 3.1).

Theory of operation
-------------------
A name may have many addresses: a CPE takes one at random, so that an operator's servers share the load, and
then stays with it for as long as the name has the same addresses, since that server knows it. Another is tried
when it cannot be reached. `AddressBook` remembers, for each name, its addresses and the one that worked.

The name is asked for anew whenever a connection is opened, so nothing outlives its time to live: caching is left
to the router's own name server, which honours TTLs, and which the system's resolver asks. (A resolver of ours
would have to bring dnspython into the process, 4 MB of it, only to know when to ask the same server again.) If
no name server answers, the addresses it gave last are used, as the standard allows.

`connect` is happy eyeballs (RFC 8305): the next address is tried when the one before failed or took `_STEP`, and
the first connection wins. The address to stay with gets `_HEAD_START`, since to be slow is no reason to leave it.
The families alternate, and the system's resolver says which of them is first (RFC 6724).
"""

from __future__ import annotations

import os
import random as chance
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

import trio

_STEP = 0.25
_HEAD_START = 3.0
_MAX_ADDRESSES = 16
_MAX_NAMES = 16


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect to, as the socket wants it; `host` is its text."""

    family: int
    sockaddr: tuple[Any, ...]

    @property
    def host(self) -> str:
        return str(self.sockaddr[0])


class AddressBook:
    """The addresses of names, and which of them worked. `document` is what `to_document` gave, as it was kept."""

    def __init__(self, document: object = None, shuffle: Any = chance.shuffle) -> None:
        self._shuffle = shuffle
        self._known: dict[str, tuple[frozenset[str], str]] = {}
        for name, entry in document.items() if isinstance(document, dict) else ():
            if isinstance(entry, list) and entry and all(isinstance(a, str) for a in entry):
                self._known[name] = frozenset(entry), entry[0]

    def order(self, name: str, found: Sequence[Address]) -> list[Address]:
        """What the resolver found, in the order in which to try it."""
        families = list(dict.fromkeys(a.family for a in found))
        groups = [[a for a in found if a.family == family] for family in families]
        for group in groups:
            self._shuffle(group)
        ordered = [a for a in chain.from_iterable(zip_longest(*groups)) if a is not None]
        chosen = self.chosen(name, found)
        return sorted(ordered, key=lambda a: a.host != chosen)[:_MAX_ADDRESSES]

    def chosen(self, name: str, found: Sequence[Address]) -> str:
        """The address to stay with; "" where there is none, or the name has others than it had."""
        addresses, worked = self._known.get(name, (frozenset(), ""))
        return worked if addresses == {a.host for a in found} else ""

    def worked(self, name: str, address: str, found: Sequence[Address]) -> None:
        """There is a connection to that address."""
        self._known.pop(name, None)
        self._known[name] = frozenset(a.host for a in found) | {address}, address
        while len(self._known) > _MAX_NAMES:
            self._known.pop(next(iter(self._known)))

    def last(self, name: str) -> list[str]:
        """The addresses the name had when it was last reached; the one that worked is the first."""
        addresses, worked = self._known.get(name, (frozenset(), ""))
        return sorted(addresses, key=lambda a: (a != worked, a))

    def to_document(self) -> dict[str, list[str]]:
        """JSON; for each name its addresses, the one that worked first."""
        return {name: self.last(name) for name in self._known}


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a name, or an address as it is.

    Raises:
        socket.gaierror: there are none, or nobody answers.
    """
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(Address(int(family), sockaddr) for family, _, _, _, sockaddr in found))


async def connect(candidates: Sequence[Address], *, stay: str = "") -> tuple[trio.SocketStream, Address]:
    """A connection to one of `candidates`, and which; `stay` is the address that gets a head start.

    Raises:
        OSError: none of them takes a connection; its text names each with its reason.
    """
    won: list[tuple[trio.SocketStream, Address]] = []
    failures: list[str] = []

    async def attempt(candidate: Address, failed: trio.Event, nursery: trio.Nursery) -> None:
        try:
            stream = await _open(candidate)
        except OSError as error:
            reason = (
                os.strerror(error.errno) if error.errno else str(error)
            )  # trio puts the address into its own
            failures.append(f"{candidate.host}: {reason}")
            failed.set()
            return
        if won:
            await trio.aclose_forcefully(stream)
        else:
            won.append((stream, candidate))
            nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            for candidate in candidates:
                failed = trio.Event()
                nursery.start_soon(attempt, candidate, failed, nursery)
                with trio.move_on_after(_HEAD_START if candidate.host == stay else _STEP):
                    await failed.wait()
    except BaseException:
        for stream, _ in won:
            await trio.aclose_forcefully(stream)
        raise
    if won:
        return won[0]
    reasons = {failure.partition(": ")[2] for failure in failures}
    raise OSError(reasons.pop() if len(reasons) == 1 else "; ".join(failures))


async def _open(candidate: Address) -> trio.SocketStream:
    connecting = trio.socket.socket(candidate.family, socket.SOCK_STREAM)
    try:
        await connecting.connect(candidate.sockaddr)
        return trio.SocketStream(connecting)
    except BaseException:
        connecting.close()
        raise
