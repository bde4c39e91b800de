"""The ubus objects of the router's own daemons: procd, netifd, rpcd's iwinfo, odhcpd.

Replies have the shapes that the sources of those daemons give them; arguments are what they demand, and a
refusal has the status they answer with. Everything is read from the sandbox when asked, except what netifd
has in force, which changes when it is told: ``service event {"type": "config.change", "data": {"package":
"network"}}``. What the daemons do to the whole machine (reboot, sysupgrade, reload of the suite) is left to
the `Machine` they belong to.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import trio

from cwmp.lab.router import dhcp, image
from cwmp.lab.router.air import Air
from cwmp.lab.router.netifd import Netifd
from cwmp.runtime import Paths
from ubuskit.client import ArgType, Client, Method, Request, ServedObject
from ubuskit.errors import InvalidArgument, NotFound, NotSupported, UnknownError
from ubuskit.uci import Package, PackageNotFound, Uci, UciError

_log = logging.getLogger(__name__)

_SERVICES = (
    "cwmpd",
    "dnsmasq",
    "dropbear",
    "firewall",
    "log",
    "network",
    "odhcpd",
    "rpcd",
    "sysntpd",
    "ubus",
)


class Machine(Protocol):
    """What the daemons need of the router they run on."""

    paths: Paths

    def uptime(self) -> float:
        """Seconds since boot."""

    def reboot(self) -> None:
        """Begin to go down."""

    def upgrade(self, version: image.Version, settings: bytes | None) -> None:
        """Begin to go down, and come up as `version`; with `settings`, an archive, nothing else is kept."""

    def factory_reset(self) -> None:
        """Begin to go down at once, and come up without any configuration."""

    def config_changed(self, package: str) -> None:
        """procd's triggers ran for this package."""

    def suite_pid(self) -> int:
        """The process id of cwmpd; 0 when it does not run."""


def _method(handler: Callable[[Request], Mapping[str, Any] | None], **args: ArgType) -> Method:
    async def answer(request: Request) -> Mapping[str, Any] | None:
        return handler(request)

    return Method(answer, args)


class Daemons:
    """The daemons of one boot, on one bus."""

    def __init__(self, bus: Client, machine: Machine) -> None:
        self._bus = bus
        self._machine = machine
        self._paths = machine.paths
        self._uci = Uci(machine.paths.uci_dir, machine.paths.uci_save_dir)
        self._netifd = Netifd()
        self._air = Air(self._netifd)
        self._interface: ServedObject | None = None
        self._interfaces: dict[str, ServedObject] = {}

    async def start(self) -> None:
        """Put every object on the bus."""
        await self._bus.add_object("system", self._system())
        await self._bus.add_object("service", self._service())
        await self._bus.add_object("rpc-sys", self._rpc_sys())
        await self._bus.add_object("dhcp", self._dhcp())
        await self._bus.add_object("iwinfo", self._iwinfo())
        await self._bus.add_object("network", self._network())
        await self._bus.add_object("network.device", {"status": _method(self._device_status, name=str)})
        await self._bus.add_object("network.wireless", self._wireless())
        self._interface = await self._bus.add_object("network.interface", self._network_interface())
        await self._reload_network()
        self._reload_wireless()

    # -- procd: system ----------------------------------------------------------------------------------------

    def _system(self) -> dict[str, Method]:
        async def reboot(_: Request) -> None:
            self._machine.reboot()

        return {
            "board": _method(self._board),
            "info": _method(self._info),
            "reboot": Method(reboot),
            "validate_firmware_image": _method(self._validate, path=str),
            "sysupgrade": Method(
                self._sysupgrade,
                {"path": str, "force": bool, "backup": str, "prefix": str, "command": str, "options": dict},
            ),
        }

    def _board(self, _: Request) -> Mapping[str, Any]:
        release = _shell_variables(self._text("/usr/lib/os-release"))
        names = {
            "distribution": "NAME",
            "version": "VERSION",
            "revision": "BUILD_ID",
            "target": "OPENWRT_BOARD",
            "description": "OPENWRT_RELEASE",
            "builddate": "OPENWRT_BUILD_DATE",
        }
        return {
            "kernel": self._text("/proc/sys/kernel/osrelease"),
            "hostname": self._hostname(),
            "system": "ARMv8 Processor rev 4",
            "model": self._text("/tmp/sysinfo/model"),
            "board_name": self._text("/tmp/sysinfo/board_name"),
            "rootfs_type": "squashfs",
            "release": {ours: release.get(theirs, "") for ours, theirs in names.items()},
        }

    def _info(self, _: Request) -> Mapping[str, Any]:
        memory = {}
        for line in self._text("/proc/meminfo").splitlines():
            name, _colon, rest = line.partition(":")
            memory[name] = int(rest.split()[0]) * 1024
        disk = shutil.disk_usage(self._paths.sysroot)
        space = {"total": disk.total >> 10, "free": disk.free >> 10, "used": disk.used >> 10}
        load = self._text("/proc/loadavg").split()[:3]
        return {
            "localtime": int(time.time()),
            "uptime": int(self._machine.uptime()),
            "load": [int(float(value) * 65536) for value in load],
            "memory": {
                "total": memory["MemTotal"],
                "free": memory["MemFree"],
                "shared": memory["Shmem"],
                "buffered": memory["Buffers"],
                "available": memory["MemAvailable"],
                "cached": memory["Cached"],
            },
            "root": {**space, "avail": space["free"]},
            "tmp": {**space, "avail": space["free"]},
            "swap": {"total": 0, "free": 0},
        }

    def _validate(self, request: Request) -> Mapping[str, Any]:
        return image.check(self._file(_required(request, "path")))

    async def _sysupgrade(self, request: Request) -> None:
        path = self._file(_required(request, "path"))
        _required(request, "prefix")
        found = image.check(path)
        refusal = ""
        if not found["valid"]:
            if not found["forceable"]:
                refusal = "Firmware image is broken and cannot be installed"
            elif not request.args.get("force"):
                refusal = "Firmware image is invalid"
        if refusal:
            await request.reply({"error": {"message": refusal}})
            raise NotSupported(refusal)
        backup = request.args.get("backup")
        self._machine.upgrade(image.read(path), self._file(backup).read_bytes() if backup else None)
        await trio.sleep_forever()  # the real one replaces itself and never answers

    def _file(self, path: str) -> Path:
        """`path` as the caller means it: below the sandbox, or already a path into it."""
        given = Path(path)
        return given if given.is_relative_to(self._paths.sysroot) else self._paths.system(path)

    def _hostname(self) -> str:
        package = self._load("system")
        sections = package.sections.values() if package else []
        names = [s.options.get("hostname", "") for s in sections if s.type == "system"]
        return str(names[0]) if names and names[0] else "OpenWrt"

    def _rpc_sys(self) -> dict[str, Method]:
        async def factory(_: Request) -> None:
            self._machine.factory_reset()
            await trio.sleep_forever()  # the real one is gone before it could answer

        return {"factory": Method(factory)}

    # -- procd: service ---------------------------------------------------------------------------------------

    def _service(self) -> dict[str, Method]:
        async def event(request: Request) -> None:
            kind, data = _required(request, "type"), request.args.get("data")
            if not isinstance(data, dict):
                raise InvalidArgument("'data' is missing")
            if kind == "config.change":
                await self._config_changed(str(data.get("package", "")))

        return {
            "list": _method(self._services, name=str, verbose=bool),
            "event": Method(event, {"type": str, "data": dict}),
        }

    async def _config_changed(self, package: str) -> None:
        if package == "network":
            await self._reload_network()
        if package in {"network", "wireless"}:
            self._reload_wireless()
        self._machine.config_changed(package)

    def _services(self, request: Request) -> Mapping[str, Any]:
        pid = self._machine.suite_pid()
        running: dict[str, Any] = {name: {"running": True, "term_timeout": 5} for name in _SERVICES}
        running["cwmpd"] = {
            "running": bool(pid),
            **({"pid": pid} if pid else {}),
            "command": ["/usr/sbin/cwmpd"],
            "term_timeout": 5,
            "respawn": {"threshold": 3600, "timeout": 5, "retry": 5},
        }
        installed = self._paths.system("/tmp/run/services")  # see `packages`
        if installed.is_dir():
            running |= {file.name: {"running": True, "term_timeout": 5} for file in installed.iterdir()}
        wanted = request.args.get("name")
        return {
            name: {"instances": {"instance1": instance}}
            for name, instance in running.items()
            if wanted in {None, name}
        }

    # -- netifd -----------------------------------------------------------------------------------------------

    def _network(self) -> dict[str, Method]:
        async def reload(_: Request) -> None:
            await self._reload_network()
            self._reload_wireless()

        return {"reload": Method(reload), "restart": Method(reload)}

    def _network_interface(self) -> dict[str, Method]:
        def of(handler: Callable[[str], Mapping[str, Any] | None]) -> Callable[..., Mapping[str, Any] | None]:
            return lambda request: handler(self._known(_required(request, "interface")))

        return {
            "dump": _method(lambda _: self._netifd.dump(self._machine.uptime())),
            "status": _method(of(self._interface_status), interface=str),
            "up": Method(partial(self._switch_named, True), {"interface": str}),
            "down": Method(partial(self._switch_named, False), {"interface": str}),
            "renew": _method(of(lambda _: None), interface=str),
        }

    async def _switch_named(self, up: bool, request: Request) -> None:
        await self._switch(self._known(_required(request, "interface")), up, request)

    async def _switch(self, name: str, up: bool, _: Request) -> None:
        self._netifd.switch(name, up=up, now=self._machine.uptime())
        await self._tell(name, "ifup" if up else "ifdown")

    def _known(self, name: str) -> str:
        if name not in self._netifd.interfaces:
            raise NotFound(f"there is no interface {name}")
        return name

    def _interface_status(self, name: str) -> Mapping[str, Any]:
        return self._netifd.status(name, self._machine.uptime())

    def _one_status(self, name: str, _: Request) -> Mapping[str, Any]:
        return self._interface_status(name)

    async def _reload_network(self) -> None:
        package = self._load("network")
        if package is None:
            return
        for name, change in self._netifd.reload(package, self._machine.uptime()).items():
            if change == "ifdown":
                await self._interfaces.pop(name).remove()
            elif change == "ifup":
                self._interfaces[name] = await self._bus.add_object(
                    f"network.interface.{name}",
                    {
                        "status": _method(partial(self._one_status, name)),
                        "up": Method(partial(self._switch, name, True)),
                        "down": Method(partial(self._switch, name, False)),
                        "renew": _method(lambda _: None),
                    },
                )
            await self._tell(name, change)

    async def _tell(self, name: str, change: str) -> None:
        assert self._interface is not None
        action = "ifdown" if change == "ifdown" else "ifup"
        await self._bus.send("network.interface", {"action": action, "interface": name})
        status = {} if action == "ifdown" else self._interface_status(name)
        notification = "interface.down" if action == "ifdown" else "interface.update"
        await self._interface.notify(notification, {"interface": name, **status})

    def _device_status(self, request: Request) -> Mapping[str, Any]:
        try:
            return self._netifd.device_status(request.args.get("name", ""))
        except KeyError:
            raise InvalidArgument(f"there is no device {request.args['name']}") from None

    def _wireless(self) -> dict[str, Method]:
        def status(request: Request) -> Mapping[str, Any]:
            radios = self._netifd.wireless_status()
            wanted = request.args.get("device")
            if wanted is not None and wanted not in radios:
                raise NotFound(f"there is no radio {wanted}")
            return {name: radio for name, radio in radios.items() if wanted in {None, name}}

        def reload(_: Request) -> None:
            self._reload_wireless()

        return {
            "status": _method(status, device=str),
            "up": _method(reload, device=str),
            "down": _method(reload, device=str),
            "reconf": _method(reload, device=str),
        }

    def _reload_wireless(self) -> None:
        package = self._load("wireless")
        if package is not None:
            self._netifd.reload_wireless(package)

    # -- rpcd and odhcpd --------------------------------------------------------------------------------------

    def _iwinfo(self) -> dict[str, Method]:
        def of(answer: Callable[[str], Mapping[str, Any]]) -> Callable[[Request], Mapping[str, Any]]:
            return lambda request: answer(_required(request, "device"))

        return {
            "devices": _method(lambda _: self._air.devices()),
            "info": _method(of(self._air.info), device=str),
            "assoclist": _method(of(self._air.stations), device=str, mac=str),
            "scan": _method(of(self._air.scan), device=str),
            "freqlist": _method(of(self._air.channels), device=str),
            "txpowerlist": _method(of(self._air.powers), device=str),
        }

    def _dhcp(self) -> dict[str, Method]:
        def leases(_: Request) -> Mapping[str, Any]:
            return dhcp.ipv6_leases(self._load("dhcp"), self._netifd.device_status())

        return {
            "ipv4leases": _method(lambda _: {"device": {}}),  # dnsmasq serves DHCPv4, odhcpd has none
            "ipv6leases": _method(leases),
        }

    # -- the sandbox ------------------------------------------------------------------------------------------

    def _text(self, path: str) -> str:
        try:
            return self._paths.system(path).read_text().strip()
        except OSError as error:
            raise UnknownError(f"{path}: {error.strerror}") from None

    def _load(self, package: str) -> Package | None:
        """A package, or None where it cannot be read: the daemon keeps what it has, and says so."""
        try:
            return self._uci.load(package)
        except (PackageNotFound, UciError, OSError) as error:
            _log.warning("%s stays as it is: %s", package, error)
            return None


def _required(request: Request, name: str) -> str:
    value = request.args.get(name)
    if not isinstance(value, str):
        raise InvalidArgument(f"'{name}' is missing")
    return value


def _shell_variables(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value.strip("'\"") for name, sign, value in pairs if sign}
