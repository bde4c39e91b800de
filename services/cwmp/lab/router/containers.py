"""prplOS's container manager as the bus shows it: the Ambiorix object ``SoftwareModules``, its functions and its
notifications. Images are looked up in `registry`; a step towards their installation is taken at each `step`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ubuskit.client import Client, Method, Request, ServedObject

ROOT = "SoftwareModules"
_METHODS: dict[str, dict[str, Any]] = {
    "_get": {"rel_path": str, "parameters": list, "depth": int, "access": int, "filter": str},
    "_set": {"rel_path": str, "parameters": dict, "access": int},
    "_exec": {"rel_path": str, "method": str, "args": dict, "access": int},
}


@dataclass(frozen=True, slots=True)
class Image:
    """What a registry has: `fault` says that it cannot be installed."""

    name: str
    version: str
    fault: int = 0


class _FailedError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class Containers:
    """The container manager. `calls` are functions and their arguments; where `slow`, what they begin goes on only by
    `finish`."""

    bus: Client
    registry: dict[str, Image] = field(default_factory=dict)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    slow: bool = False
    _served: ServedObject | None = None
    _waiting: list[Any] = field(default_factory=list)
    _next: int = 1

    async def start(self) -> None:
        """Put the object on the bus, with two environments."""
        for number, name in ((1, "generic"), (2, "second")):
            self.objects[f"ExecEnv.{number}."] = {
                "Name": name,
                "Type": "Linux Container",
                "Vendor": "prpl Foundation",
                "Version": "1.0",
                "Enable": True,
                "Status": "Up",
                "AvailableDiskSpace": 65536,
            }
        methods = {name: Method(getattr(self, f"_on{name}"), args) for name, args in _METHODS.items()}
        self._served = await self.bus.add_object(ROOT, methods)

    async def finish(self) -> None:
        """Have what was begun come to its end."""
        waiting, self._waiting = self._waiting, []
        for end in waiting:
            await end()

    async def _answer(self, request: Request, returned: Any, out: Mapping[str, Any]) -> Mapping[str, Any]:
        await request.reply(returned if isinstance(returned, dict) else {"retval": returned})
        await request.reply(dict(out))
        return {"amxd-error-code": 0}

    async def _on_get(self, request: Request) -> Mapping[str, Any]:
        return await self._answer(request, {f"{ROOT}.{path}": row for path, row in self.objects.items()}, {})

    async def _on_set(self, request: Request) -> Mapping[str, Any]:
        row = self.objects[request.args["rel_path"]]
        row.update(request.args["parameters"])
        if "Enable" in row:
            row["Status"] = "Up" if row["Enable"] else "Disabled"
        return await self._answer(request, {f"{ROOT}.{request.args['rel_path']}": row}, {})

    async def _on_exec(self, request: Request) -> Mapping[str, Any]:
        name, path = request.args["method"], request.args.get("rel_path", "")
        arguments = request.args.get("args", {})
        self.calls.append((name, arguments))
        try:
            end = await getattr(self, f"_do_{name}")(path, arguments)
        except _FailedError as failed:
            return await self._answer(request, "", {"err_code": failed.code, "err_msg": "no such image"})
        answer = await self._answer(request, "", {"err_code": 0, "err_msg": ""})
        self._waiting += [end] if end else []
        if not self.slow:
            self.bus.start(self.finish)
        return answer

    async def _do_InstallDU(self, _path: str, args: Mapping[str, Any]) -> Any:  # noqa: N802  # its name there
        image = self.registry.get(args["URL"])
        if image is None:
            raise _FailedError(9016)
        environment = next(p for p, row in self.objects.items() if row.get("Name") == args["ExecutionEnvRef"])
        number, self._next = self._next, self._next + 1
        path = f"DeploymentUnit.{number}."
        self.objects[path] = {
            "UUID": args["UUID"],
            "DUID": args["UUID"],
            "Name": image.name,
            "Vendor": "prpl",
            "Version": image.version,
            "URL": args["URL"],
            "Status": "Installing",
            "Resolved": False,
            "ExecutionEnvRef": f"Device.{ROOT}.{environment[:-1]}",
            "ExecutionUnitList": "",
            "LastUpdate": "",
        }
        await self._notify("dm:instance-added", path)

        async def end() -> None:
            if image.fault:
                del self.objects[path]
                told = {
                    "UUID": args["UUID"],
                    "CurrentState": "Failed",
                    "Fault.FaultCode": image.fault,
                    "Fault.FaultString": "the image is broken",
                }
                await self._notify("DUStateChange!", "", **told)
                return
            self.objects[f"ExecutionUnit.{number}."] = {
                "EUID": f"eu-{number}",
                "Name": image.name,
                "Status": "Active",
                "AutoStart": True,
                "ExecutionEnvRef": self.objects[path]["ExecutionEnvRef"],
            }
            self.objects[path] |= {
                "Status": "Installed",
                "Resolved": True,
                "ExecutionUnitList": f"Device.{ROOT}.ExecutionUnit.{number}",
            }
            await self._notify("dm:object-changed", path)

        return end

    async def _do_Update(self, path: str, args: Mapping[str, Any]) -> Any:  # noqa: N802
        image = self.registry.get(args["URL"])
        if image is None:
            raise _FailedError(9016)
        self.objects[path]["Status"] = "Updating"
        await self._notify("dm:object-changed", path)

        async def end() -> None:
            self.objects[path] |= {
                "Status": "Installed",
                "Version": image.version,
                "URL": args["URL"],
                "LastUpdate": "2025-06-15T15:06:40Z",
            }
            await self._notify("dm:object-changed", path)

        return end

    async def _do_Uninstall(self, path: str, _args: Mapping[str, Any]) -> Any:  # noqa: N802
        self.objects[path]["Status"] = "Uninstalling"

        async def end() -> None:
            del self.objects[path], self.objects[path.replace("Deployment", "Execution")]
            await self._notify("dm:instance-removed", path)

        return end

    async def _do_SetRequestedState(self, path: str, args: Mapping[str, Any]) -> Any:  # noqa: N802
        self.objects[path]["Status"] = args["RequestedState"]

    async def _notify(self, kind: str, path: str, **parameters: Any) -> None:
        assert self._served is not None
        where = f"{ROOT}.{path}"
        await self._served.notify(kind, {"object": where, "path": where, "parameters": parameters})
