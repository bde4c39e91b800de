"""Parameters that another of our services owns (contract/parameters.py), in objects and in rows of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.sources.base import Source

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row


def owned_need(service: str, template: str) -> Need:
    """What is asked of the owner for an object: itself whole, or the object around the tables it lies in.

    An object and its tables come in one answer, so they are of one moment.
    """
    outermost, table, _ = template.partition("{i}.")
    return Need("service", service, outermost[: outermost.rindex(".", 0, -1) + 1] if table else outermost)


class ServiceOwned(Source):
    """The parameter `name` of the objects `template` stands for."""

    writable = True

    def __init__(self, service: str, template: str, name: str) -> None:
        self._service = service
        self._name = name
        self._need = owned_need(service, template)

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({self._need})

    def read(self, row: Row) -> Any:
        return row.view.snapshot.get(self._need).get(row.path + self._name)

    def prepare(self, row: Row) -> None:
        """Nothing: the owner itself says whether it takes a value."""

    def write(self, row: Row, text: str, staging: Staging) -> None:
        staging.set_owned(self._service, row.path + self._name, text)
