"""Parameters that another of our services owns (contract/parameters.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.sources.base import Source

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row


class ServiceOwned(Source):
    """`path` is the full parameter path; the owner is asked for its whole object at once."""

    writable = True

    def __init__(self, service: str, path: str) -> None:
        self._service = service
        self._path = path
        self._need = Need("service", service, path.rpartition(".")[0] + ".")

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({self._need})

    def read(self, row: Row) -> Any:
        return row.view.snapshot.get(self._need).get(self._path)

    def prepare(self, row: Row) -> None:
        """Nothing: the owner itself says whether it takes a value."""

    def write(self, row: Row, text: str, staging: Staging) -> None:
        staging.set_owned(self._service, self._path, text)
