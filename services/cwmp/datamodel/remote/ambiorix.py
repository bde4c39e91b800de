"""Ambiorix daemons (prplOS): data model objects as ubus objects.

Facts (libamxd, amxb_ubus): a singleton like ``WiFi`` is a ubus object; whatever lies below is reached by
``rel_path``. Each call is answered by three DATA messages: what the function returns (a table, or ``{retval: ...}``
for anything else), its out arguments, and ``{"amxd-error-code": n}``; the status is that code's translation. A
table of more than 3000 entries comes in pieces, after ``{amxb_result_size: entries}``. Keys are full object paths
and end in a dot. Access 0 is what is public.

``_set`` takes parameters of one object, all or none, and is in force at once. So several objects are not one
transaction: they are set one after the other, and taken back by writing the old values where one is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio

from cwmp.contract import FaultCode
from cwmp.datamodel.remote.schema import (
    MAX_DEPTH,
    MAX_OBJECTS,
    Assignment,
    Branch,
    Leaf,
    Refusal,
    Refused,
    RemoteError,
    is_name,
    is_row,
)
from cwmp.datamodel.types import Type, parse
from ubuskit import UbusError
from ubuskit.client import Client
from ubuskit.errors import NotFound, StatusError

_TIMEOUT = 5.0
_AT_ONCE = 16
_PUBLIC = 0
_TEMPLATE = 2

_CODES = {
    2: (FaultCode.INVALID_PARAMETER_NAME, "there is no such object"),
    3: (FaultCode.INVALID_PARAMETER_NAME, "it cannot be done there"),
    4: (FaultCode.INVALID_PARAMETER_NAME, "there is no such parameter"),
    10: (FaultCode.INVALID_PARAMETER_VALUE, "not a value it takes"),
    13: (FaultCode.INVALID_PARAMETER_VALUE, "somebody has this already"),
    15: (FaultCode.NOT_WRITABLE, "read-only"),
    21: (FaultCode.INVALID_PARAMETER_NAME, "not a path"),
    23: (FaultCode.REQUEST_DENIED, "permission denied"),
    24: (FaultCode.REQUEST_DENIED, "not supported"),
}
"""amxd_status_t to ours; all others are 9002."""

_TYPES = {
    "bool": "boolean",
    "int8": "int[-128:127]",
    "int16": "int[-32768:32767]",
    "int32": "int",
    "int64": "long",
    "uint8": "unsignedInt[0:255]",
    "uint16": "unsignedInt[0:65535]",
    "uint32": "unsignedInt",
    "uint64": "unsignedLong",
    "float": "decimal",
    "double": "decimal",
    "amxc_ts": "dateTime",
}
"""amxc_var_t's types, without their ``_t``; all others are texts."""


class Ambiorix:
    """The daemon that serves the object `root`, which is registered with or without ``Device.``."""

    event = ""
    two_phase = False
    by_instances = False

    def __init__(self, bus: Client, root: str) -> None:
        self._bus = bus
        root = root.rstrip(".")
        self.objects: tuple[str, ...] = (
            root,
            root.removeprefix("Device.") if root.startswith("Device.") else f"Device.{root}",
        )
        self._root = root

    # Reading

    async def describe(self) -> Branch:
        top = Branch()
        level = [("", top)]
        limit = trio.CapacityLimiter(_AT_ONCE)
        count = 0
        for _ in range(MAX_DEPTH):
            below: list[tuple[str, Branch]] = []
            failures: list[RemoteError] = []
            async with trio.open_nursery() as nursery:
                for path, branch in level:
                    nursery.start_soon(self._describe, path, branch, below, failures, limit)
            if failures:
                raise failures[0]
            count += len(below)
            if not below:
                return top
            if count > MAX_OBJECTS:
                break
            level = sorted(below, key=lambda pair: pair[0])
        raise RemoteError(f"{self._root} describes more objects than anybody has")

    async def _describe(
        self,
        path: str,
        branch: Branch,
        below: list[tuple[str, Branch]],
        failures: list[RemoteError],
        limit: trio.CapacityLimiter,
    ) -> None:
        wanted = {
            "parameters": True,
            "objects": True,
            "functions": False,
            "instances": False,
            "events": False,
        }
        async with limit:
            if failures:
                return
            try:
                found = await self._call("_describe", path, wanted)
            except Refused as refused:
                failures.append(RemoteError(f"{self._root}: {refused}"))
                return
            except RemoteError as error:
                failures.append(error)
                return
        attributes = found.get("attributes")
        fixed = isinstance(attributes, dict) and bool(attributes.get("read-only"))
        branch.table = found.get("type_id") == _TEMPLATE
        branch.creatable = branch.deletable = branch.table and not fixed
        parameters, objects = found.get("parameters"), found.get("objects")
        for name, one in parameters.items() if isinstance(parameters, dict) else ():
            if is_name(name) and isinstance(one, dict) and (leaf := _leaf(one)) is not None:
                branch.leaves[name] = leaf
        for name in objects if isinstance(objects, list) else ():
            if isinstance(name, str) and is_name(name):
                child = branch.branches[name] = Branch()
                below.append((f"{path}{name}.", child))

    async def tree(self, path: str) -> dict[str, dict[str, Any]]:
        return await self._get(path, -1)

    async def get(self, path: str) -> dict[str, Any]:
        found = await self._get(path, 0)
        if path not in found:
            raise RemoteError(f"{self._root} has no {path} now")
        return found[path]

    async def rows(self, path: str) -> list[str]:
        try:
            found = self._below(await self._call("_get_instances", path, {"depth": 0}))
        except Refused as refused:
            raise RemoteError(f"{self._root}: {refused}") from None
        numbers = [key[len(path) : -1] for key in found if key.startswith(path)]
        return [number for number in numbers if is_row(number)]

    async def _get(self, path: str, depth: int) -> dict[str, dict[str, Any]]:
        try:
            return self._below(await self._call("_get", path, {"depth": depth}))
        except Refused as refused:
            raise RemoteError(f"{self._root}: {refused}") from None

    def _below(self, reply: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The reply's objects by path below the mount; what has another shape is not there."""
        found: dict[str, dict[str, Any]] = {}
        for key, values in reply.items():
            for root in self.objects:
                if key.startswith(f"{root}.") and isinstance(values, dict):
                    found[key[len(root) + 1 :]] = values
        if reply and not found:
            raise RemoteError(f"{self._root}: an answer of a shape that nobody knows")
        return found

    # Writing

    async def stage(self, changes: list[Assignment]) -> None:
        done: list[Assignment] = []
        refusals: list[Refusal] = []
        for change in changes:
            done.append(change)  # also where nobody answers: it may have been set
            try:
                await self._call("_set", change.path, {"parameters": dict(change.new)})
            except Refused as refused:
                done.pop()
                together = " together with others" if len(change.new) > 1 else ""
                refusals += [
                    Refusal(f"{change.path}{name}", one.code, f"{one.text}{together}")
                    for one in refused.refusals
                    for name in change.new
                ]
            except RemoteError:
                await self.revert(done)
                raise
        if refusals:
            await self.revert(done)
            raise Refused(refusals)

    async def commit(self) -> None:
        """Nothing: what is set is in force."""

    async def revert(self, changes: list[Assignment]) -> None:
        for change in reversed(changes):
            try:
                now = await self.get(change.path)
            except RemoteError:
                if await self._gone(change.path):
                    continue
                raise
            old = {
                name: value
                for name, value in change.old.items()
                if now.get(name) == change.new.get(name) != value
            }
            if old:
                try:
                    await self._call("_set", change.path, {"parameters": old})
                except Refused as refused:
                    raise RemoteError(f"{self._root}: {refused}") from None

    async def _gone(self, path: str) -> bool:
        """Whether the daemon answers, and says that there is no such object."""
        try:
            await self._call("_get", path, {"depth": 0})
        except Refused as refused:
            return any(r.code == FaultCode.INVALID_PARAMETER_NAME for r in refused.refusals)
        return False

    async def add(self, path: str, values: dict[str, Any]) -> str:
        found = await self._call("_add", path, {"parameters": values} if values else {})
        number = found.get("index")
        if type(number) is not int or number < 1:
            raise RemoteError(f"{self._root} does not say which row it added")
        return str(number)

    async def delete(self, path: str) -> None:
        await self._call("_del", path, {})

    def native(self, kind: Type, text: str) -> Any:
        if kind.name == "boolean":
            return text == "true"
        return int(text) if kind.name in ("int", "unsignedInt", "long", "unsignedLong") else text

    # Calls

    async def _call(self, method: str, path: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """What the function returns, as a table. Raises Refused with the object's path, RemoteError."""
        arguments = {**args, "access": _PUBLIC, **({"rel_path": path} if path else {})}
        failure = ""
        try:
            answers = await self._call_root(method, arguments)
        except StatusError as error:
            answers, failure = error.data, str(error)
        except (UbusError, ValueError) as error:
            raise RemoteError(f"ubus call {self._root} {method}: {error or type(error).__name__}") from None
        found, code = _assemble(answers)
        if code:
            known = _CODES.get(code, (FaultCode.INTERNAL_ERROR, f"Ambiorix fault {code}"))
            raise Refused([Refusal(path, *known)])
        if failure:
            raise RemoteError(f"ubus call {failure}")
        if code is None:
            raise RemoteError(f"ubus call {self._root} {method}: not answered as Ambiorix answers")
        return found

    async def _call_root(self, method: str, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Under the name that the object has; both are tried where it has none of late."""
        try:
            return await self._bus.call_all(self._root, method, arguments, timeout=_TIMEOUT)
        except NotFound as error:
            if error.data:
                raise
            (other,) = [root for root in self.objects if root != self._root]
            answers = await self._bus.call_all(other, method, arguments, timeout=_TIMEOUT)
            self._root = other
            return answers


def _assemble(answers: list[dict[str, Any]]) -> tuple[dict[str, Any], int | None]:
    """The returned table, put together where it came in pieces, and the code; None where there is none."""
    if not answers:
        return {}, None
    code = answers[-1].get("amxd-error-code")
    found = answers[0]
    expected = found.get("amxb_result_size")
    if type(expected) is int:
        found = {}
        for piece in answers[1:]:
            if len(found) >= expected:
                break
            found |= piece
    return found, code if type(code) is int else None


def _leaf(described: Mapping[str, Any]) -> Leaf | None:
    attributes = described.get("attributes")
    flags = attributes if isinstance(attributes, dict) else {}
    if flags.get("private") or flags.get("protected"):
        return None
    name = str(described.get("type_name", "")).removesuffix("_t")
    kind = parse(_TYPES.get(name, "string"))
    return Leaf(kind, not flags.get("read-only"), bool(flags.get("counter")))
