"""The sockets around the bus.

Each client has one task that reads; what the bus wants to send is written at once, by whatever task caused it, and
only what the kernel does not take gets a task of its own until it is written. So one client that does not read
holds up nobody.
"""

import errno
import logging
import os
import socket
import stat
from pathlib import Path
from typing import Final

import trio

from ubuskit.broker._acl_files import load_acl
from ubuskit.broker._credentials import peer_credentials
from ubuskit.errors import ProtocolError, UbusError
from ubuskit.protocol.bus import Bus, Peer

__all__ = ["AddressTaken", "Broker", "serve"]

_log = logging.getLogger(__name__)
_READ_SIZE: Final = 65536
_BACKLOG: Final = 128
_NO_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class AddressTaken(UbusError):
    """Something that this daemon must not replace is at the socket's path."""


class Broker:
    """A running daemon. ``dropped`` counts the messages that clients lost because they did not read."""

    def __init__(self, path: str, acl_dir: Path | None) -> None:
        self.path = path
        self._acl_dir = acl_dir
        self.bus = Bus(load_acl(acl_dir))

    @property
    def dropped(self) -> int:
        return self.bus.dropped

    def reload_acl(self) -> None:
        """Read the access rules again; clients keep their connections."""
        self.bus.set_acl(load_acl(self._acl_dir))

    async def _run(self, listener: socket.socket) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                await trio.lowlevel.wait_readable(listener)
                try:
                    connection, _ = listener.accept()
                except OSError as error:
                    if error.errno in _NO_DESCRIPTORS:
                        _log.error("cannot accept a client: %s; trying again in a second", error)
                        await trio.sleep(1)
                    continue
                connection.setblocking(False)
                nursery.start_soon(_Client(self.bus, connection).run)


class _Client:
    def __init__(self, bus: Bus, connection: socket.socket) -> None:
        self._bus = bus
        self._connection = connection
        self._stuck = trio.Event()
        self._told_of_drops = False

    async def run(self) -> None:
        """Serve one client until it leaves."""
        try:
            credentials = peer_credentials(self._connection)
        except OSError as error:
            _log.warning("a client left before it was known who it is: %s", error)
            self._connection.close()
            return
        peer = self._bus.connect(credentials, self._flush)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write_rest, peer)
                await self._read(peer)
                nursery.cancel_scope.cancel()
        finally:
            self._bus.disconnect(peer)
            trio.lowlevel.notify_closing(self._connection)
            self._connection.close()

    async def _read(self, peer: Peer) -> None:
        """Until the client leaves or sends what is no message.

        ``recv`` without room for control data makes the kernel close descriptors that come along.
        """
        connection, bus = self._connection, self._bus
        while True:
            await trio.lowlevel.wait_readable(connection)
            try:
                data = connection.recv(_READ_SIZE)
            except BlockingIOError:
                continue
            except OSError:
                return
            if not data:
                return
            try:
                bus.receive(peer, data)
            except ProtocolError as error:
                _log.warning("client %08x (user %s) is dropped: %s", peer.id, peer.credentials.user, error)
                return
            except Exception:
                _log.exception(
                    "client %08x (user %s) is dropped: its message failed", peer.id, peer.credentials.user
                )
                return

    def _flush(self, peer: Peer) -> None:
        outbox = peer.outbox
        try:
            while outbox.size:
                outbox.advance(self._connection.send(outbox.front()))
        except BlockingIOError:
            self._stuck.set()
        except OSError:
            return  # the reader sees that it is gone
        if peer.dropped and not self._told_of_drops:
            self._told_of_drops = True
            _log.warning(
                "client %08x (user %s) does not read: messages for it are dropped",
                peer.id,
                peer.credentials.user,
            )

    async def _write_rest(self, peer: Peer) -> None:
        """Write what could not be written at once."""
        while True:
            await self._stuck.wait()
            self._stuck = trio.Event()
            while peer.outbox.size:
                await trio.lowlevel.wait_writable(self._connection)
                self._flush(peer)
            if self._told_of_drops:
                self._told_of_drops = False
                _log.warning("client %08x reads again; dropped for it so far: %d", peer.id, peer.dropped)
            self._bus.drained(peer)


async def serve(
    path: str | Path,
    *,
    acl_dir: Path | None = None,
    task_status: "trio.TaskStatus[Broker]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """Be the ubus daemon at ``path`` until cancelled; the socket is removed then.

    Without ``acl_dir`` only root and the user this runs as may do anything. A socket that nobody serves any longer
    is replaced. Raises AddressTaken when another daemon answers there, or what is there is no socket; OSError.
    """
    path = str(path)
    broker = Broker(path, acl_dir)
    with _listen(path) as listener:
        mine = os.stat(path)
        try:
            task_status.started(broker)
            await broker._run(listener)
        finally:
            _remove(path, mine)


def _listen(path: str) -> socket.socket:
    _clear(path)
    Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.bind(path)
        os.chmod(path, 0o666)  # noqa: S103  everybody may connect, access rules decide what they may do
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _clear(path: str) -> None:
    """Remove a socket that nobody serves any longer."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise AddressTaken(f"{path} is there and is no socket; remove it or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except FileNotFoundError:
            return
        except BlockingIOError:
            pass  # its backlog is full, so it has one
    raise AddressTaken(f"another ubus daemon answers at {path}; stop it or choose another path")


def _remove(path: str, mine: os.stat_result) -> None:
    try:
        if os.path.samestat(os.lstat(path), mine):
            os.unlink(path)
    except FileNotFoundError:
        pass
