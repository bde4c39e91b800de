"""Access rules: which user or group may use which object, method and event.

Rules come from JSON documents, as the daemon reads them from /usr/share/acl.d:

    {"user": "network",                         or "group": "..."
     "access": {"system": {"methods": ["board"]}},
     "publish": ["my.object"], "subscribe": ["network.*"], "listen": ["cwmp.*"], "send": ["cwmp.*"]}

A name that ends with ``*`` stands for all that start with it. Without a rule nothing is allowed, except to uid 0 and
to the bus's owner. "inherit" is accepted and, as in ubusd, without effect. Source: ubusd_acl.c.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ubuskit.blobmsg import EncodeError, encode

__all__ = ["Acl", "AclError", "Credentials", "Right", "Rule", "read_rules"]


class AclError(ValueError):
    """A document that is no access rule; says what is wrong in it."""


class Right(Enum):
    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"
    LISTEN = "listen"
    SEND = "send"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who a client is, as the kernel says."""

    uid: int
    gid: int
    groups: frozenset[int] = frozenset()
    user: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one user or group (``uid`` or ``gid``; neither when the name is unknown here) may do with ``name``."""

    name: str
    partial: bool
    uid: int | None
    gid: int | None
    user: str | None = None
    group: str | None = None
    rights: frozenset[Right] = frozenset()
    methods: frozenset[str] = frozenset()
    private: Mapping[str, Any] | None = field(default=None, hash=False)
    """What the object itself makes of it; handed out by the daemon's ``query`` method, not interpreted."""

    def matches(self, name: str) -> bool:
        return name == self.name or (self.partial and name.startswith(self.name))

    def applies_to(self, who: Credentials) -> bool:
        if self.uid is not None:
            return who.uid == self.uid
        return self.gid is not None and (who.gid == self.gid or self.gid in who.groups)


class Acl:
    """All rules of a bus. ``owner`` is the uid the daemon runs as: on a router 0, on a laptop the developer's."""

    def __init__(self, rules: Iterable[Rule] = (), *, owner: int = 0) -> None:
        self.rules: Sequence[Rule] = sorted(rules, key=lambda rule: rule.name)
        self._trusted = frozenset((0, owner))

    def trusts(self, who: Credentials) -> bool:
        return who.uid in self._trusted

    def allows(self, who: Credentials, right: Right, name: str) -> bool:
        return self.trusts(who) or any(right in rule.rights for rule in self._rules(who, name))

    def allows_call(self, who: Credentials, path: str, method: str) -> bool:
        return self.trusts(who) or any(
            method in rule.methods or "*" in rule.methods for rule in self._rules(who, path)
        )

    def private_rules(self, path: str) -> list[Rule]:
        """The rules with something for the object itself, for everybody."""
        return [rule for rule in self.rules if rule.private is not None and rule.matches(path)]

    def _rules(self, who: Credentials, name: str) -> Iterable[Rule]:
        return (rule for rule in self.rules if rule.matches(name) and rule.applies_to(who))


def read_rules(
    document: object, *, uid_of: Callable[[str], int | None], gid_of: Callable[[str], int | None]
) -> list[Rule]:
    """The rules in one parsed JSON document. Raises AclError.

    A document that names neither user nor group has none. Elements of the wrong type are passed over, as in ubusd.
    """
    if not isinstance(document, Mapping):
        raise AclError("the document must be a JSON object")
    user, group = document.get("user"), document.get("group")
    if isinstance(user, str):
        uid, gid, group = uid_of(user), None, None
    elif isinstance(group, str):
        uid, gid, user = None, gid_of(group), None
    else:
        return []

    def rule(name: str, **what: Any) -> Rule:
        partial = name.endswith("*")
        return Rule(name[:-1] if partial else name, partial, uid, gid, user, group, **what)

    rules = []
    access = document.get("access")
    for name, entry in access.items() if isinstance(access, Mapping) else ():
        if not name or not isinstance(entry, Mapping):
            continue
        methods = frozenset(_strings(entry.get("methods")))
        rules.append(rule(name, methods=methods, private=_private(name, entry.get("acl"))))
    for right in Right:
        rules += [
            rule(name, rights=frozenset([right])) for name in _strings(document.get(right.value)) if name
        ]
    return rules


def _private(name: str, value: object) -> Mapping[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    try:
        encode(value)
    except EncodeError as error:
        raise AclError(f"access, {name}, acl: {error}") from None
    return value


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
