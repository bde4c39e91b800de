"""bbfdm (iopsys): one ubus object that serves a whole data model by path.

Facts (libbbfdm-ubus): every method answers ``{results: [...]}``, an entry a path: ``{path, data, type}``, or
``{path, fault, fault_msg}``; values are texts, types ``xsd:...``. ``optional {proto: "cwmp", format: "raw"}`` asks
for CWMP's view and its fault codes. With that protocol ``set``, ``add`` and ``del`` are prepared in a directory of
their own, and ``bbf.config`` commits or reverts them: a transaction, which is why this side stages first and
commits last. ``schema`` names what there is, instances included, as GetParameterNames would: an object whose
children are numbers is a table, and an empty one shows only that rows can be added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from cwmp.datamodel.types import BASES, Type, parse
from ubuskit import UbusError
from ubuskit.client import Client

_TIMEOUT = 5.0
_COMMIT_TIMEOUT = 30.0
_OPTIONAL = {"proto": "cwmp", "format": "raw"}
_OBJECT = "xsd:object"
_TYPES = {"base64Binary": "base64", "hexbin": "hexBinary"}


class Bbfdm:
    """What bbfdm serves at and below the path `root`."""

    objects: tuple[str, ...] = ("bbfdm",)
    event = "bbfdm.event"
    two_phase = True
    by_instances = True

    def __init__(self, bus: Client, root: str) -> None:
        self._bus = bus
        self._root = root

    # Reading

    async def describe(self) -> Branch:
        top = Branch()
        count = 0
        for entry in await self._results("schema", {"path": self._root}):
            path = self._path(entry)
            kind = entry.get("type")
            if path.count(".") > MAX_DEPTH:
                raise RemoteError(f"bbfdm nests its objects too deep: {path[:80]}")
            if kind == _OBJECT:
                count += 1
                _object(top, path if path.endswith(".") or not path else f"{path}.", _yes(entry.get("data")))
            elif isinstance(kind, str) and kind not in ("xsd:command", "xsd:event"):
                above, _, name = path.rpartition(".")
                if not is_name(name):
                    continue
                leaf = Leaf(_type(kind), _yes(entry.get("data")))
                _branch(top, f"{above}." if above else "").leaves[name] = leaf
        if count > MAX_OBJECTS * 16:
            raise RemoteError("bbfdm describes more objects than anybody has")
        return top

    async def tree(self, path: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {path: {}}
        for entry in await self._results("get", {"path": f"{self._root}{path}"}):
            above, _, name = self._path(entry).rpartition(".")
            if name and entry.get("type") != _OBJECT:
                found.setdefault(f"{above}." if above else "", {})[name] = entry.get("data")
        return found

    async def get(self, path: str) -> dict[str, Any]:
        return (await self.tree(path)).get(path, {})

    async def rows(self, path: str) -> list[str]:
        results = await self._results("instances", {"path": f"{self._root}{path}", "first_level": True})
        names = [self._path(entry).rstrip(".")[len(path) :] for entry in results]
        return list(dict.fromkeys(name for name in names if is_row(name)))

    # Writing

    async def stage(self, changes: list[Assignment]) -> None:
        values = {f"{change.path}{name}": value for change in changes for name, value in change.new.items()}
        await self._results("set", {"path": self._root, "obj_path": values}, refusing=True)

    async def commit(self) -> None:
        await self._config("commit", {"reload": True})

    async def revert(self, changes: list[Assignment]) -> None:
        await self._config("revert", {})

    async def add(self, path: str, values: dict[str, Any]) -> str:
        arguments = {"path": f"{self._root}{path}", **({"obj_path": values} if values else {})}
        results = await self._results("add", arguments, refusing=True)
        number = str(results[0].get("data", "")) if results else ""
        if not is_row(number):
            raise RemoteError("bbfdm does not say which row it added")
        return number

    async def delete(self, path: str) -> None:
        await self._results("del", {"path": f"{self._root}{path}"}, refusing=True)

    def native(self, kind: Type, text: str) -> Any:
        if kind.name == "boolean":
            return "1" if text == "true" else "0"
        return text

    # Calls

    def _path(self, entry: Mapping[str, Any]) -> str:
        """The path of an entry below the mount."""
        path = entry.get("path")
        if isinstance(path, str) and path.startswith(self._root):
            return path[len(self._root) :]
        if isinstance(path, str) and f"{path}." == self._root:
            return ""
        raise RemoteError(f"bbfdm answers about {path!r}, asked for {self._root}")

    async def _results(
        self, method: str, args: Mapping[str, Any], *, refusing: bool = False
    ) -> list[Mapping[str, Any]]:
        """The entries of an answer. A fault is Refused where one may be, else RemoteError."""
        try:
            answer = await self._bus.call("bbfdm", method, {**args, "optional": _OPTIONAL}, timeout=_TIMEOUT)
        except (UbusError, ValueError) as error:
            raise RemoteError(f"ubus call bbfdm {method}: {error or type(error).__name__}") from None
        results = answer.get("results")
        if not isinstance(results, list) or not all(isinstance(entry, dict) for entry in results):
            raise RemoteError(f"ubus call bbfdm {method}: an answer of a shape that nobody knows")
        faults = [entry for entry in results if "fault" in entry]
        if faults and refusing:
            raise Refused([Refusal(self._path(e), _code(e["fault"]), _reason(e)) for e in faults])
        if faults:
            raise RemoteError(f"bbfdm {method}: {faults[0].get('path')}: {_reason(faults[0])}")
        return results

    async def _config(self, method: str, args: Mapping[str, Any]) -> None:
        try:
            await self._bus.call("bbf.config", method, {**args, "proto": "cwmp"}, timeout=_COMMIT_TIMEOUT)
        except UbusError as error:
            raise RemoteError(f"ubus call bbf.config {method}: {error or type(error).__name__}") from None


def _yes(data: Any) -> bool:
    return str(data) in ("1", "true", "True")


def _code(fault: Any) -> FaultCode:
    try:
        return FaultCode(int(fault))
    except (TypeError, ValueError, OverflowError):
        return FaultCode.INTERNAL_ERROR


def _reason(entry: Mapping[str, Any]) -> str:
    return str(entry.get("fault_msg") or f"bbfdm fault {entry.get('fault')}")


def _type(kind: str) -> Type:
    name = kind.removeprefix("xsd:")
    name = _TYPES.get(name, name)
    return parse(name if name in BASES else "string")


def _branch(top: Branch, path: str) -> Branch:
    """The object at `path`, numbers standing for the row of their table; made where it is not there."""
    branch = top
    for name in path.split(".")[:-1]:
        if name.isdecimal():
            branch.table = True
        else:
            branch = branch.branches.setdefault(name, Branch())
    return branch


def _object(top: Branch, path: str, writable: bool) -> None:
    branch = _branch(top, path)
    if path[:-1].rpartition(".")[2].isdecimal():
        branch.deletable |= writable
    elif writable:  # only tables are: rows can be added
        branch.table = branch.creatable = branch.deletable = True
