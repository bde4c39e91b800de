"""Packages of opkg, OpenWrt until 24.10.

A deployment unit is a package that somebody asked for (flag ``user``) and that is not part of the firmware's
read-only image; packages that came along as dependencies are not. A package file is a gzipped tar of
``control.tar.gz`` and the files. It carries no signature: what can be trusted is the server it came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import trio

from cwmp.contract import FaultCode
from cwmp.firmware.modules import packages
from cwmp.firmware.modules.units import Environment, Package, Unit

if TYPE_CHECKING:
    import tarfile

_STATUS = "/usr/lib/opkg/status"
_INFO = "/usr/lib/opkg/info"
_MAX_CONTROL = 64 << 10
_MAX_UNPACKED = 512 << 20
_SIZE = re.compile(r"[0-9]{1,18}")
_MEANINGS: Mapping[str, tuple[FaultCode, str]] = {
    r"No space left|available on filesystem": (FaultCode.SYSTEM_RESOURCES_EXCEEDED, "there is no space"),
    r"Cannot satisfy the following dependencies|cannot find dependency": (
        FaultCode.REQUEST_DENIED,
        "what it depends on is not to be had",
    ),
    r"incompatible with the architectures": (
        FaultCode.EXECUTION_ENVIRONMENT_MISMATCH,
        "it is not for this device",
    ),
    r"Malformed package|Failed to extract": (FaultCode.FILE_CORRUPTED, "it is no package"),
    r"is depended upon|depends on": (FaultCode.INVALID_DEPLOYMENT_UNIT_STATE, "other packages need it"),
}


class Manager(packages.PackageManager):
    """See `Backend`."""

    kind = "opkg"
    suffix = ".ipk"
    lock = "/var/lock/opkg.lock"

    async def installed(self) -> Iterable[tuple[Unit, Sequence[str]]]:
        firmware = {p.get("Package") for p in paragraphs(self.text(f"/rom{_STATUS}"))}
        return list(self._units(firmware))

    def _units(self, firmware: set[str | None]) -> Iterator[tuple[Unit, Sequence[str]]]:
        for entry in paragraphs(self.text(_STATUS)):
            name = entry.get("Package", "")
            words = entry.get("Status", "").split()
            if len(words) != 3 or words[2] != "installed" or "user" not in words[1] or name in firmware:
                continue
            control = next(paragraphs(self.text(f"{_INFO}/{name}.control")), {})
            unit = Unit(
                key=name,
                environment=packages.KEY,
                name=name,
                vendor=packages.vendor_of(control.get("Maintainer", "")) or self.vendor,
                version=entry.get("Version", ""),
                description=control.get("Description", "")[:256],
            )
            files = [f.lstrip("/") for f in self.text(f"{_INFO}/{name}.list").splitlines()]
            yield unit, files

    async def examine(self, file: Path) -> Mapping[str, Any]:
        control = await trio.to_thread.run_sync(examine, file)
        size = control.get("Installed-Size", "0")
        return {
            "name": control.get("Package", ""),
            "version": control.get("Version", ""),
            "vendor": control.get("Maintainer", ""),
            "architecture": control.get("Architecture", ""),
            "size": int(size) if _SIZE.fullmatch(size) else 0,
        }

    async def architectures(self) -> Iterable[str]:
        ran = await self._run("print-architecture")
        lines = [line.split() for line in ran.output.splitlines()]
        return [words[1] for words in lines if len(words) == 3 and words[0] == "arch"]

    async def compare(self, first: str, second: str) -> int:
        """See `Backend`; the order is opkg's own."""
        for operator, order in (("=", 0), ("<<", -1), (">>", 1)):
            if (await self._run("compare-versions", first, operator, second)).status == 0:
                return order
        raise packages.denied(f"opkg does not compare '{first}' with '{second}'")

    async def install(self, package: Package, environment: Environment, uuid: str) -> None:
        """See `Backend`."""
        if package.file is not None:
            await self._done("install", str(package.file))

    async def update(self, unit: Unit, package: Package) -> None:
        """See `Backend`."""
        if package.file is not None:
            await self._done("install", str(package.file))

    async def uninstall(self, unit: Unit) -> None:
        """See `Backend`; dependencies that nobody needs any more go along."""
        await self._done("--autoremove", "remove", unit.key)
        if any(u.key == unit.key for u, _ in await self.installed()):
            ran = await self._run("whatdepends", unit.key)
            raise packages.failure(ran, _MEANINGS)

    async def _done(self, *arguments: str) -> None:
        ran = await self._run(*arguments)
        if ran.status != 0:
            raise packages.failure(ran, _MEANINGS)

    async def _run(self, *arguments: str) -> packages.Ran:
        root = str(self.paths.sysroot)
        return await packages.run(
            self.program, *([] if root == "/" else ["--offline-root", root]), *arguments
        )


def paragraphs(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a control file: fields with their first line."""
    entry: dict[str, str] = {}
    for line in [*text.splitlines(), ""]:
        if not line.strip():
            if entry:
                yield entry
            entry = {}
        elif line[0] not in " \t":
            name, _, value = line.partition(":")
            entry.setdefault(name, value.strip())


def examine(file: Path) -> dict[str, str]:
    """The control file of a package."""
    import tarfile  # noqa: PLC0415  # large for a service that seldom needs it
    import zlib  # noqa: PLC0415

    from cwmp.firmware.archive import ArchiveError, BoundedMember  # noqa: PLC0415

    try:
        with tarfile.open(file, "r|gz", tarinfo=BoundedMember) as package:
            inner = _member(package, "control.tar.gz")
            with tarfile.open(fileobj=inner, mode="r|gz", tarinfo=BoundedMember) as control:
                text = _member(control, "control").read(_MAX_CONTROL).decode("utf-8", "replace")
    except (
        ArchiveError,
        tarfile.TarError,
        OSError,
        EOFError,
        zlib.error,
        ValueError,
        OverflowError,
        LookupError,
        TypeError,
        RecursionError,
        AttributeError,  # Python before 3.11.4: its stream of a damaged gzip lacks what it looks for
    ) as error:
        raise packages.unusable(f"it is no package of opkg: {error}"[:200]) from None
    return next(paragraphs(text), {})


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    unpacked = 0
    for member in archive:
        unpacked += member.size
        if unpacked > _MAX_UNPACKED:
            raise ValueError(f"more than {_MAX_UNPACKED} bytes unpacked")
        found = archive.extractfile(member) if member.name.removeprefix("./") == name else None
        if found is not None:
            return found
    raise ValueError(f"there is no {name} in it")
