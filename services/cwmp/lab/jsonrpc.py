"""What a browser needs of the router: `POST /ubus/` as uhttpd and rpcd answer it, and static files.

    endpoint = Endpoint(bus, uci, read_acls(directory), {"admin": User("secret", write=True)})
    site = Site(endpoint, [Mount("/luci-static/", directory)])
    await trio.serve_tcp(site.serve, 0, host="127.0.0.1")

A call is a JSON-RPC 2.0 message ``{"method": "call", "params": [session, object, method, args]}``, or a list of
them; the result is ``[ubus status, data]``. Every call is held against what the session was granted, and goes to
the bus with ``ubus_rpc_session`` among its arguments, as uhttpd sends it. Two objects of rpcd are answered here:
`session` (login, access, destroy) and `uci` (see `rpcd_uci`). Rights are those of the files in
``/usr/share/rpcd/acl.d``: a user has the `read` half of every group, and the `write` half if the user may write.
"""

from __future__ import annotations

import hmac
import json
import mimetypes
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import trio

from cwmp.lab.acs.http import Abort, Request, Response, serve
from cwmp.lab.rpcd_uci import RpcdUci
from ubuskit.client import Client
from ubuskit.errors import Status, StatusError, UbusError
from ubuskit.uci import Uci

NOBODY = "0" * 32
"""The session of whoever has not logged in; it may do what the group `unauthenticated` grants."""

_MAX_BODY = 64 << 10  # uhttpd's own limit
_MAX_BATCH = 100
_MAX_SESSIONS = 64
_SESSION_TIMEOUT = 300.0
_CALL_TIMEOUT = 60.0

_PARSE, _REQUEST, _METHOD = (-32700, "Parse error"), (-32600, "Invalid request"), (-32601, "Method not found")
_OBJECT, _ACCESS, _LATE = (
    (-32000, "Object not found"),
    (-32002, "Access denied"),
    (-32003, "ubus request timed out"),
)

Grants = dict[str, dict[str, set[str]]]
"""scope -> object -> functions; both may be patterns."""


@dataclass(frozen=True, slots=True)
class User:
    password: str = field(repr=False)
    write: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was answered: `code` is the ubus status, or the JSON-RPC error (negative)."""

    object: str
    method: str
    code: int


@dataclass(slots=True)
class Session:
    """Who is logged in. `expires` in s of trio's clock."""

    id: str
    user: str
    grants: Grants
    expires: float

    def may(self, scope: str, target: str, function: str) -> bool:
        """Whether the session was granted this."""
        granted = self.grants.get(scope, {})
        return any(
            fnmatchcase(target, pattern) and any(fnmatchcase(function, f) for f in functions)
            for pattern, functions in granted.items()
        )


def read_acls(*directories: Path) -> dict[str, Any]:
    """The groups of every ACL file in these directories, by name.

    Raises:
        ValueError: a file is no JSON object.
    """
    groups: dict[str, Any] = {}
    for directory in directories:
        for path in sorted(directory.glob("*.json")):
            found = json.loads(path.read_text())
            if not isinstance(found, dict):
                raise ValueError(f"{path}: it must be an object")  # noqa: TRY004  # about a file, not a type
            groups |= found
    return groups


def grants(groups: Mapping[str, Any], *, write: bool) -> Grants:
    """What a user is granted, as rpcd reads the files: a table names functions, a list means the half's name."""
    found: Grants = {}

    def grant(scope: str, target: str, function: str) -> None:
        found.setdefault(scope, {}).setdefault(target, set()).add(function)

    for name, group in groups.items():
        for half in ("read", "write") if write else ("read",):
            if half not in group:
                continue
            grant("access-group", name, half)
            for scope, targets in group[half].items():
                if isinstance(targets, dict):
                    for target, functions in targets.items():
                        for function in functions:
                            grant(scope, target, function)
                else:
                    for target in targets:
                        grant(scope, target, half)
    return found


class Endpoint:
    """Answers calls. `on_call` hears of each after it was answered."""

    def __init__(
        self,
        bus: Client,
        uci: Uci,
        groups: Mapping[str, Any],
        users: Mapping[str, User],
        on_call: Callable[[Call], None] = lambda _: None,
    ) -> None:
        self._bus = bus
        self._groups = groups
        self._users = users
        self._on_call = on_call
        self._sessions: dict[str, Session] = {}
        self._nobody = {name: g for name, g in groups.items() if name == "unauthenticated"}
        self.uci = RpcdUci(uci, bus)

    def login(self, name: str) -> Session:
        """A session for a user, without asking for a password."""
        now = trio.current_time()
        self._sessions = {key: s for key, s in self._sessions.items() if s.expires > now}
        if len(self._sessions) >= _MAX_SESSIONS:
            raise StatusError(Status.UNKNOWN_ERROR, f"{_MAX_SESSIONS} sessions are open already")
        granted = grants(self._groups, write=self._users[name].write)
        session = Session(secrets.token_hex(16), name, granted, now + _SESSION_TIMEOUT)
        self._sessions[session.id] = session
        return session

    def session(self, key: str) -> Session:
        """The session of that id, alive for another while; nobody's where there is none."""
        now = trio.current_time()
        found = self._sessions.get(key)
        if found is None or found.expires <= now:
            return Session(NOBODY, "", grants(self._nobody, write=False), now)
        found.expires = now + _SESSION_TIMEOUT
        return found

    async def answer(self, body: bytes) -> bytes:
        """The reply to the body of a POST."""
        try:
            message = json.loads(body) if len(body) <= _MAX_BODY else None
        except (ValueError, RecursionError):
            return _encoded(_error(None, _PARSE))
        if not isinstance(message, list):
            return _encoded(await self._answer(message))
        if not 0 < len(message) <= _MAX_BATCH:
            return _encoded(_error(None, _REQUEST))
        return _encoded([await self._answer(one) for one in message])

    async def _answer(self, message: Any) -> dict[str, Any]:
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            return _error(None, _REQUEST)
        number, params = message.get("id"), message.get("params")
        if message.get("method") != "call":
            return _error(number, _METHOD)
        match params:
            case [str(key), str(target), str(method)]:
                args: dict[str, Any] = {}
            case [str(key), str(target), str(method), dict(args)] if "ubus_rpc_session" not in args:
                pass
            case _:
                return _error(number, _REQUEST)
        code, reply = await self._call(self.session(key), target, method, args)
        self._on_call(Call(target, method, code))
        return {"jsonrpc": "2.0", "id": number, **reply}

    async def _call(
        self, session: Session, target: str, method: str, args: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        if target != "session" and not session.may("ubus", target, method):
            return _ACCESS[0], {"error": _described(_ACCESS)}
        try:
            if target == "session":
                data = self._on_session(session, method, args)
            elif target == "uci":
                data = await self.uci.call(session.id, session.may, method, args)
            else:
                data = await self._on_bus(session, target, method, args)
        except _Refused as refusal:
            return refusal.error[0], {"error": _described(refusal.error)}
        except StatusError as error:
            return error.status, {"result": [int(error.status)]}
        except UbusError:
            return Status.CONNECTION_FAILED, {"result": [int(Status.CONNECTION_FAILED)]}
        return 0, {"result": [0, data] if data else [0]}

    async def _on_bus(
        self, session: Session, target: str, method: str, args: dict[str, Any]
    ) -> dict[str, Any]:
        if not await self._bus.lookup(target):
            raise _Refused(_OBJECT)
        with trio.move_on_after(_CALL_TIMEOUT):
            whole = {**args, "ubus_rpc_session": session.id}
            return await self._bus.call(target, method, whole, timeout=_CALL_TIMEOUT + 1)
        raise _Refused(_LATE)

    def _on_session(self, session: Session, method: str, args: Mapping[str, Any]) -> dict[str, Any]:
        match method, args:
            case "login", {"username": str(name), "password": str(password)}:
                user = self._users.get(name)
                if user is None or not hmac.compare_digest(user.password.encode(), password.encode()):
                    raise StatusError(Status.PERMISSION_DENIED, "login failed")
                made = self.login(name)
                return {
                    "ubus_rpc_session": made.id,
                    "timeout": int(_SESSION_TIMEOUT),
                    "expires": int(_SESSION_TIMEOUT),
                    "acls": {s: {t: sorted(f) for t, f in x.items()} for s, x in made.grants.items()},
                    "data": {"username": name},
                }
            case "access", {"scope": str(scope), "object": str(target), "function": str(function)}:
                if session.id == NOBODY:
                    raise _Refused(_ACCESS)
                return {"access": session.may(scope, target, function)}
            case "destroy", _:
                self._sessions.pop(session.id, None)
                self.uci.forget(session.id)
                return {}
            case _:
                raise StatusError(Status.INVALID_ARGUMENT, "session: login, access or destroy")


class _Refused(Exception):
    """The call has an error in place of a result."""

    def __init__(self, error: tuple[int, str]) -> None:
        super().__init__(error[1])
        self.error = error


def _described(error: tuple[int, str]) -> dict[str, Any]:
    return {"code": error[0], "message": error[1]}


def _error(number: Any, error: tuple[int, str]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": _described(error)}


def _encoded(message: Any) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Mount:
    """Files below `directory`, served below `prefix`, which ends with a slash."""

    prefix: str
    directory: Path

    def find(self, path: str) -> Path | None:
        """The file that a request's path means, unless it lies outside."""
        if not path.startswith(self.prefix) or "\0" in path:
            return None
        found = (self.directory / path.removeprefix(self.prefix)).resolve()
        return found if found.is_relative_to(self.directory.resolve()) and found.is_file() else None


class Site:
    """The web server. `others` answers what is neither a call nor a file; without it that is 404."""

    def __init__(
        self,
        endpoint: Endpoint,
        mounts: Sequence[Mount],
        others: Callable[[Request], Awaitable[Response]] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._mounts = mounts
        self._others = others
        self._numbers = count(1)

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one connection."""
        await serve(stream, next(self._numbers), self._handle)

    async def _handle(self, request: Request) -> Response | Abort:
        path = unquote(urlsplit(request.target).path)
        if path.rstrip("/") == "/ubus":
            if request.method != "POST":
                return Response(405)
            body = await self._endpoint.answer(request.body)
            return Response(200, body, [("Content-Type", "application/json")])
        for mount in self._mounts:
            if (found := mount.find(path)) is not None:
                kind = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
                return Response(200, found.read_bytes(), [("Content-Type", kind)])
        return await self._others(request) if self._others is not None else Response(404)


__all__ = ["NOBODY", "Call", "Endpoint", "Mount", "Session", "Site", "User", "grants", "read_acls"]
