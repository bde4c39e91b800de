"""bbfdm's side of the bus: results by path, changes that are prepared, and ``bbf.config`` that commits them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cwmp.lab.router.served import Failed, Instance, Kind, Served, Table, Why
from ubuskit.client import Client, Method, Request, ServedObject

_FAULTS = {Why.NO_OBJECT: 9005, Why.NO_PARAMETER: 9005, Why.VALUE: 9007, Why.READ_ONLY: 9008}
_SERVICES: dict[str, Any] = {"services": list, "proto": str, "reload": bool}


class BbfdmDaemon:
    """Serves `served` at and below the path `root`. `calls` are the methods called, with their paths; `commits`
    counts what ``bbf.config`` made so."""

    def __init__(self, bus: Client, root: str, served: Served) -> None:
        self.served = served
        self.root = root
        self.calls: list[tuple[str, str]] = []
        self.commits = 0
        self._staged: Served | None = None
        self._bus = bus
        self._objects: list[ServedObject] = []

    async def start(self) -> None:
        """Put both objects on the bus."""
        path: dict[str, Any] = {"path": str, "paths": list, "optional": dict}
        methods = {
            "get": Method(self._get, {**path, "maxdepth": int}),
            "schema": Method(self._schema, {**path, "first_level": bool}),
            "instances": Method(self._instances, {**path, "first_level": bool}),
            "set": Method(self._set, {**path, "value": str, "datatype": str, "obj_path": dict}),
            "add": Method(self._add, {**path, "obj_path": dict}),
            "del": Method(self._del, path),
        }
        self._objects.append(await self._bus.add_object("bbfdm", methods))
        config = {"commit": Method(self._commit, _SERVICES), "revert": Method(self._revert, _SERVICES)}
        self._objects.append(await self._bus.add_object("bbf.config", config))

    async def stop(self) -> None:
        """Take both objects from the bus."""
        for served in self._objects:
            await served.remove()
        self._objects.clear()

    async def tell(self) -> None:
        """The event of something that changed by itself."""
        await self._bus.send("bbfdm.event", {"name": "Device.Boot!", "input": []})

    @property
    def _seen(self) -> Served:
        return self._staged or self.served

    def _below(self, request: Request) -> str:
        path: str = request.args.get("path", "")
        self.calls.append((request.method, path))
        if not path.startswith(self.root):
            raise Failed(Why.NO_OBJECT, path)
        return path[len(self.root) :]

    async def _get(self, request: Request) -> Mapping[str, Any]:
        try:
            path = self._below(request)
            results = [
                {"path": f"{self.root}{at}{name}", "data": _text(value), "type": _type(one, name)}
                for at, one in self._seen.walk(path)
                if isinstance(one, Instance)
                for name, value in one.values.items()
            ]
        except Failed as failed:
            return self._fault(request, failed)
        return {"results": results}

    async def _schema(self, request: Request) -> Mapping[str, Any]:
        results = []
        for at, one in self._seen.walk(self._below(request)):
            row = at[:-1].rpartition(".")[2].isdecimal()
            writable = one.template.open and (row or isinstance(one, Table))
            results.append({"path": f"{self.root}{at}", "data": _text(writable), "type": "xsd:object"})
            for name in one.values if isinstance(one, Instance) else ():
                kind: Kind = one.template.parameters[name]
                entry = {"path": f"{self.root}{at}{name}", "data": _text(kind.writable)}
                results.append({**entry, "type": f"xsd:{kind.type}"})
        return {"results": results}

    async def _instances(self, request: Request) -> Mapping[str, Any]:
        try:
            path = self._below(request)
            at = self._seen.find(path)
        except Failed as failed:
            return self._fault(request, failed)
        rows = at.rows if isinstance(at, Table) else {}
        return {"results": [{"path": f"{self.root}{path}{number}"} for number in rows]}

    async def _set(self, request: Request) -> Mapping[str, Any]:
        path = self._below(request)
        values: dict[str, Any] = dict(request.args.get("obj_path", {}))
        if "value" in request.args:
            values[""] = request.args["value"]
        self._staged = self._staged or self.served.copy()
        results: list[dict[str, Any]] = []
        for name, text in values.items():
            above, _, last = f"{path}{name}".rpartition(".")
            where = f"{above}." if above else ""
            try:
                self._staged.set(where, {last: self._value(where, last, str(text))})
                results.append({"path": f"{self.root}{path}{name}", "data": "1"})
            except Failed as failed:
                results += self._fault(request, failed)["results"]
        return {"results": results}

    def _value(self, path: str, name: str, text: str) -> Any:
        kind = self._seen.template(path).parameters.get(name)
        if kind is None:
            raise Failed(Why.NO_PARAMETER, f"{path}{name}")
        if kind.type == "boolean":
            return text in ("1", "true")
        if kind.type == "string":
            return text
        if not text.isdecimal():
            raise Failed(Why.VALUE, f"{path}{name}")
        return int(text)

    async def _add(self, request: Request) -> Mapping[str, Any]:
        self._staged = self._staged or self.served.copy()
        try:
            path = self._below(request)
            number = self._staged.add(path, request.args.get("obj_path", {}))
        except Failed as failed:
            return self._fault(request, failed)
        return {"results": [{"path": f"{self.root}{path}", "data": str(number)}]}

    async def _del(self, request: Request) -> Mapping[str, Any]:
        self._staged = self._staged or self.served.copy()
        try:
            path = self._below(request)
            self._staged.delete(path)
        except Failed as failed:
            return self._fault(request, failed)
        return {"results": [{"path": f"{self.root}{path}", "data": "1"}]}

    def _fault(self, request: Request, failed: Failed) -> dict[str, Any]:
        path = request.args.get("path", "") if failed.why is Why.NO_OBJECT else f"{self.root}{failed.path}"
        entry = {"path": path, "fault": _FAULTS[failed.why], "fault_msg": failed.why.value}
        return {"results": [entry]}

    async def _commit(self, request: Request) -> None:
        self.calls.append(("commit", request.args.get("proto", "")))
        self.commits += self._staged is not None
        self.served, self._staged = self._staged or self.served, None

    async def _revert(self, request: Request) -> None:
        self.calls.append(("revert", request.args.get("proto", "")))
        self._staged = None


def _text(value: Any) -> str:
    return ("1" if value else "0") if isinstance(value, bool) else str(value)


def _type(one: Instance, name: str) -> str:
    return f"xsd:{one.template.parameters[name].type}"
