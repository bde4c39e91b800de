"""An Ambiorix daemon's side of the bus: its objects, methods, three answers a call, and notifications."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cwmp.lab.router.served import Failed, Instance, Served, Table, Why
from ubuskit.client import Client, Method, Request, ServedObject
from ubuskit.errors import Status, StatusError

_CODES = {Why.NO_OBJECT: 2, Why.NO_PARAMETER: 4, Why.VALUE: 10, Why.READ_ONLY: 15}
_STATUS = {2: Status.NOT_FOUND, 4: Status.INVALID_ARGUMENT, 10: Status.INVALID_ARGUMENT}
_TYPES = {
    "string": ("cstring_t", 1),
    "boolean": ("bool", 12),
    "unsignedInt": ("uint32_t", 8),
    "unsignedLong": ("uint64_t", 9),
}
_METHODS: dict[str, dict[str, Any]] = {
    "_get": {"rel_path": str, "parameters": list, "depth": int, "access": int, "filter": str},
    "_set": {
        "rel_path": str,
        "parameters": dict,
        "oparameters": dict,
        "allow_partial": bool,
        "access": int,
    },
    "_add": {"rel_path": str, "parameters": dict, "index": int, "name": str, "access": int},
    "_del": {"rel_path": str, "index": int, "name": str, "access": int},
    "_get_instances": {"rel_path": str, "depth": int, "access": int},
    "_describe": {
        "rel_path": str,
        "parameters": bool,
        "functions": bool,
        "objects": bool,
        "instances": bool,
        "exists": bool,
        "events": bool,
        "access": int,
    },
}


class AmbiorixDaemon:
    """Serves `served` as the object `root`. `calls` counts by method; replies longer than `piece` come in pieces."""

    def __init__(self, bus: Client, root: str, served: Served, *, piece: int = 3000) -> None:
        self.served = served
        self.root = root
        self.piece = piece
        self.calls: list[tuple[str, str]] = []
        self._bus = bus
        self._objects: dict[str, ServedObject] = {}

    async def start(self) -> None:
        """Put every object on the bus that a daemon puts there."""
        for path, at in self.served.walk(""):
            await self._publish(path, at)

    async def stop(self) -> None:
        """Take all objects from the bus."""
        for served in self._objects.values():
            await served.remove()
        self._objects.clear()

    async def _publish(self, path: str, _at: Instance | Table) -> None:
        name = f"{self.root}.{path}"[:-1]
        methods = {m: Method(self._handler(m, path), args) for m, args in _METHODS.items()}
        self._objects[path] = await self._bus.add_object(name, methods)

    def _handler(self, method: str, path: str) -> Any:
        async def answer(request: Request) -> Mapping[str, Any]:
            where = path + request.args.get("rel_path", "")
            if where and not where.endswith("."):
                where += "."
            self.calls.append((method, where))
            try:
                found = await getattr(self, f"_do{method}")(where, request.args)
            except Failed as failed:
                code = _CODES[failed.why]
                await request.reply({"retval": ""})
                await request.reply({})
                await request.reply({"amxd-error-code": code})
                raise StatusError(_STATUS.get(code, Status.UNKNOWN_ERROR)) from None
            if isinstance(found, dict) and len(found) > self.piece:
                await request.reply({"amxb_result_size": len(found)})
                items = list(found.items())
                for start in range(0, len(items), self.piece):
                    await request.reply(dict(items[start : start + self.piece]))
            else:
                await request.reply(found if isinstance(found, dict) else {"retval": found})
            await request.reply({})
            return {"amxd-error-code": 0}

        return answer

    def _full(self, path: str) -> str:
        return f"{self.root}.{path}"

    async def _do_get(self, path: str, args: Mapping[str, Any]) -> dict[str, Any]:
        depth = args.get("depth", 0)
        least = path.count(".")
        return {
            self._full(at): dict(one.values)
            for at, one in self.served.walk(path)
            if isinstance(one, Instance) and (depth < 0 or at.count(".") - least <= depth)
        }

    async def _do_set(self, path: str, args: Mapping[str, Any]) -> dict[str, Any]:
        values = args.get("parameters", {})
        before = self.served.find(path)
        old = dict(before.values) if isinstance(before, Instance) else {}
        self.served.set(path, values)
        changed = {n: {"from": old[n], "to": v} for n, v in values.items() if old[n] != v}
        if changed:
            await self.notify("dm:object-changed", path, parameters=changed)
        return {self._full(path): dict(values)}

    async def _do_add(self, path: str, args: Mapping[str, Any]) -> dict[str, Any]:
        number = self.served.add(path, args.get("parameters", {}))
        row = f"{path}{number}."
        for below, at in self.served.walk(row):
            await self._publish(below, at)
        await self.notify("dm:instance-added", path, index=number, name=str(number), keys={}, parameters={})
        return {
            "object": self._full(row),
            "index": number,
            "name": str(number),
            "parameters": {},
            "path": self._full(row),
        }

    async def _do_del(self, path: str, args: Mapping[str, Any]) -> list[str]:
        gone = [below for below, _ in self.served.walk(path)]
        self.served.delete(path)
        for below in gone:
            await self._objects.pop(below).remove()
        table, _, number = path[:-1].rpartition(".")
        await self.notify("dm:instance-removed", f"{table}.", index=int(number), name=number)
        return [self._full(below) for below in gone]

    async def _do_get_instances(self, path: str, _args: Mapping[str, Any]) -> dict[str, Any]:
        at = self.served.find(path)
        rows = at.rows if isinstance(at, Table) else {}
        return {
            self._full(f"{path}{n}."): {"Alias": row.values["Alias"]} if "Alias" in row.values else {}
            for n, row in rows.items()
        }

    async def _do_describe(self, path: str, _args: Mapping[str, Any]) -> dict[str, Any]:
        template = self.served.template(path)
        row = template.table and path[:-1].rpartition(".")[2].isdecimal()
        parameters = {}
        for name, kind in template.parameters.items():
            type_name, type_id = _TYPES[kind.type]
            flags = {"read-only": not kind.writable, "counter": kind.counter, "private": False}
            parameters[name] = {
                "name": name,
                "type_name": type_name,
                "type_id": type_id,
                "value": kind.default,
                "attributes": {**flags, "protected": False, "persistent": False, "template": False},
                "flags": [],
            }
        return {
            "name": path.rstrip(".").rpartition(".")[2] or self.root,
            "type_id": 3 if row else 2 if template.table else 1,
            "path": self._full(path),
            "attributes": {
                "read-only": template.table and not template.open,
                "persistent": False,
                "private": False,
                "protected": False,
                "locked": False,
            },
            "parameters": parameters,
            "objects": list(template.children),
        }

    async def notify(self, kind: str, path: str, **more: Any) -> None:
        """A change at `path`: every object at and above it tells its subscribers."""
        data = {"object": self._full(path), "path": self._full(path), "eobject": self._full(path), **more}
        for place, served in list(self._objects.items()):
            if path.startswith(place) and served.subscribers:
                await served.notify(kind, data)
