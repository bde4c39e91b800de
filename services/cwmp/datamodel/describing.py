"""What a parameter is bound to, for people: `describe` on the bus, `cwmp model explain`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cwmp.contract import Fault, FaultCode
from cwmp.datamodel.attributes import Attributes
from cwmp.datamodel.mapping_file import Problem, open_file
from cwmp.datamodel.paths import Target, resolve
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.tree import Model, Object, Parameter

_NOT_SOURCE = frozenset({"type", "list", "items", "enum", "reported", "pattern", "write", "default", "hidden",
                         "secured", "inform", "notify", "strong", "weak", "match"})  # fmt: skip


def describe(model: Model, attributes: Attributes, path: str) -> dict[str, Any]:
    """``{name, declared, type, access, notification, source, reads [text], told [text]}`` of a parameter.

    `declared` is the mapping file with its line, `source` what stands there, as JSON; `told` is who hears of a
    new value.

    Raises:
        Fault: 9005 where there is no such parameter, as far as the model alone can tell.
    """
    target = resolve(model, path)
    parameter = target.parameter
    if parameter is None:
        raise Fault(FaultCode.INVALID_PARAMETER_NAME, f"{path}: an object, not a parameter")
    line, spec = _declaration(target, parameter)
    needs = parameter.source.needs
    mount = target.node.mount
    return {
        "name": path,
        "declared": f"{parameter.origin}:{line}" if line else parameter.origin,
        "type": str(spec.get("type", parameter.type_name)),
        "access": _access(parameter),
        "notification": attributes.of(path.removesuffix(parameter.name), parameter).notification,
        "source": json.dumps({k: v for k, v in spec.items() if k not in _NOT_SOURCE}) if spec else "",
        "reads": sorted(" ".join(part for part in need if part) for need in needs)
        if mount is None
        else [str(mount)],
        "told": _told(model, parameter, needs) if mount is None or not parameter.writable else [str(mount)],
    }


def _declaration(target: Target, parameter: Parameter) -> tuple[int, Mapping[str, Any]]:
    """Line and table in the mapping file; nothing where the parameter is implied or the file is gone."""
    try:
        file, document = open_file(Path(parameter.origin))
    except Problem:
        return 0, {}
    node: Object = target.node
    table = document.get(node.template)
    spec = table.get(parameter.name) if isinstance(table, dict) else None
    if not isinstance(spec, dict):
        return 0, {}
    line = file.lines.get((node.template, parameter.name)) or file.line(node.template, "")
    return line, spec


def _access(parameter: Parameter) -> str:
    if not parameter.writable:
        return "readOnly"
    return "readWrite, where the row allows" if parameter.write_if else "readWrite"


def _told(model: Model, parameter: Parameter, needs: frozenset[Need]) -> list[str]:
    if not parameter.writable:
        return []
    found = []
    for need in sorted(needs):
        if need.kind == "service":
            found.append(f"service {need.name}")
        elif need.kind == "uci":
            rule = model.packages.get(need.name, "at once")
            when = "nobody but our services" if rule == "own" else f"who depends on it, {rule}"
            found.append(f"UCI {need.name}: {when}")
    return found
