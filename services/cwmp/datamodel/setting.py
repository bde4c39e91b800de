"""One parameter of a SetParameterValues on its way through the stages (writing.py has them all)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cwmp.contract import Fault, FaultCode, ParameterFault
from cwmp.datamodel.naming import by_number, refers
from cwmp.datamodel.paths import InvalidName, Target
from cwmp.datamodel.reading import probe
from cwmp.datamodel.snapshot import Need, SourceFailed, Unread
from cwmp.datamodel.sources import Reference
from cwmp.datamodel.staging import Staging
from cwmp.datamodel.tree import Object, Parameter, Row, View
from cwmp.datamodel.types import TypeFault, ValueFault, split_list

_MAX_SPELLED = 512


@dataclass(slots=True, eq=False)
class Item:
    """One parameter of a SetParameterValues on its way through the stages. Without a row it has a fault."""

    name: str
    text: str
    type: str
    target: Target
    parameter: Parameter
    row: Row | None = None
    fault: ParameterFault | None = None
    spelled: str = ""

    @property
    def plain(self) -> str:
        """Its name, every row by its number."""
        return self.name if self.row is None else f"{self.row.path}{self.parameter.name}"

    def refuse(self, code: FaultCode, reason: str) -> None:
        if self.fault is None:
            self.fault = ParameterFault(self.name, code, reason)


def needs_of(items: Iterable[Item]) -> set[Need]:
    """What is certainly read to find their rows and to set them."""
    found: set[Need] = set()
    for item in items:
        found |= item.target.node.way_needs() | item.parameter.source.needs
    return found


def gather(view: View, items: list[Item]) -> None:
    """Find each item's row, and have read whatever its stages will look at."""
    tables: dict[str, tuple[Object, Row, set[str]]] = {}
    for item in items:
        if item.fault is not None:
            continue
        try:
            row = item.row = item.target.row(view)
        except InvalidName as fault:
            item.refuse(FaultCode.INVALID_PARAMETER_NAME, fault.reason)
            continue
        except Unread:
            continue
        parameter = item.parameter
        prepare(parameter, row)
        for table in parameter.strong:
            _try_table(view, table)
        for key in row.object.unique:
            if parameter.name in key.parameters and row.parent is not None:
                _, _, names = tables.setdefault(
                    row.parent.path + row.object.name, (row.object, row.parent, set())
                )
                names |= {*key.parameters, *({"Enable"} & row.object.parameters.keys())}
    for node, parent, names in tables.values():
        for sibling in view.rows(node, parent):
            probe(sibling, [node.parameters[name] for name in names])


def prepare(parameter: Parameter, row: Row) -> None:
    """Have read what staging this parameter will look at."""
    for read in (parameter.source.prepare, parameter.is_writable):
        try:
            read(row)
        except (Unread, SourceFailed):
            continue


def refuse_twice(items: Iterable[Item]) -> None:
    """One parameter under two names, by number and by Alias."""
    seen: set[str] = set()
    for item in items:
        if item.row is not None and item.plain in seen:
            again = ParameterFault(item.name, FaultCode.INVALID_ARGUMENTS, "set twice")
            raise Fault(FaultCode.INVALID_ARGUMENTS, f"{item.plain} is set twice", [again])
        seen.add(item.plain)


def keep_spelling(spelled: dict[str, str], items: Iterable[Item]) -> None:
    """How the ACS wrote values that are paths; of very many the oldest are forgotten."""
    for item in items:
        spelled.pop(item.plain, None)
        if item.spelled:
            spelled[item.plain] = item.spelled
    for path in list(spelled)[:-_MAX_SPELLED]:
        del spelled[path]


@contextmanager
def called_as_asked(items: Iterable[Item]) -> Iterator[None]:
    """A fault of a parameter names it as the request does."""
    try:
        yield
    except Fault as fault:
        names = {item.plain: item.name for item in items}
        faults = [ParameterFault(names.get(p.name, p.name), p.code, p.text) for p in fault.parameters]
        raise Fault(fault.code, fault.text, faults) from None


def _try_table(view: View, template: str) -> None:
    try:
        view.table(template)
    except (Unread, SourceFailed):
        return


def stage(items: list[Item], staging: Staging) -> None:
    """Access, type, value and the source's own opinion, row by row in the order the model declares."""
    order: dict[int, dict[str, int]] = {}

    def place(pair: tuple[Item, Row]) -> tuple[str, int]:
        item, row = pair
        ranks = order.setdefault(id(row.object), {name: i for i, name in enumerate(row.object.parameters)})
        return row.path, ranks[item.parameter.name]

    ready = [(item, item.row) for item in items if item.fault is None and item.row is not None]
    for item, row in sorted(ready, key=place):
        parameter = item.parameter
        staging.follow(row)
        try:
            if not parameter.is_writable(row):
                item.refuse(FaultCode.NOT_WRITABLE, _why_not_writable(parameter))
            elif item.type and item.type != parameter.type_name:
                item.refuse(
                    FaultCode.INVALID_PARAMETER_TYPE, f"its type is {parameter.type_name}, not {item.type}"
                )
            else:
                if refers(parameter):
                    item.spelled = item.text
                    item.text = by_number(row.view, item.text)
                item.text = parameter.type.check(item.text)
                if parameter.strong and not isinstance(parameter.source, Reference):
                    _check_reference(row.view, parameter, item.text)
                parameter.source.write(row, item.text, staging)
        except TypeFault as fault:
            item.refuse(
                FaultCode.INVALID_PARAMETER_VALUE if item.type else FaultCode.INVALID_PARAMETER_TYPE,
                str(fault),
            )
        except ValueFault as fault:
            item.refuse(FaultCode.INVALID_PARAMETER_VALUE, str(fault))
        except (SourceFailed, Unread) as failure:
            raise Fault(FaultCode.INTERNAL_ERROR, f"{item.name}: {failure}") from None


def _why_not_writable(parameter: Parameter) -> str:
    if not parameter.writable:
        return "read-only"
    return "read-only as the row is configured now"


def _check_reference(view: View, parameter: Parameter, text: str) -> None:
    paths = {row.path[:-1] for table in parameter.strong for row in view.table(table)}
    for path in split_list(text) if parameter.type.is_list else [text] if text else []:
        if path not in paths:
            raise ValueFault(f"{path} is not a row of {' or '.join(parameter.strong)}")


def check_unique(view: View, items: list[Item], staging: Staging) -> None:
    """Unique keys, as they will be: functional ones among enabled rows only (TR-106 3.2.5)."""
    for item in items:
        if item.fault is not None or item.row is None or item.row.parent is None:
            continue
        node, row = item.row.object, item.row
        for key in node.unique:
            if item.parameter.name not in key.parameters or (key.functional and not _enabled(row)):
                continue
            mine = _values(row, key.parameters, staging)
            for other in view.rows(node, item.row.parent):
                counts = other.path != row.path and (not key.functional or _enabled(other))
                if counts and _values(other, key.parameters, staging) == mine:
                    item.refuse(FaultCode.INVALID_PARAMETER_VALUE, f"{other.path} has this already")


def _values(row: Row, names: Iterable[str], staging: Staging) -> tuple[str, ...]:
    return tuple(
        staging.alias_of(row)
        if name == "Alias" and row.object.alias
        else row.object.parameters[name].value(row)
        for name in names
    )


def _enabled(row: Row) -> bool:
    enable = row.object.parameters.get("Enable")
    return enable is None or enable.value(row) == "true"


def summary(faults: list[ParameterFault], total: int) -> str:
    """The sentence of a fault that lists all of them."""
    first = f"{faults[0].name}: {faults[0].text}"
    return first if len(faults) == 1 else f"{len(faults)} of {total} parameters refused, first {first}"
