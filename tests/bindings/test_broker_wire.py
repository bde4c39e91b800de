"""Conversations of the real ubus command with the real daemon, held with our bus instead: the same octets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ubuskit.protocol import AddObject, Data, FrameReader, Hello, parse
from ubuskit.protocol.acl import Credentials
from ubuskit.protocol.bus import Bus, Peer

WIRE = Path(__file__).parent / "wire"
CONVERSATIONS = sorted(WIRE.glob("*.wire"))
ROOT = Credentials(0, 0, user="root", group="root")


def steps(path: Path) -> list[tuple[str, str, bytes]]:
    found = []
    for line in path.read_text().splitlines():
        name, what, *octets = line.split()
        found.append((name, what, bytes.fromhex("".join(octets))))
    return found


def dealt_ids(conversation: list[tuple[str, str, bytes]]) -> Iterator[int]:
    """The random ids the real daemon dealt out, in the order it did."""
    readers: dict[tuple[str, str], FrameReader] = {}
    additions: set[tuple[str, int]] = set()
    for name, what, octets in conversation:
        for frame in readers.setdefault((name, what), FrameReader()).feed(octets):
            message = parse(frame)
            if isinstance(message, Hello):
                yield frame.peer
            elif isinstance(message, AddObject):
                additions.add((name, frame.seq))
            elif isinstance(message, Data) and (name, frame.seq) in additions and what == "<":
                additions.remove((name, frame.seq))
                if message.objtype is not None:
                    yield message.objtype
                if message.objid is not None:
                    yield message.objid


def replay(path: Path, piece: int | None) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """What the real daemon said to each client, and what our bus says."""
    conversation = steps(path)
    bus = Bus(new_id=dealt_ids(conversation).__next__)
    peers: dict[str, Peer] = {}
    theirs: dict[str, bytes] = {}
    ours: dict[str, bytes] = {}

    def connect(name: str) -> None:
        theirs[name] = ours[name] = b""

        def flush(peer: Peer) -> None:
            while peer.outbox.size:
                octets = bytes(peer.outbox.front())
                ours[name] += octets
                peer.outbox.advance(len(octets))

        peers[name] = bus.connect(ROOT, flush)

    for name, what, octets in conversation:
        if what == "+":
            connect(name)
        elif what == "-":
            bus.disconnect(peers[name])
        elif what == "<":
            theirs[name] += octets
        else:
            size = piece or len(octets)
            for start in range(0, len(octets), size):
                bus.receive(peers[name], octets[start : start + size])
    return theirs, ours


@pytest.mark.parametrize("piece", [None, 1], ids=["whole", "octet-by-octet"])
@pytest.mark.parametrize("path", CONVERSATIONS, ids=lambda path: path.stem)
def test_our_bus_says_what_the_real_daemon_said(path: Path, piece: int | None) -> None:
    theirs, ours = replay(path, piece)
    for name, octets in theirs.items():
        assert ours[name].hex() == octets.hex(), f"what {name} is told"


def test_the_conversations_are_there() -> None:
    assert {path.stem for path in CONVERSATIONS} >= {
        "call",
        "listen",
        "lists",
        "monitor",
        "subscribe",
        "wait_for",
    }
