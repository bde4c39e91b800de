"""What an Inform carries, and whether something in it changed without the ACS (TR-069a6 3.7.1.5, A.3.3.1).

The journal keeps the values the ACS has confirmed (`acked`). A forced-inform parameter that differs from them was
changed by somebody else: `4 VALUE CHANGE`. The token of an Inform is a digest of its values, so that `informed`
is understood after a restart too: if the values are still the same, they are what the ACS has.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping

from cwmp.contract.datamodel import GetInform, Inform
from cwmp.datamodel.journal import Journal
from cwmp.datamodel.reading import Reader, probe
from cwmp.datamodel.snapshot import Need, SourceFailed, Unread
from cwmp.datamodel.tree import Object, Parameter, View

_DEVICE_INFO = "Device.DeviceInfo."
_IDENTITY = ("Manufacturer", "ManufacturerOUI", "ProductClass", "SerialNumber")
_BOOTSTRAP = "0 BOOTSTRAP"
_MAX_TOKENS = 8


class Informer:
    """Answers GET_INFORM and INFORMED."""

    def __init__(self, reader: Reader, journal: Journal, log: logging.Logger) -> None:
        self._reader = reader
        self._journal = journal
        self._log = log
        self._given: dict[str, dict[str, str]] = {}

    async def inform(self, args: GetInform) -> Inform:
        """The DeviceId and the forced-inform parameters as they are now.

        A value that cannot be read is the one the ACS knows, so that a source that fails is no change.
        """
        values, types = await self._read()
        acked = self._journal.acked
        manufacturer, oui, product_class, serial = [
            values.pop(f"{_DEVICE_INFO}{name}", "") for name in _IDENTITY
        ]
        changed = [name for name, value in values.items() if name in acked and acked[name] != value]
        if changed and _BOOTSTRAP not in args.events:
            self._log.info("changed since the last Inform: %s", ", ".join(changed))
        token = _token(values)
        self._given.pop(token, None)
        self._given[token] = values
        while len(self._given) > _MAX_TOKENS:
            del self._given[next(iter(self._given))]
        return Inform(
            manufacturer,
            oui,
            product_class,
            serial,
            names=list(values),
            types=[types[name] for name in values],
            values=list(values.values()),
            value_change=bool(changed) and _BOOTSTRAP not in args.events,
            token=token,
        )

    async def informed(self, token: str) -> None:
        """The ACS has the values of this token. One that nobody knows any more changes nothing."""
        values = self._given.get(token)
        if values is None:
            now, _ = await self._read()
            now = {n: v for n, v in now.items() if n not in {f"{_DEVICE_INFO}{i}" for i in _IDENTITY}}
            if _token(now) != token:
                return
            values = now
        if values != self._journal.acked:
            self._journal.acked = dict(values)
            self._journal.save()

    async def _read(self) -> tuple[dict[str, str], dict[str, str]]:
        wanted = list(self._reader.model.informs())
        info = self._reader.model.find(_DEVICE_INFO)
        if info is not None:
            wanted += [(info, info.parameters[name]) for name in _IDENTITY if name in info.parameters]
        needs: set[Need] = set()
        for _, parameter in wanted:
            needs |= parameter.source.needs
        view, _ = await self._reader.look(needs, lambda v: _probe_all(v, wanted))
        values: dict[str, str] = {}
        types: dict[str, str] = {}
        for node, parameter in wanted:
            name = f"{node.template}{parameter.name}"
            types[name] = parameter.type_name
            try:
                values[name] = parameter.value(view.only(node))
            except (SourceFailed, Unread) as failure:
                self._log.warning("%s: %s", name, failure)
                values[name] = self._journal.acked.get(name, parameter.default)
        return values, types


def _probe_all(view: View, wanted: list[tuple[Object, Parameter]]) -> None:
    for node, parameter in wanted:
        probe(view.only(node), (parameter,))


def _token(values: Mapping[str, str]) -> str:
    text = "\n".join(f"{name}={value}" for name, value in sorted(values.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
