"""Users are the logins of rpcd: who may use LuCI and ubus over HTTP, and what of it (``config login``).

rpcd has no switch for a login, but passes over one without `username`; that of a user who is off is kept in
`disabled_username`. A password is its hash, or ``$p$root``: that of the system's user root. One without password is
no login either.

A role is a name that logins have in their lists `read` and `write` (``*`` is all of them) and that rpcd's ACL files
give a meaning: those that such a file is named after are there always. Others are made as ``config role``, which
rpcd passes over: with the name a firmware's ACL file may come later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.tables import SectionRows, There
from cwmp.datamodel.types import ValueFault, split_list

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row
    from ubuskit.uci import Section

_NEEDS = (Need("uci", "rpcd"),)
_ROLES = "Device.Users.Role.{i}."
_ALL = "*"
_FILES = Need("directory", "/usr/share/rpcd/acl.d/*.json")


class RoleRows(SectionRows):
    """Roles: the names of ACL files, and those that were made (their sections)."""

    def __init__(self) -> None:
        super().__init__("rpcd", "role")

    @property
    def needs(self) -> frozenset[Need]:
        return super().needs | {_FILES}

    def there(self, parent: Row) -> list[There]:
        paths: list[str] = parent.view.snapshot.get(_FILES)
        names = [path.rpartition("/")[2].removesuffix(".json") for path in paths]
        static = [There(name, None, {"name": name}) for name in names]
        return [*static, *(t for t in super().there(parent) if t.key not in names)]

    def remove(self, row: Row, staging: Staging) -> None:
        if row.section is None:
            raise ValueFault("an ACL file defines this role")
        if name := option(row, "name"):
            for login in row.view.snapshot.package("rpcd").of_type("login"):
                _grant(login, name, "", staging)
        super().remove(row, staging)


def _grant(login: Section, old: str, new: str, staging: Staging) -> None:
    """Have `new` in the place of a role's `old` name ("" for no place) in what a login may do."""
    for access in ("read", "write"):
        names = netifd.items(login, access)
        if old in names:
            staging.set_option(
                "rpcd", login, access, [n for n in (new if n == old else n for n in names) if n]
            )


def _read_role(row: Row) -> str:
    return option(row, "name") if row.section is not None else row.item["name"]


def _write_role(row: Row, text: str, staging: Staging) -> None:
    old = _read_role(row)
    if text == old:
        return
    if row.section is None:
        raise ValueFault("an ACL file defines this role")
    for login in row.view.snapshot.package("rpcd").of_type("login") if old else ():
        _grant(login, old, text, staging)
    set_option(row, "rpcd", "name", text, staging)


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
    return {name: role.path[:-1] for name, role in row.view.by(_ROLES, "RoleName").items() if name}


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
roles = Computed(_read_roles, _write_roles, *_NEEDS, _FILES)
role_rows = RoleRows()
role_name = Computed(_read_role, _write_role, *_NEEDS)
static_role = Computed(lambda row: row.section is None)
