"""The interface stack: a row for each pair of interfaces of which one is directly below the other, in both
directions of reading (TR-181 4.3). It is computed from the LowerLayers of all tables that have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.snapshot import Need, SourceFailed, Unread
from cwmp.datamodel.tables import RowSource, There
from cwmp.datamodel.types import split_list

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row

_LAYERS = "LowerLayers"


class StackRows(RowSource):
    """The pairs; a row's item is ``{higher, lower, higher_alias, lower_alias}``."""

    dynamic = True

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({netifd.NETWORK, netifd.DUMP, netifd.DEVICES})

    def there(self, parent: Row) -> list[There]:
        view = parent.view
        aliases: dict[str, str] = {}
        pairs: list[tuple[str, str]] = []
        unread = False
        for node in view.model.objects():
            layers = node.parameters.get(_LAYERS)
            if layers is None:
                continue
            try:
                for row in view.every(node):
                    higher = row.path[:-1]
                    aliases[higher] = row.alias
                    pairs += [(higher, lower) for lower in split_list(layers.value(row))]
            except Unread:
                unread = True
            except SourceFailed as failure:
                view.note(failure)
        if unread:
            raise Unread
        return [
            There(
                f"{higher} {lower}",
                None,
                {
                    "higher": higher,
                    "lower": lower,
                    "higher_alias": aliases.get(higher, ""),
                    "lower_alias": aliases.get(lower, ""),
                },
            )
            for higher, lower in dict.fromkeys(pairs)
        ]


rows = StackRows()
