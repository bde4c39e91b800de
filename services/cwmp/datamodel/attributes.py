"""Attributes of parameters: Notification and AccessList, as the ACS set them (TR-069a6 A.3.2.4, A.3.2.5).

They belong to the instance. A path names one for ever, since instance numbers are not given twice; so attributes
are kept by path, survive a changed Alias or a renamed section, and go with the row that is deleted. Only what
differs from the model's default is kept. Without I/O; the journal makes it durable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cwmp.datamodel.tree import Notify, Parameter

OFF, PASSIVE, ACTIVE = 0, 1, 2
SUBSCRIBER = "Subscriber"
"""Whoever writes on the LAN side: the only entity there is to give access to (A.3.2.4)."""

MAX_KEPT = 20_000
_ACS_ONLY = 4


class Attribute(NamedTuple):
    """`notification`: 0 off, 1 passive, 2 active. `local`: whether others than the ACS may write."""

    notification: int
    local: bool = True


def default(parameter: Parameter) -> Attribute:
    """What a parameter has until the ACS says otherwise."""
    return Attribute(ACTIVE if parameter.notify in (Notify.FORCED, Notify.ACTIVE) else OFF)


class Attributes:
    """The attributes that differ from the default: object path to parameter name to attribute."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Attribute]] = {}
        self.count = 0

    def of(self, path: str, parameter: Parameter) -> Attribute:
        """The attributes of a parameter of the object at `path` (with its dot)."""
        found = self._kept.get(path)
        return (found and found.get(parameter.name)) or default(parameter)

    def set(self, path: str, parameter: Parameter, attribute: Attribute) -> None:
        names = self._kept.get(path, {})
        self.count -= names.pop(parameter.name, None) is not None
        if attribute != default(parameter):
            self._kept.setdefault(path, names)[parameter.name] = attribute
            self.count += 1
        elif not names:
            self._kept.pop(path, None)

    def delete_below(self, path: str) -> None:
        """A row is deleted, with all below it."""
        for gone in [p for p in self._kept if p.startswith(path)]:
            self.count -= len(self._kept.pop(gone))

    def below(self, path: str) -> dict[str, Any]:
        """The document of those at or below `path`."""
        document: dict[str, Any] = self.document()["attributes"]
        return {kept: names for kept, names in document.items() if kept.startswith(path)}

    def put_back(self, document: Mapping[str, Any]) -> None:
        """Have those again that `below` gave."""
        self.load({"attributes": {**document, **self.document()["attributes"]}})

    def acs_only(self, path: str) -> str:
        """A parameter at or below `path` that only the ACS may change; "" where there is none."""
        for kept, names in self._kept.items():
            if kept.startswith(path):
                for name, attribute in names.items():
                    if not attribute.local:
                        return f"{kept}{name}"
        return ""

    def __iter__(self) -> Iterator[tuple[str, Mapping[str, Attribute]]]:
        return iter(self._kept.items())

    def document(self) -> dict[str, Any]:
        """What is kept on flash: ``{"attributes": {object path: {name: notification, + 4 where ACS only}}}``."""
        return {
            "attributes": {
                path: {name: a.notification + (0 if a.local else _ACS_ONLY) for name, a in names.items()}
                for path, names in self._kept.items()
            }
        }

    def load(self, document: Mapping[str, Any]) -> None:
        """Take up what `document` gave. What has the wrong shape counts as absent."""
        self._kept, self.count = {}, 0
        objects = document.get("attributes")
        for path, names in objects.items() if isinstance(objects, dict) else ():
            found = {
                name: Attribute(code % _ACS_ONLY, code < _ACS_ONLY)
                for name, code in (names.items() if isinstance(names, dict) else ())
                if type(code) is int and 0 <= code < 2 * _ACS_ONLY and code % _ACS_ONLY <= ACTIVE
            }
            if found:
                self._kept[path] = found
                self.count += len(found)
