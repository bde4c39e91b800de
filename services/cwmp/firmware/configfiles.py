"""``Device.DeviceInfo.VendorConfigFile``: the configuration as it is now, and the files that made it so.

Row 1 is the running configuration, what an upload of ``3 Vendor Configuration File 1`` sends. Each configuration file
that was downloaded is a further row, known by its name: one of the same name changes its row (TR-181). Those rows are
for information; the files themselves are not kept. When there are too many, the oldest goes, and its number with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cwmp.contract.firmware import UNKNOWN_TIME
from cwmp.runtime import StateFile
from ubuskit.records import dataclass

PATH = "Device.DeviceInfo.VendorConfigFile."
RUNNING = 1

_MOST = 8
_NAME_LIMIT = 64


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A row: its number, and what it shows. `date` as dateTime."""

    instance: int
    name: str
    date: str


class ConfigFiles:
    """The rows, and their document."""

    def __init__(self, file: StateFile) -> None:
        self._file = file
        document = file.load()
        self._rows = [row for r in _listed(document.get("files")) if (row := _row(r)) is not None]
        self._next = max([RUNNING + 1, *(r.instance + 1 for r in self._rows), _number(document.get("next"))])

    def downloaded(self, name: str, date: str) -> None:
        """A file of this name has become the configuration.

        Raises:
            OSError: it cannot be recorded.
        """
        name = name[:_NAME_LIMIT]
        known = next((r.instance for r in self._rows if r.name == name), None)
        instance = known if known is not None else self._next
        rows = [*(r for r in self._rows if r.instance != instance), ConfigFile(instance, name, date)][-_MOST:]
        following = max(self._next, instance + 1)
        files = [{"instance": r.instance, "name": r.name, "date": r.date} for r in rows]
        self._file.save({"files": files, "next": following})
        self._rows, self._next = rows, following

    def parameters(self) -> dict[str, str]:
        """All parameters by name, as the datamodel asks for them."""
        running = {
            "Name": "running-configuration",
            "Version": "",
            "Date": UNKNOWN_TIME,
            "Description": "The configuration as it is now, as an archive of sysupgrade",
            "UseForBackupRestore": "true",
        }
        found = {f"{PATH}{RUNNING}.{name}": value for name, value in running.items()}
        for row in sorted(self._rows, key=lambda r: r.instance):
            values = {
                "Name": row.name,
                "Version": "",
                "Date": row.date,
                "Description": "Downloaded by the ACS",
                "UseForBackupRestore": "false",
            }
            found |= {f"{PATH}{row.instance}.{name}": value for name, value in values.items()}
        return found


def _row(value: Any) -> ConfigFile | None:
    if not isinstance(value, Mapping):
        return None
    instance, name, date = (value.get(key) for key in ("instance", "name", "date"))
    if (
        not isinstance(instance, int)
        or instance <= RUNNING
        or not isinstance(name, str)
        or not isinstance(date, str)
    ):
        return None
    return ConfigFile(instance, name, date)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
