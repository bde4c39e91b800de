"""The ubus object ``cwmp.datamodel``, for everybody who is no service of ours.

| method   | arguments                          | reply                                                            |
|----------|------------------------------------|------------------------------------------------------------------|
| `get`    | `paths` [string], `page` int       | `{parameters: [{name, type, value}], next: page}`                |
| `set`    | `values` {name: string}, `dry_run` bool | `{status: 0 or 1}`                                          |
| `names`  | `path` string, `next_level` bool, `page` int | `{names: [{name, writable}], next: page}`              |
| `add`    | `object` string                    | `{instance: n, path: string, status: 0 or 1}`                    |
| `del`    | `object` string                    | `{status: 0 or 1}`                                               |
| `attributes` | `paths` [string], `page` int   | `{attributes: [{name, notification, access}], next: page}`       |
| `set_attributes` | `attributes` [{name, notification, access}] | `{}`                                    |
| `describe` | `path` string                    | what a parameter is bound to, see describing.py                  |
| `status` |                                    | `{parameter_key, objects, parameters, problems, pending, ...}`    |

`status`: how many objects and parameters are declared, `problems` [string] in mapping files, `pending` [package]
whose daemons are still to be told, `changed` [path] what the ACS does not know yet, and `rollback_in`: in how many
seconds the changes of the ACS are taken back unless it is reached (-1: they are not).

`set_attributes` acts for the ACS, whose alone attributes are (TR-069a6 A.3.2.4): the bus's access rules should
let nobody call it who is not meant to. `notification` is 0, 1 (passive) or 2 (active), `access` a list:
["Subscriber"], or [] for the ACS alone. What is left out stays as it is.

A fault is a reply too, since a ubus status has no text: `{fault: {code, text, parameters: [{name, code, text}]}}`.
`get` without `paths` is everything. A reply stays below 256 KiB; where there is more, `next` is the `page` to ask
for, and each page is read anew. With `dry_run` everything is checked and nothing set. Values are texts as the ACS
would see them; `set` also takes numbers and booleans. What is set here is a local change: it leaves ParameterKey
alone and the ACS hears of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeVar

from cwmp.contract import Fault, FaultCode
from cwmp.contract.datamodel import UNCHANGED, AddObject, DeleteObject, SetAttributes, SetValues
from cwmp.datamodel.annotating import Annotator
from cwmp.datamodel.describing import describe
from cwmp.datamodel.reading import Reader
from cwmp.datamodel.types import split_list
from cwmp.datamodel.writing import Writer
from ubuskit.client import Client, Method, Request

_PAGES_A_REPLY = 6
_MAX_PAGE = 4096
P = TypeVar("P")

_Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


async def serve(
    bus: Client,
    reader: Reader,
    writer: Writer,
    annotator: Annotator,
    status: Callable[[], Mapping[str, Any]],
) -> None:
    """Put the object on the bus."""
    methods = _Methods(reader, writer, annotator)

    async def answer_status(_: dict[str, Any]) -> dict[str, Any]:
        return dict(status())

    await bus.add_object(
        "cwmp.datamodel",
        {
            "get": Method(_with_faults(methods.get), {"paths": list, "page": int}),
            "set": Method(_with_faults(methods.set), {"values": dict, "dry_run": bool}),
            "names": Method(_with_faults(methods.names), {"path": str, "next_level": bool, "page": int}),
            "add": Method(_with_faults(methods.add), {"object": str}),
            "del": Method(_with_faults(methods.delete), {"object": str}),
            "attributes": Method(_with_faults(methods.attributes), {"paths": list, "page": int}),
            "describe": Method(_with_faults(methods.describe), {"path": str}),
            "set_attributes": Method(_with_faults(methods.set_attributes), {"attributes": list}),
            "status": Method(_with_faults(answer_status), {}),
        },
    )


class _Methods:
    def __init__(self, reader: Reader, writer: Writer, annotator: Annotator) -> None:
        self._reader = reader
        self._writer = writer
        self._annotator = annotator

    async def get(self, args: dict[str, Any]) -> dict[str, Any]:
        found, following = _page(await self._reader.values(_paths(args)), args)
        rows = [
            {"name": name, "type": kind, "value": value}
            for page in found
            for name, kind, value in zip(page.names, page.types, page.values, strict=True)
        ]
        return {"parameters": rows, **following}

    async def names(self, args: dict[str, Any]) -> dict[str, Any]:
        pages = await self._reader.names(args.get("path", ""), args.get("next_level", False))
        found, following = _page(pages, args)
        rows = [
            {"name": name, "writable": writable}
            for page in found
            for name, writable in zip(page.names, page.writable, strict=True)
        ]
        return {"names": rows, **following}

    async def attributes(self, args: dict[str, Any]) -> dict[str, Any]:
        found, following = _page(await self._annotator.get(_paths(args)), args)
        rows = [
            {"name": name, "notification": notification, "access": split_list(access)}
            for page in found
            for name, notification, access in zip(
                page.names, page.notifications, page.access_lists, strict=True
            )
        ]
        return {"attributes": rows, **following}

    async def describe(self, args: dict[str, Any]) -> dict[str, Any]:
        return describe(self._reader.model, self._annotator.attributes, args.get("path", ""))

    async def set_attributes(self, args: dict[str, Any]) -> dict[str, Any]:
        wanted = SetAttributes([], [], [], [])
        for item in args.get("attributes", []):
            name, notification, access = _attribute(item)
            wanted.names.append(name)
            wanted.notifications.append(UNCHANGED if notification is None else notification)
            wanted.access_changes.append(access is not None)
            wanted.access_lists.append(",".join(access or ()))
        await self._annotator.set(wanted)
        return {}

    async def set(self, args: dict[str, Any]) -> dict[str, Any]:
        values = args.get("values", {})
        texts = {name: _text(name, value) for name, value in values.items()}
        applied = await self._writer.set_values(
            SetValues(list(texts), [""] * len(texts), list(texts.values())),
            "",
            dry_run=args.get("dry_run", False),
        )
        return {"status": applied.status}

    async def add(self, args: dict[str, Any]) -> dict[str, Any]:
        path = args.get("object", "")
        added = await self._writer.add_object(AddObject(path), "")
        return {
            "instance": added.instance_number,
            "path": f"{path[: path.rindex('[')] if path.endswith('].') else path}{added.instance_number}.",
            "status": added.status,
        }

    async def delete(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"status": (await self._writer.delete_object(DeleteObject(args.get("object", "")), "")).status}


def _with_faults(handler: _Handler) -> Callable[[Request], Awaitable[Mapping[str, Any]]]:
    async def answer(request: Request) -> Mapping[str, Any]:
        try:
            return await handler(request.args)
        except Fault as fault:
            return {"fault": fault.to_table()}

    return answer


def _page(pages: Iterator[P], args: Mapping[str, Any]) -> tuple[list[P], dict[str, int]]:
    """The pages that make up the reply asked for, and `next` where more follow."""
    wanted = args.get("page", 0)
    if not 0 <= wanted <= _MAX_PAGE:
        raise Fault(FaultCode.INVALID_ARGUMENTS, f"page is a number from 0 to {_MAX_PAGE}")
    found: list[P] = []
    for place, page in enumerate(pages):
        if place >= (wanted + 1) * _PAGES_A_REPLY:
            return found, {"next": wanted + 1}
        if place >= wanted * _PAGES_A_REPLY:
            found.append(page)
    return found, {}


def _paths(args: Mapping[str, Any]) -> list[str]:
    paths = args.get("paths", [])
    if not all(isinstance(path, str) for path in paths):
        raise Fault(FaultCode.INVALID_ARGUMENTS, "paths is a list of texts")
    return paths or [""]


def _attribute(item: Any) -> tuple[str, int | None, list[str] | None]:
    if isinstance(item, dict):
        name, notification, access = item.get("name"), item.get("notification"), item.get("access")
        if (
            isinstance(name, str)
            and (notification is None or type(notification) is int)
            and (access is None or (isinstance(access, list) and all(isinstance(a, str) for a in access)))
        ):
            return name, notification, access
    raise Fault(
        FaultCode.INVALID_ARGUMENTS,
        "attributes is a list of tables {name, notification: 0..2, access: [texts]}",
    )


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise Fault(FaultCode.INVALID_ARGUMENTS, f"the value of {name} is neither text, number nor boolean")
