"""rpcd's object `uci`: the configuration as a browser reads and changes it.

| method    | arguments                              | reply                          |
|-----------|----------------------------------------|--------------------------------|
| `configs` |                                        | `{configs: [name]}`            |
| `get`     | `config`, `section`, `option`          | `{values}` or `{value}`        |
| `set`     | `config`, `section`, `values`          |                                |
| `add`     | `config`, `type`, `name`, `values`     | `{section}`                    |
| `delete`  | `config`, `section`, `option` or `options` |                            |
| `changes` | `config`                               | `{changes: {config: [[verb, section, ...]]}}` |
| `revert`  | `config`                               |                                |
| `commit`  | `config`                               |                                |
| `apply`   | `rollback`, `timeout`                  | commits all that is pending    |
| `confirm` |                                        | NO_DATA where nothing was applied |

Changes are pending in the session that made them, which alone sees them, until a commit writes them in one
transaction and tells procd (``service event config.change``). An apply here lasts: there is no roll back without
`confirm`, whose place is a router that its user cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ubuskit.client import Client
from ubuskit.errors import InvalidArgument, NoData, NotFound, PermissionDenied, UnknownError
from ubuskit.uci import Add, Change, Delete, Package, PackageNotFound, Section, Set, Uci, UciError

_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_MAX_PENDING = 1000

May = Callable[[str, str, str], bool]


class RpcdUci:
    """The object, for every session."""

    def __init__(self, uci: Uci, bus: Client) -> None:
        self._uci = uci
        self._bus = bus
        self._pending: dict[str, dict[str, list[Change]]] = {}
        self._unconfirmed: set[str] = set()

    def forget(self, session: str) -> None:
        """Drop what a session has pending."""
        self._pending.pop(session, None)
        self._unconfirmed.discard(session)

    async def call(self, session: str, may: May, method: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one call. `may` tells what the session was granted.

        Raises:
            StatusError: as rpcd answers.
        """
        pending = self._pending.setdefault(session, {})
        if method == "configs":
            return {"configs": self._uci.packages()}
        if method == "changes" and "config" not in args:
            return {"changes": {c: _told(x) for c, x in pending.items() if x and may("uci", c, "read")}}
        if method == "apply":
            applied = [name for name, changes in pending.items() if changes]
            if not applied:
                raise NoData("nothing is pending")
            for name in applied:
                await self._commit(pending, name, may)
            self._unconfirmed.add(session)
            return {}
        if method == "confirm":
            if session not in self._unconfirmed:
                raise NoData("nothing was applied")
            self._unconfirmed.discard(session)
            return {}
        config = args.get("config")
        if not isinstance(config, str) or not _NAME.fullmatch(config.replace("-", "_")):
            raise InvalidArgument("'config' is missing")
        if not may("uci", config, "read" if method in {"get", "changes"} else "write"):
            raise PermissionDenied(f"uci {config}")
        if method == "get":
            return _got(_with(self._load(config), pending.get(config, [])), args)
        if method == "changes":
            return {"changes": _told(pending.get(config, []))}
        if method == "revert":
            pending.pop(config, None)
            return {}
        if method == "commit":
            await self._commit(pending, config, may)
            return {}
        return self._change(pending.setdefault(config, []), config, method, args)

    def _change(
        self, pending: list[Change], config: str, method: str, args: Mapping[str, Any]
    ) -> dict[str, Any]:
        package = _with(self._load(config), pending)
        if len(pending) >= _MAX_PENDING:
            raise UnknownError(f"{_MAX_PENDING} changes are pending already")
        match method, args:
            case "set", {"section": str(section), "values": dict(values)}:
                _existing(package, section)
                pending += [_set(package, section, option, value) for option, value in values.items()]
            case "add", {"type": str(kind)}:
                name = args.get("name") or f"new{len(pending):06x}"
                if not _NAME.fullmatch(name) or not _NAME.fullmatch(kind) or name in package.sections:
                    raise InvalidArgument("'type' or 'name'")
                pending.append(Add(kind, name))
                pending += [_set(package, name, o, v) for o, v in (args.get("values") or {}).items()]
                return {"section": name}
            case "delete", {"section": str(section)}:
                options = args.get("options") or ([args["option"]] if "option" in args else [None])
                there = _existing(package, section).options
                pending += [Delete(section, o) for o in options if o is None or o in there]
            case _:
                raise InvalidArgument(f"uci {method}")
        return {}

    async def _commit(self, pending: dict[str, list[Change]], config: str, may: May) -> None:
        if not may("uci", config, "write"):
            raise PermissionDenied(f"uci {config}")
        changes = pending.pop(config, [])
        try:
            self._uci.apply({config: changes})
        except (UciError, OSError) as error:
            raise InvalidArgument(str(error)) from None
        await self._bus.call("service", "event", {"type": "config.change", "data": {"package": config}})

    def _load(self, config: str) -> Package:
        try:
            return self._uci.load(config)
        except PackageNotFound:
            raise NotFound(f"there is no configuration {config}") from None
        except (UciError, OSError) as error:
            raise UnknownError(str(error)) from None


def _with(package: Package, changes: list[Change]) -> Package:
    """The package as it will be with these changes."""
    sections = {name: _copy(section) for name, section in package.sections.items()}
    for change in changes:
        match change:
            case Add(kind, str(name), options):
                sections[name] = Section(name, kind, False, dict(options))
            case Set(section, option, value) if section in sections:
                sections[section].options[option] = value if isinstance(value, str) else list(value)
                if not value:
                    del sections[section].options[option]
            case Delete(section, None):
                sections.pop(section, None)
            case Delete(section, str(option)) if section in sections:
                sections[section].options.pop(option, None)
    return Package(package.name, sections)


def _copy(section: Section) -> Section:
    return Section(section.name, section.type, section.anonymous, dict(section.options))


def _existing(package: Package, name: str) -> Section:
    section = package.resolve(name)
    if section is None:
        raise NotFound(f"there is no section {name}")
    return section


def _set(package: Package, section: str, option: str, value: Any) -> Set:
    if not _NAME.fullmatch(option):
        raise InvalidArgument(f"there can be no option {option!r:.80}")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return Set(section, option, value)
    if isinstance(value, bool):
        return Set(section, option, "1" if value else "0")
    if isinstance(value, str | int):
        return Set(section, option, str(value))
    raise InvalidArgument(f"option {option}")


def _got(package: Package, args: Mapping[str, Any]) -> dict[str, Any]:
    if "section" not in args:
        names = {name: place for place, name in enumerate(package.sections)}
        return {"values": {n: {**_table(s), ".index": names[n]} for n, s in package.sections.items()}}
    section = _existing(package, str(args["section"]))
    if "option" not in args:
        return {"values": _table(section)}
    if args["option"] not in section.options:
        raise NotFound(f"there is no option {args['option']}")
    return {"value": section.options[args["option"]]}


def _table(section: Section) -> dict[str, Any]:
    about = {".anonymous": section.anonymous, ".type": section.type, ".name": section.name}
    return {**about, **section.options}


def _told(changes: list[Change]) -> list[list[Any]]:
    told: list[list[Any]] = []
    for change in changes:
        match change:
            case Add(kind, name):
                told.append(["add", str(name), kind])
            case Set(section, option, value):
                told.append(["set", section, option, value if isinstance(value, str) else list(value)])
            case Delete(section, option):
                told.append(["remove", section] if option is None else ["remove", section, option])
    return told
