"""Packages of apk (version 3), OpenWrt from 25.12 on.

A deployment unit is a package of apk's "world", which are those that somebody asked for, where it is not part of
the firmware's read-only image. A package must carry a signature the device trusts, or have come over https.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cwmp.contract import Fault, FaultCode
from cwmp.firmware.modules import packages
from cwmp.firmware.modules.units import Environment, Package, Unit

_WORLD = "/etc/apk/world"
_INSTALLED = "/lib/apk/db/installed"
_CONSTRAINT = re.compile(r"[<>=~@]")
_ORDER = {"<": -1, "=": 0, ">": 1}
_MEANINGS: Mapping[str, tuple[FaultCode, str]] = {
    r"No space left": (FaultCode.SYSTEM_RESOURCES_EXCEEDED, "there is no space"),
    r"UNTRUSTED": (FaultCode.FILE_CORRUPTED, "it is not signed by a key this device trusts"),
    r"format is invalid|BAD archive|BAD signature|unexpected end": (
        FaultCode.FILE_CORRUPTED,
        "it is no package",
    ),
    r"uninstallable": (FaultCode.EXECUTION_ENVIRONMENT_MISMATCH, "it is not for this device"),
    r"unable to select packages": (FaultCode.REQUEST_DENIED, "what it depends on is not to be had"),
}


class Manager(packages.PackageManager):
    """See `Backend`."""

    kind = "apk"
    suffix = ".apk"
    lock = "/lib/apk/db/lock"

    async def installed(self) -> Iterable[tuple[Unit, Sequence[str]]]:
        wanted = _world(self.text(_WORLD)) - _world(self.text(f"/rom{_WORLD}"))
        return [
            (self._unit(fields), files)
            for fields, files in _database(self.text(_INSTALLED))
            if fields.get("P") in wanted
        ]

    def _unit(self, fields: Mapping[str, str]) -> Unit:
        return Unit(
            key=fields["P"],
            environment=packages.KEY,
            name=fields["P"],
            vendor=packages.vendor_of(fields.get("m", "")) or self.vendor,
            version=fields.get("V", ""),
            description=fields.get("T", "")[:256],
        )

    async def examine(self, file: Path) -> Mapping[str, Any]:
        ran = await self._run("adbdump", "--format", "json", str(file))
        if ran.status != 0:
            raise packages.unusable(f"it is no package of apk: {ran.said}")
        try:
            info = json.loads(ran.output)["info"]
            size = info.get("installed-size", 0)
        except (ValueError, LookupError, AttributeError, TypeError):
            raise packages.unusable("apk does not say what is in it") from None
        return {
            "name": info.get("name"),
            "version": info.get("version"),
            "vendor": info.get("maintainer", ""),
            "architecture": info.get("arch", "noarch"),
            "size": size if isinstance(size, int) else 0,
        }

    async def architectures(self) -> Iterable[str]:
        ran = await self._run("--print-arch")
        return [*ran.output.split(), *self.text("/etc/apk/arch").split(), "noarch"]

    async def compare(self, first: str, second: str) -> int:
        """See `Backend`; the order is apk's own."""
        ran = await self._run("version", "--test", first, second)
        if ran.output.strip() not in _ORDER:
            raise packages.denied(f"apk does not compare '{first}' with '{second}'")
        return _ORDER[ran.output.strip()]

    async def install(self, package: Package, environment: Environment, uuid: str) -> None:
        """See `Backend`."""
        if package.file is not None:
            await self._done("add", *(["--allow-untrusted"] if package.trusted else []), str(package.file))

    async def update(self, unit: Unit, package: Package) -> None:
        """See `Backend`."""
        if package.file is not None:
            await self._done("add", *(["--allow-untrusted"] if package.trusted else []), str(package.file))

    async def uninstall(self, unit: Unit) -> None:
        """See `Backend`; dependencies that nobody needs any more go along."""
        fields = ("--format", "json", "--installed", "--fields", "reverse-depends")
        ran = await self._run("query", *fields, unit.key)
        try:
            needed = [name for package in json.loads(ran.output) for name in package["reverse-depends"]]
        except (ValueError, LookupError, TypeError):
            needed = []
        if needed:  # apk would take it out of the world and leave it installed
            raise Fault(
                FaultCode.INVALID_DEPLOYMENT_UNIT_STATE, f"other packages need it: {', '.join(needed[:5])}"
            )
        await self._done("del", unit.key)

    async def _done(self, *arguments: str) -> None:
        ran = await self._run(*arguments)
        if ran.status != 0:
            raise packages.failure(ran, _MEANINGS)

    async def _run(self, *arguments: str) -> packages.Ran:
        root = str(self.paths.sysroot)
        return await packages.run(self.program, *([] if root == "/" else ["--root", root]), *arguments)


def _world(text: str) -> set[str]:
    """The names in a world file: constraints and tags stand behind them."""
    return {_CONSTRAINT.split(entry, maxsplit=1)[0] for entry in text.split() if not entry.startswith("!")}


def _database(text: str) -> Iterator[tuple[dict[str, str], list[str]]]:
    """The packages in apk's database: their fields by letter, and their files."""
    fields: dict[str, str] = {}
    files: list[str] = []
    directory = ""
    for line in [*text.splitlines(), ""]:
        letter, _, value = line.partition(":")
        if not line:
            if "P" in fields:
                yield fields, files
            fields, files, directory = {}, [], ""
        elif letter == "F":
            directory = value
        elif letter == "R":
            files.append(f"{directory}/{value}" if directory else value)
        else:
            fields.setdefault(letter, value)
