"""Files over FTP for the throughput tests: anonymous, binary, passive (RFC 959, RFC 2428), each byte counted.

The times of a flow are those of its data connection (TR-143). The server's idea of its own address is not
believed: data goes to the host that was resolved.
"""

from __future__ import annotations

import os
import re
import socket
import time
from contextlib import closing
from urllib.parse import unquote

import trio

from cwmp.diagnostics import states
from cwmp.diagnostics.definition import Failed
from cwmp.diagnostics.httpload import (
    ERROR_INCORRECT_SIZE,
    ERROR_NO_TRANSFER_COMPLETE,
    ERROR_TRANSFER_FAILED,
    drop_all,
    receive_some,
    send,
    send_file,
)
from cwmp.diagnostics.throughput import ERROR_NO_RESPONSE, Flow, Job

ERROR_PASSWORD_REQUEST_FAILED = "Error_PasswordRequestFailed"
ERROR_LOGIN_FAILED = "Error_LoginFailed"
ERROR_NO_TRANSFER_MODE = "Error_NoTransferMode"
ERROR_NO_PASV = "Error_NoPASV"
ERROR_NO_CWD = "Error_NoCWD"
ERROR_NO_STOR = "Error_NoSTOR"

_PORT = 21
_PIECE = 64 << 10
_MAX_LINE = 4 << 10
_MAX_LINES = 200


async def download(job: Job, flow: Flow) -> None:
    """RETR the file; with a time limit again and again until it is over.

    Raises:
        Failed: it did not come whole.
    """
    name = _path(job)
    flow.scope = trio.CancelScope()
    with flow.scope, closing(await _Control.login(job, flow)) as control:
        size = await control.size(name)
        while True:
            with await control.passive(job, flow) as data:
                flow.requested = flow.requested or time.time_ns()
                await control.ask(f"RETR {name}", "1", ERROR_TRANSFER_FAILED)
                received = await drop_all(data, flow, job.meter)
                job.meter.ends(flow)
            await control.reply("2", ERROR_TRANSFER_FAILED)
            if size not in (None, received):
                raise Failed(ERROR_INCORRECT_SIZE, f"{received} bytes came of {size}")
            if not job.timed:
                return
    job.meter.ends(flow)


async def upload(job: Job, flow: Flow) -> None:
    """STOR a file of the job's length; with a time limit one that goes on until it is over.

    Raises:
        Failed: it was not taken.
    """
    *directories, name = _path(job).split("/")
    piece = os.urandom(_PIECE)
    with closing(await _Control.login(job, flow)) as control:
        for directory in directories:
            await control.ask(f"CWD {directory}", "2", ERROR_NO_CWD)
        with await control.passive(job, flow) as data:
            flow.sock = data
            flow.requested = time.time_ns()
            await control.ask(f"STOR {name}", "1", ERROR_NO_STOR)
            job.meter.begins(flow)
            if job.timed:
                while not job.meter.over:
                    await send(data, piece, ERROR_NO_TRANSFER_COMPLETE, flow)
            else:
                await send_file(data, piece, job.length, ERROR_NO_TRANSFER_COMPLETE, flow)
        await control.reply("2", ERROR_NO_TRANSFER_COMPLETE)
        job.meter.ends(flow)


class _Control:
    """The control connection. Each command states which digit its reply has to begin with."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._received = bytearray()

    def close(self) -> None:
        self._socket.close()

    @classmethod
    async def login(cls, job: Job, flow: Flow) -> _Control:
        control = cls(await job.connect(flow, job.url.port or _PORT))
        try:
            await control.reply("2", ERROR_NO_RESPONSE)
            code = await control.ask("USER anonymous", "23", ERROR_PASSWORD_REQUEST_FAILED)
            if code[0] == "3":
                await control.ask("PASS anonymous@", "2", ERROR_LOGIN_FAILED)
            await control.ask("TYPE I", "2", ERROR_NO_TRANSFER_MODE)
        except BaseException:
            control.close()
            raise
        return control

    async def size(self, name: str) -> int | None:
        """The size of a file, where the server says it (RFC 3659)."""
        found = re.fullmatch(r"213 +([0-9]{1,20})", await self.ask(f"SIZE {name}", "2345", ERROR_NO_RESPONSE))
        return int(found[1]) if found else None

    async def passive(self, job: Job, flow: Flow) -> socket.socket:
        """A data connection."""
        if job.target.family == socket.AF_INET6:
            answer = await self.ask("EPSV", "2", ERROR_NO_PASV)
            found = re.search(r"\(\|\|\|([0-9]{1,5})\|\)", answer)
            port = int(found[1]) if found else 0
        else:
            answer = await self.ask("PASV", "2", ERROR_NO_PASV)
            found = re.search(r"([0-9]{1,3}),([0-9]{1,3})\)?[^0-9]*$", answer)
            port = int(found[1]) << 8 | int(found[2]) if found else 0
        if not 0 < port < 65536:
            raise Failed(ERROR_NO_PASV, f"the server names no port: {answer[:80]}")
        if flow.begin is None:
            flow.open_request = flow.open_response = 0  # so far those of the control connection
        return await job.connect(flow, port)

    async def ask(self, command: str, good: str, state: str) -> str:
        """Send a command; its reply. Raises Failed with `state` where that begins with none of `good`."""
        await send(self._socket, f"{command}\r\n".encode(), state)
        return await self.reply(good, state)

    async def reply(self, good: str, state: str) -> str:
        """The last line of the next reply, which may have several (RFC 959 4.2)."""
        first = last = await self._line(state)
        if first[3:4] == "-":
            for _ in range(_MAX_LINES):
                last = await self._line(state)
                if last.startswith(f"{first[:3]} "):
                    break
        if not last[:3].isdecimal() or last[0] not in good:
            raise Failed(state, f"the server answered {last[:80]}")
        return last

    async def _line(self, state: str) -> str:
        while b"\n" not in self._received:
            if len(self._received) > _MAX_LINE:
                raise Failed(state, "the server's answer does not end")
            data = await receive_some(self._socket, ERROR_NO_RESPONSE)
            if not data:
                raise Failed(state, "the server closed the connection")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        text = line.rstrip(b"\r").decode("utf-8", "backslashreplace")
        return "".join(c if c.isprintable() else "?" for c in text)  # it is shown to people


def _path(job: Job) -> str:
    """The file's path below the directory one is in after login (RFC 1738 3.2.2)."""
    path = unquote(job.url.path.removeprefix("/"))
    if not path or path.endswith("/") or re.search(r"[\x00-\x1f\x7f]", path):
        raise Failed(states.ERROR_OTHER, "the URL names no file")
    return path
