"""Users are the logins of rpcd: who may use LuCI and ubus over HTTP, and what of it (``config login``).

rpcd has no switch for a login, but passes over one without `username`; that of a user who is off is kept in
`disabled_username`. A password is its hash, or ``$p$root``: that of the system's user root. One without password is
no login either. A user's roles are the groups of rpcd's ACL files; ``*`` is all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault, split_list

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_NEEDS = (Need("uci", "rpcd"),)
_ROLES = "Device.Users.Role.{i}."
_ALL = "*"


def _write_enable(row: Row, text: str, staging: Staging) -> None:
    on, off = ("username", "disabled_username") if text == "true" else ("disabled_username", "username")
    name = _name(row)
    if text == "true" and not name:
        raise ValueFault("not without a Username")
    set_option(row, "rpcd", on, name, staging)
    set_option(row, "rpcd", off, "", staging)


def _name(row: Row) -> str:
    return option(row, "username") or option(row, "disabled_username")


def _write_name(row: Row, text: str, staging: Staging) -> None:
    if not text:
        raise ValueFault("a user has a name")
    set_option(row, "rpcd", "username" if option(row, "username") else "disabled_username", text, staging)


def _write_password(row: Row, text: str, staging: Staging) -> None:
    from cwmp.datamodel.code._crypt import hashed  # noqa: PLC0415  # rarely needed

    set_option(row, "rpcd", "password", hashed(text) if text else "", staging)


def _roles(row: Row) -> dict[str, str]:
    return {name: role.path[:-1] for name, role in row.view.by(_ROLES, "RoleName").items()}


def _read_roles(row: Row) -> list[str]:
    value = row.section.options.get("write", []) if row.section is not None else []
    granted = value.split() if isinstance(value, str) else value
    return [path for name, path in _roles(row).items() if name in granted or _ALL in granted]


def _write_roles(row: Row, text: str, staging: Staging) -> None:
    names = {path: name for name, path in _roles(row).items()}
    paths = split_list(text)
    if paths == _read_roles(row):
        return
    if unknown := [path for path in paths if path not in names]:
        raise ValueFault(f"{unknown[0]} is no role")
    for access in ("read", "write"):
        set_option(row, "rpcd", access, [names[path] for path in paths], staging)


enable = Computed(lambda row: bool(option(row, "username")), _write_enable, *_NEEDS)
username = Computed(_name, _write_name, *_NEEDS)
password = Computed(lambda _row: None, _write_password, *_NEEDS)
roles = Computed(_read_roles, _write_roles, *_NEEDS, Need("directory", "/usr/share/rpcd/acl.d/*.json"))
