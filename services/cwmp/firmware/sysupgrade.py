"""The seam to the system: checking an image, flashing it, the running version, the reboot.

Everything goes through procd's object ``system``, whose replies are::

    board                       {..., release: {version, revision, ...}}
    validate_firmware_image     {tests: {name: bool}, valid, forceable, allow_backup}
    sysupgrade                  {error: {message}} and a status if it refuses; it never answers if it flashes
    reboot                      nothing

procd's ``sysupgrade`` wants its RAM root prepared, and the backup of the configuration made. On a router
``/sbin/sysupgrade`` does both and then makes that very call; where there is no such program (a virtual router)
the call is made from here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.firmware.image import version_string
from cwmp.runtime import Paths
from ubuskit.errors import (
    CallTimeout,
    Disconnected,
    InvalidArgument,
    MethodNotFound,
    NotFound,
    NotSupported,
    PermissionDenied,
    UbusError,
)

_ASK = 10.0
_CHECK = 180.0
_FLASH = 300.0
_MAX_SAID = 160

# Exit codes of /sbin/sysupgrade that say for certain that nothing is flashed: its own 1, and what procd answered
# to the call it ends with (ubus status 2, 8). Anything else may be the end of the program by the upgrade itself.
_REFUSALS = frozenset({1, 2, 8})

# What /sbin/sysupgrade passes (base-files, /sbin/sysupgrade and /lib/upgrade).
_RAM_ROOT = "/tmp/root"  # noqa: S108  # the system's own path
_STAGE2 = "/lib/upgrade/do_stage2"


class Bus(Protocol):
    """The part of a ubus client that is needed here."""

    async def call(
        self, obj: str, method: str, args: Mapping[str, Any] | None = None, *, timeout: float = ...
    ) -> dict[str, Any]: ...

    async def call_all(
        self, obj: str, method: str, args: Mapping[str, Any] | None = None, *, timeout: float = ...
    ) -> list[dict[str, Any]]: ...


class System:
    """The router below `paths`, as procd serves it on `bus`."""

    def __init__(self, bus: Bus, paths: Paths) -> None:
        self._bus = bus
        self._sysupgrade = paths.system("/sbin/sysupgrade")

    async def version(self) -> str:
        """The firmware that runs, as `version_string` writes it.

        Raises:
            Fault: 9002, it cannot be told.
        """
        try:
            board = await self._bus.call("system", "board", timeout=_ASK)
        except UbusError as error:
            raise _internal(f"the running firmware's version cannot be read: {error}") from None
        release = board.get("release")
        version = version_string(release) if isinstance(release, Mapping) else ""
        if not version:
            raise _internal("the running firmware's version cannot be read: 'system board' does not say it")
        return version

    async def check(self, image: Path) -> None:
        """Have the system check an image.

        Raises:
            Fault: 9018 it is not for this device, or corrupt; 9019 its signature is not valid; 9002 it could
                not be checked.
        """
        try:
            found = await self._bus.call(
                "system", "validate_firmware_image", {"path": str(image)}, timeout=_CHECK
            )
        except UbusError as error:
            raise _internal(f"the image could not be checked: {error}") from None
        if found.get("valid") is True:
            return
        tests = found.get("tests")
        failed = [n for n, passed in tests.items() if passed is False] if isinstance(tests, Mapping) else []
        if failed == ["fwtool_signature"]:
            raise Fault(FaultCode.FILE_AUTHENTICATION, "the image is not signed by a key this device trusts")
        why = f": {', '.join(sorted(failed))}" if failed else ""
        raise Fault(FaultCode.FILE_CORRUPTED, f"the image failed the system's check{why}"[:_MAX_SAID])

    async def flash(self, image: Path) -> None:
        """Have the system flash an image, settings kept. Returning means that it may have begun: it stops
        everything, this process included, and what its end looks like from here proves nothing.

        Raises:
            Fault: it refuses for certain; nothing was written.
        """
        if self._sysupgrade.exists():
            await self._run_sysupgrade(image)
        else:
            await self._call_sysupgrade(image)

    async def _run_sysupgrade(self, image: Path) -> None:
        result = None
        with trio.move_on_after(_FLASH):
            result = await trio.run_process(
                [str(self._sysupgrade), "-q", str(image)],
                check=False,
                capture_stdout=True,
                stderr=subprocess.STDOUT,
            )
        if result is not None and result.returncode in _REFUSALS:
            raise _refusal(result.stdout.decode("utf-8", "replace"))

    async def _call_sysupgrade(self, image: Path) -> None:
        arguments = {
            "prefix": _RAM_ROOT,
            "path": str(image),
            "command": _STAGE2,
            "options": {"save_partitions": 1},
        }
        try:
            await self._bus.call_all("system", "sysupgrade", arguments, timeout=_FLASH)
        except (NotSupported, InvalidArgument) as error:
            raise _refusal(str(error)) from None
        except (NotFound, MethodNotFound, PermissionDenied) as error:
            raise _internal(f"the system does not flash: {error}") from None
        except UbusError:
            return  # no answer, or a lost connection: what a flash looks like from here

    async def reboot(self) -> None:
        """Have the system reboot.

        Raises:
            Fault: 9002, it did not take the request.
        """
        try:
            await self._bus.call("system", "reboot", timeout=_ASK)
        except (CallTimeout, Disconnected):
            return  # it was on its way down
        except UbusError as error:
            raise _internal(f"the system did not take the request to reboot: {error}") from None


def _refusal(said: str) -> Fault:
    said = " ".join(said.split())[-_MAX_SAID:]
    return Fault(FaultCode.FILE_CORRUPTED, f"the system refused the image: {said or 'it does not say why'}")


def _internal(text: str) -> Fault:
    return Fault(FaultCode.INTERNAL_ERROR, text)
