"""AutoCreateInstances: rows that a SetParameterValues names by an Alias nobody has are created with it.

(TR-069a6 3.6.1.2.) They are created in the request's own staging and view, one after the other from the root, so
that all of it is one transaction with the values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.paths import InvalidName, Target, is_named
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.instances import Instances
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Object, Row, View


class Creator:
    """Creates rows in one request's view. What it does to `instances` its caller takes back, if need be."""

    def __init__(self, view: View, staging: Staging, instances: Instances) -> None:
        self._view = view
        self._staging = staging
        self._instances = instances
        self._made: dict[tuple[str, str], Row] = {}

    def row(self, target: Target) -> Row:
        """The row that `target` names, created where it is not there.

        Raises:
            InvalidName: it is not there and cannot be created.
            Unread, SourceFailed: as `View.rows`.
        """
        row, identifiers = self._view.root, iter(target.numbers)
        for node in target.chain():
            if node.rows is None:
                row = self._view.single(node, row)
                continue
            identifier = next(identifiers)
            found = self._made.get((f"{row.path}{node.name}.", str(identifier)))
            if found is None:
                rows = self._view.rows(node, row)
                found = next((r for r in rows if is_named(r, identifier)), None)
            row = found if found is not None else self._create(target, node, row, identifier)
        return row

    def _create(self, target: Target, node: Object, parent: Row, alias: int | str) -> Row:
        table = f"{parent.path}{node.name}."
        if not isinstance(alias, str):
            raise InvalidName(target.path, f"there is no instance {alias}")
        if node.rows is None or node.create is None or not node.rows.creates:
            raise InvalidName(target.path, f"there is no instance [{alias}], and none can be created")
        try:
            new = node.rows.add(parent, node, self._instances.peek(table), self._staging)
        except ValueFault as fault:
            raise InvalidName(target.path, f"[{alias}] cannot be created: {fault}") from None
        row = next((r for r in self._view.rows(node, parent) if r.key == new.key), None)
        if row is None:
            raise InvalidName(target.path, f"the mapping of {node.template} creates what is no row of it")
        self._staging.set_alias(row, alias)
        self._made[table, alias] = row
        return row
