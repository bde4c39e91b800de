"""The seam to the system: images, backups of the configuration, the running version, reboot and factory reset.

What concerns images and reboots goes through procd's object ``system``, whose replies are::

    board                       {..., release: {version, revision, ...}}
    validate_firmware_image     {tests: {name: bool}, valid, forceable, allow_backup}
    sysupgrade                  {error: {message}} and a status if it refuses; it never answers if it flashes
    reboot                      nothing

procd's ``sysupgrade`` wants its RAM root prepared, and the backup of the configuration made. On a router
``/sbin/sysupgrade`` does both and then makes that very call; where there is no such program (a virtual router)
the call is made from here. Backups are made and restored by that program alone.

The settings may be dropped with an upgrade (option ``upgrade_keep_settings``): then the new firmware gets an archive
with this client's own files only, so that it still knows its ACS, and what it owes it.

A factory reset is rpcd's method ``rpc-sys factory``; where it is missing, /sbin/jffs2reset, which that method runs.
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
_BACKUP = 120.0
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
        self._jffs2reset = paths.system("/sbin/jffs2reset")

    @property
    def keeps_backups(self) -> bool:
        """Whether backups of the configuration can be made and restored."""
        return self._sysupgrade.exists()

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

    async def check(self, image: Path, *, keep_settings: bool = True) -> None:
        """Have the system check an image; `keep_settings`: it has to take over the settings.

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
            if keep_settings and found.get("allow_backup") is False:
                raise Fault(
                    FaultCode.FILE_CORRUPTED,
                    "the image cannot take over the settings (option 'upgrade_keep_settings')",
                )
            return
        tests = found.get("tests")
        failed = [n for n, passed in tests.items() if passed is False] if isinstance(tests, Mapping) else []
        if failed == ["fwtool_signature"]:
            raise Fault(FaultCode.FILE_AUTHENTICATION, "the image is not signed by a key this device trusts")
        why = f": {', '.join(sorted(failed))}" if failed else ""
        raise Fault(FaultCode.FILE_CORRUPTED, f"the image failed the system's check{why}"[:_MAX_SAID])

    async def flash(self, image: Path, settings: Path | None = None) -> None:
        """Have the system flash an image. Settings are kept, or replaced by those in the archive `settings`.
        Returning means that it may have begun: it stops everything, this process included, and what its end looks
        like from here proves nothing.

        Raises:
            Fault: it refuses for certain; nothing was written.
        """
        if self._sysupgrade.exists():
            await self._run_sysupgrade(image, settings)
        else:
            await self._call_sysupgrade(image, settings)

    async def _run_sysupgrade(self, image: Path, settings: Path | None) -> None:
        given = ["-f", str(settings)] if settings is not None else []
        try:
            code, said = await _run([str(self._sysupgrade), "-q", *given, str(image)], _FLASH)
        except trio.TooSlowError:
            return
        if code in _REFUSALS:
            raise _refusal(said)

    async def _call_sysupgrade(self, image: Path, settings: Path | None) -> None:
        arguments = {
            "prefix": _RAM_ROOT,
            "path": str(image),
            "command": _STAGE2,
            "options": {"save_partitions": 1},
            **({"backup": str(settings)} if settings is not None else {}),
        }
        try:
            await self._bus.call_all("system", "sysupgrade", arguments, timeout=_FLASH)
        except (NotSupported, InvalidArgument) as error:
            raise _refusal(str(error)) from None
        except (NotFound, MethodNotFound, PermissionDenied) as error:
            raise _internal(f"the system does not flash: {error}") from None
        except UbusError:
            return  # no answer, or a lost connection: what a flash looks like from here

    async def backup(self, target: Path) -> None:
        """Write an archive of the configuration.

        Raises:
            Fault: 9011, there is none.
        """
        await self._configuration("-b", target, FaultCode.UPLOAD_FAILURE)

    async def restore(self, archive: Path) -> None:
        """Put the files of an archive where they belong; daemons see them after a reboot.

        Raises:
            Fault: 9018, the system does not take it.
        """
        await self._configuration("-r", archive, FaultCode.FILE_CORRUPTED)

    async def _configuration(self, option: str, archive: Path, failure: FaultCode) -> None:
        try:
            code, said = await _run([str(self._sysupgrade), option, str(archive)], _BACKUP)
        except trio.TooSlowError:
            raise Fault(failure, f"sysupgrade {option} was not done within {_BACKUP:g} s") from None
        except OSError as error:
            raise Fault(failure, f"sysupgrade cannot be run: {error.strerror}") from None
        if code:
            raise Fault(failure, f"sysupgrade {option} ended with code {code}: {_brief(said)}")

    async def factory_reset(self) -> None:
        """Forget all configuration, and reboot. Returning means that it has begun.

        Raises:
            Fault: 9002, the system does not do that.
        """
        try:
            await self._bus.call("rpc-sys", "factory", timeout=_FLASH)
        except (CallTimeout, Disconnected):
            return  # it was on its way down
        except (NotFound, MethodNotFound):
            await self._erase_overlay()
        except UbusError as error:
            raise _internal(
                f"the system did not take the request to forget its configuration: {error}"
            ) from None

    async def _erase_overlay(self) -> None:
        try:
            code, said = await _run([str(self._jffs2reset), "-r", "-y"], _FLASH)
        except trio.TooSlowError:
            return
        except OSError as error:
            raise _internal(
                f"this system cannot forget its configuration: jffs2reset: {error.strerror}"
            ) from None
        if code:
            raise _internal(f"jffs2reset ended with code {code}: {_brief(said)}")

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


async def _run(command: list[str], deadline: float) -> tuple[int, str]:
    """The exit code of a program of the system, and what it said. TooSlowError when it does not end in time."""
    with trio.fail_after(deadline):
        done = await trio.run_process(
            command, check=False, stdin=subprocess.DEVNULL, capture_stdout=True, stderr=subprocess.STDOUT
        )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _brief(said: str) -> str:
    return " ".join(said.split())[-_MAX_SAID:] or "it does not say why"


def _refusal(said: str) -> Fault:
    return Fault(FaultCode.FILE_CORRUPTED, f"the system refused the image: {_brief(said)}")


def _internal(text: str) -> Fault:
    return Fault(FaultCode.INTERNAL_ERROR, text)
