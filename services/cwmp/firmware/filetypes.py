"""What can be done with a file of each type (TR-069a6 A.3.2.8, A.4.1.5; tables 30, 40).

| Download                      | what becomes of it                                                          |
|-------------------------------|-----------------------------------------------------------------------------|
| 1 Firmware Upgrade Image      | flashed, see `worker`                                                       |
| 2 Web Content                 | a tar archive, unpacked where option `web_content` says; without it refused |
| 3 Vendor Configuration File   | an archive of ``sysupgrade -b``; restored, and in use after a reboot        |
| 4 Tone File, 5 Ringer File    | refused: there is no telephony                                              |
| 6 Stored Firmware Image, X .. | given to the program that is declared for it (`declared`); else refused     |

| Upload                          | what is sent                                                              |
|---------------------------------|---------------------------------------------------------------------------|
| 1, 3 Vendor Configuration File  | an archive of ``sysupgrade -b``: what is in /etc, but for our own state    |
| 2, 4 Vendor Log File            | the system's log, or the end of the file where it is kept                 |
| X ..                            | what the program that is declared for it writes                           |

A refused type is fault 9003, before anything is promised.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.firmware import declared
from cwmp.firmware.configfiles import RUNNING, ConfigFiles
from cwmp.firmware.declared import Declaration
from cwmp.firmware.sysupgrade import System
from cwmp.firmware.transfer import Transfer
from cwmp.runtime import Paths
from cwmp.runtime.clock import date_time

FIRMWARE = "1 Firmware Upgrade Image"
WEB_CONTENT = "2 Web Content"
CONFIGURATION = "3 Vendor Configuration File"

_TELEPHONY = frozenset({"4 Tone File", "5 Ringer File"})
_UPLOAD = re.compile(r"([1-4]) (Vendor Configuration File|Vendor Log File)(?: ([1-9]\d{0,8}))?")
_REPORTED = {"3 Vendor Configuration File": "6", "4 Vendor Log File": "7"}
_REPORTED_AGED = {"1 Vendor Configuration File": "3", "2 Vendor Log File": "4"}
_LOG_DEADLINE = 60.0
_MOST_LOG_BYTES = 8 << 20

LogName = Callable[[int], Awaitable[str]]
"""The Name of a row of DeviceInfo.VendorLogFile. Raises Fault 9003 when there is no such row."""


class Installer(Protocol):
    """What takes a downloaded file. `restarts`: it is in use after a reboot; `flashes`: it is firmware."""

    restarts: bool
    flashes: bool

    async def check(self, file: Path) -> None:
        """Raises Fault when the file cannot be used."""

    async def install(self, file: Path, transfer: Transfer) -> None:
        """Put it where it belongs; may have to be done again. Raises Fault when that is not possible."""


Produce = Callable[[Path], Awaitable[None]]
"""Writes the file that is to be sent; raises Fault."""


def reported_type(transfer: Transfer) -> str:
    """The FileType by which AutonomousTransferComplete and GetAllQueuedTransfers call it: numbers of uploads follow
    those of downloads there (A.4.1.7, A.4.2.3)."""
    if transfer.is_download:
        return (
            "8 Stored Firmware Image" if transfer.file_type == declared.STORED_IMAGE else transfer.file_type
        )
    found = _UPLOAD.fullmatch(transfer.file_type)
    if found is None:
        return transfer.file_type
    kind = f"{found[1]} {found[2]}"
    number = _REPORTED.get(kind) or _REPORTED_AGED.get(kind, found[1])
    return f"{number} {found[2]}" + (f" {found[3]}" if found[3] else "")


class FileTypes:
    """The types that this device knows now."""

    def __init__(
        self,
        system: System,
        paths: Paths,
        config_files: ConfigFiles,
        declarations: Callable[[], dict[str, Declaration]],
        web_content: Callable[[], str],
        keep_settings: Callable[[], bool],
        log_name: LogName,
    ) -> None:
        self._system = system
        self._paths = paths
        self._config_files = config_files
        self._declarations = declarations
        self._web_content = web_content
        self._keep_settings = keep_settings
        self._log_name = log_name

    def installer(self, file_type: str) -> Installer:
        """What takes files of this type.

        Raises:
            Fault: 9003, nothing does.
        """
        if file_type == FIRMWARE:
            return _Firmware(self._system, self._keep_settings())
        if file_type == WEB_CONTENT:
            if not (directory := self._web_content()):
                raise _unsupported(
                    file_type, "this device has no web content to be replaced (option 'web_content')"
                )
            return _WebContent(self._paths.system(directory))
        if file_type == CONFIGURATION:
            self._needs_backups(file_type)
            return _Configuration(self._system, self._paths, self._config_files)
        if file_type in _TELEPHONY:
            raise _unsupported(file_type, "this device has no telephony")
        declaration = self._declarations().get(file_type)
        if declaration is not None and declaration.download:
            return _Declared(declaration)
        if file_type == declared.STORED_IMAGE:
            raise _unsupported(file_type, "this device cannot store an image without running it")
        raise _unsupported(file_type, "there is no such type here")

    async def producer(self, file_type: str) -> Produce:
        """What makes a file of this type to be sent.

        Raises:
            Fault: 9003, nothing does.
        """
        found = _UPLOAD.fullmatch(file_type)
        if found is None:
            declaration = self._declarations().get(file_type)
            if declaration is None or not declaration.upload:
                raise _unsupported(file_type, "there is no such type here")
            command = declaration.upload
            return lambda file: declared.run(command, file, FaultCode.UPLOAD_FAILURE)
        number, kind, instance = found.groups()
        if (number in "34") != (instance is not None):
            raise _unsupported(file_type, "types 3 and 4 name a row of a table, types 1 and 2 do not")
        if kind == "Vendor Configuration File" and number in "13":
            self._needs_backups(file_type)
            if instance is not None and int(instance) != RUNNING:
                raise _unsupported(file_type, f"only row {RUNNING} can be sent, the running configuration")
            return self._backup
        if kind == "Vendor Log File" and number in "24":
            name = await self._log_name(int(instance or 1))
            return lambda file: self._log(name, file)
        raise _unsupported(file_type, "there is no such type here")

    def _needs_backups(self, file_type: str) -> None:
        if not self._system.keeps_backups:
            raise _unsupported(file_type, "this system makes and restores no backups (sysupgrade)")

    async def _backup(self, file: Path) -> None:
        from cwmp.firmware import archive  # noqa: PLC0415  # brings tarfile with it, for one file in a while

        whole = file.with_suffix(".whole")
        try:
            await self._system.backup(whole)
            copy = partial(archive.copy_backup, whole, file, _state(self._paths), strict=False)
            await trio.to_thread.run_sync(copy)
        except (archive.ArchiveError, OSError) as error:
            raise Fault(FaultCode.UPLOAD_FAILURE, f"the configuration cannot be packed: {error}") from None
        finally:
            whole.unlink(missing_ok=True)

    async def _log(self, name: str, file: Path) -> None:
        if name.startswith("/"):
            try:
                await trio.to_thread.run_sync(_copy_end, self._paths.system(name), file)
            except OSError as error:
                raise Fault(FaultCode.UPLOAD_FAILURE, f"{name} cannot be read: {error.strerror}") from None
            return
        try:
            with file.open("xb") as output, trio.fail_after(_LOG_DEADLINE):
                program = str(self._paths.system("/sbin/logread"))
                done = await trio.run_process(
                    [program], check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL
                )
        except trio.TooSlowError:
            raise Fault(FaultCode.UPLOAD_FAILURE, "the system's log cannot be read in time") from None
        except OSError as error:
            raise Fault(
                FaultCode.UPLOAD_FAILURE, f"the system's log cannot be read: {error.strerror}"
            ) from None
        if done.returncode:
            raise Fault(FaultCode.UPLOAD_FAILURE, f"logread ended with code {done.returncode}")


class _Firmware:
    restarts = False
    flashes = True

    def __init__(self, system: System, keep_settings: bool) -> None:
        self._system = system
        self._keep_settings = keep_settings

    async def check(self, file: Path) -> None:
        await self._system.check(file, keep_settings=self._keep_settings)

    async def install(self, file: Path, transfer: Transfer) -> None:
        raise Fault(FaultCode.INTERNAL_ERROR, "firmware is flashed")


class _WebContent:
    restarts = flashes = False

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def check(self, file: Path) -> None:
        """What is in it shows while it is unpacked; the old content stays until all of the new is there."""

    async def install(self, file: Path, transfer: Transfer) -> None:
        from cwmp.firmware import archive  # noqa: PLC0415  # brings tarfile with it, for one file in a while

        try:
            await trio.to_thread.run_sync(archive.unpack, file, self._directory, _room)
        except archive.ArchiveError as error:
            raise Fault(FaultCode.FILE_CORRUPTED, f"the archive is not used: {error}") from None
        except OSError as error:
            text = f"the web content could not be written: {error.strerror}"
            raise Fault(FaultCode.DOWNLOAD_FAILURE, text) from None


class _Configuration:
    restarts = True
    flashes = False

    def __init__(self, system: System, paths: Paths, files: ConfigFiles) -> None:
        self._system = system
        self._paths = paths
        self._files = files

    async def check(self, file: Path) -> None:
        """Leaves in the place of the file a copy that holds nothing but what may be restored."""
        from cwmp.firmware import archive  # noqa: PLC0415  # brings tarfile with it, for one file in a while

        copy = file.with_suffix(".checked")
        try:
            await trio.to_thread.run_sync(archive.copy_backup, file, copy, _state(self._paths))
            copy.rename(file)
        except archive.ArchiveError as error:
            raise Fault(FaultCode.FILE_CORRUPTED, f"the configuration is not used: {error}") from None
        except OSError as error:
            raise Fault(FaultCode.DOWNLOAD_FAILURE, f"it cannot be checked: {error.strerror}") from None
        finally:
            copy.unlink(missing_ok=True)

    async def install(self, file: Path, transfer: Transfer) -> None:
        await self._system.restore(file)
        name = (
            transfer.target_file_name or transfer.url.partition("?")[0].rpartition("/")[2] or "configuration"
        )
        self._files.downloaded(name, date_time(int(transfer.start_time)))


class _Declared:
    flashes = False

    def __init__(self, declaration: Declaration) -> None:
        self._command = declaration.download
        self.restarts = declaration.restart

    async def check(self, file: Path) -> None:
        """The program knows what to look at."""

    async def install(self, file: Path, transfer: Transfer) -> None:
        await declared.run(self._command, file, FaultCode.FILE_CORRUPTED)


def _state(paths: Paths) -> str:
    """The name that our state has in an archive of this system."""
    inside = paths.state_dir.is_relative_to(paths.sysroot)
    return str(paths.state_dir.relative_to(paths.sysroot)) if inside else str(paths.state_dir)


def _copy_end(source: Path, target: Path) -> None:
    with source.open("rb") as log, target.open("xb") as copy:
        log.seek(max(0, source.stat().st_size - _MOST_LOG_BYTES))
        shutil.copyfileobj(log, copy)


def _room(directory: Path) -> int:
    return shutil.disk_usage(directory).free


def _unsupported(file_type: str, why: str) -> Fault:
    return Fault(FaultCode.INVALID_ARGUMENTS, f"FileType '{file_type}' is not supported: {why}")
