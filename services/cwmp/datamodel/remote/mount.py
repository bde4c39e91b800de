"""A subtree that another daemon serves: its place in the model, and how its values get into a request's view.

Theory of operation
-------------------
The mapping file declares one object and whose it is; what lies below, only the daemon knows. It is asked once
(`Backend.describe`) and what it says is grafted onto the declared object as ordinary objects and parameters, so
that names, attributes, notification and writing treat them like all others. It is asked again when its shape may
have changed. As long as it never answered, the object is empty; once it has, it keeps its shape, and while the
daemon is away its values fail.

Three needs, each one call, are read of a mount:

    tree PATH   every object at and below PATH: what a partial path asks for, at the outermost place it can
    get PATH    the values of one object: an exact name
    rows PATH   the instance numbers of one table: the way to an exact name

Instance numbers are the daemon's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from cwmp.datamodel.remote.schema import Assignment, Branch, Leaf, Readings, RemoteError
from cwmp.datamodel.snapshot import Need, Snapshot, SourceFailed
from cwmp.datamodel.sources.base import Source
from cwmp.datamodel.tables import RowSource, There
from cwmp.datamodel.tree import Notify, Object, Parameter
from cwmp.datamodel.types import Type

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

SECURED = frozenset(
    {
        "ConnectionRequestPassword",
        "KeyPassPhrase",
        "KeyPassphrase",
        "Password",
        "PreSharedKey",
        "PrivateKey",
        "RadiusSecret",
        "SAEPassphrase",
        "SecondaryRadiusSecret",
        "Secret",
        "STUNPassword",
        "WEPKey",
    }
)
"""Names that TR-181 never lets anybody read, wherever they are; daemons do not always know."""


class Backend(Protocol):
    """How to talk to one kind of daemon. Paths are below the mount; "" is the mount, objects end in a dot.

    Everything raises RemoteError where the daemon is away, hangs or answers nonsense.
    """

    objects: tuple[str, ...]
    """The ubus objects that may be the daemon."""
    event: str
    """The event that tells of changes; "" where the objects notify their subscribers."""
    two_phase: bool
    """Whether `stage` only prepares, and `commit` makes it so."""
    by_instances: bool
    """Whether the shape is told by the instances there are, so that a new row may show more of it."""

    async def describe(self) -> Branch:
        """The shape of the whole."""

    async def tree(self, path: str) -> dict[str, dict[str, Any]]:
        """The values of the object at `path` and of all below, by object path."""

    async def get(self, path: str) -> dict[str, Any]:
        """The values of one object."""

    async def rows(self, path: str) -> list[str]:
        """The instance numbers of the table at `path`."""

    async def stage(self, changes: list[Assignment]) -> None:
        """Set values: all, or none and `Refused`."""

    async def add(self, path: str, values: dict[str, Any]) -> str:
        """A new row of the table at `path`; its instance number. Raises Refused."""

    async def delete(self, path: str) -> None:
        """Delete a row. Raises Refused."""

    async def commit(self) -> None:
        """Make durable what was staged, and have it applied."""

    async def revert(self, changes: list[Assignment]) -> None:
        """Have `changes` as they were before `stage`; what somebody else changed since stays."""

    def native(self, kind: Type, text: str) -> Any:
        """A value as the daemon wants it, from its canonical text."""


class Mount:
    """One declared subtree. `stale`: its shape is not known, or may have changed."""

    def __init__(self, path: str, backend: str, where: str, secured: frozenset[str]) -> None:
        self.path = path
        self.kind = backend
        self.where = where
        self.secured = secured | SECURED
        self.stale = True
        self.described = False
        self.backend: Backend | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.where.removesuffix('.')}"

    @property
    def daemon(self) -> Backend:
        """The way to it. Raises RemoteError where nobody has made one."""
        if self.backend is None:
            raise RemoteError(f"there is no way to {self}")
        return self.backend

    def need(self, what: str, path: str) -> Need:
        """What is to be read; see the module's text."""
        return Need("remote", self.path, f"{what} {path}")

    def tree_need(self, path: str) -> Need:
        """Everything below the full `path`, or below the last object on its way that has no wildcard."""
        below = path.removeprefix(self.path) if path.startswith(self.path) else ""
        outside, wild, _ = below.partition("*")
        return self.need("tree", outside if wild else below)

    def rows(self, row: Row, table: str) -> list[str]:
        """The instance numbers of a table below `row`. Raises Unread, SourceFailed."""
        path = table[len(self.path) :]
        readings = self._readings(row.view.snapshot, path)
        if readings is not None:
            return readings.rows(path)
        found: list[str] = row.view.snapshot.get(self.need("rows", path))
        return found

    def values(self, row: Row) -> dict[str, Any]:
        """The values of the object that `row` is. Raises Unread, SourceFailed."""
        path = row.path[len(self.path) :]
        readings = self._readings(row.view.snapshot, path)
        if readings is None:
            found: dict[str, Any] | None = row.view.snapshot.get(self.need("get", path))
        else:
            found = readings.values.get(path)
        if found is None:
            raise SourceFailed(f"{self} has no {row.path} now")
        return found

    def _readings(self, snapshot: Snapshot, path: str) -> Readings | None:
        """The largest part of the tree that was read and holds `path`."""
        end = 0
        while True:
            need = self.need("tree", path[:end])
            if snapshot.has(need):
                readings: Readings = snapshot.get(need)
                return readings
            end = path.find(".", end) + 1
            if not end:
                return None


class RemoteRows(RowSource):
    """The rows of a table of a mount, under the numbers that the daemon gave them."""

    dynamic = True
    numbered = True

    def __init__(self, mount: Mount, name: str) -> None:
        super().__init__()
        self.mount = mount
        self._name = name

    def there(self, parent: Row) -> list[There]:
        numbers = self.mount.rows(parent, f"{parent.path}{self._name}.")
        return self._chosen([There(number) for number in numbers])


class RemoteValue(Source):
    """A parameter that a daemon serves."""

    dynamic = True

    def __init__(self, mount: Mount, name: str, kind: Type, *, writable: bool) -> None:
        self._mount = mount
        self._name = name
        self._type = kind
        self.writable = writable

    def read(self, row: Row) -> Any:
        values = row.cached(self._mount, self._mount.values)
        if self._name not in values:
            self._mount.stale = True
            raise SourceFailed(f"{self._mount} has no {row.path}{self._name} any more")
        return values[self._name]

    def write(self, row: Row, text: str, staging: Staging) -> None:
        new = self._mount.daemon.native(self._type, text)
        path = row.path[len(self._mount.path) :]
        staging.remote.set(self._mount, path, self._name, new, self.read(row))


def graft(node: Object, branch: Branch, mount: Mount) -> None:
    """Make the object declared for `mount` what the daemon says it is."""
    _fill(node, branch, mount)
    mount.described = True
    above: Object | None = node
    while above is not None:
        above.forget_needs()
        above = above.parent


def _fill(node: Object, branch: Branch, mount: Mount) -> None:
    node.mount = mount
    node.parameters = {
        name: _parameter(mount, name, leaf)
        for name, leaf in branch.leaves.items()
        if name not in branch.branches
    }
    node.probes = tuple(p for p in node.parameters.values() if not p.hidden)[:1]
    children: dict[str, Object] = {}
    for name, below in branch.branches.items():
        child = Object(f"{node.template}{name}.{'{i}.' if below.table else ''}", name, node)
        child.origin = node.origin
        if below.table:
            child.rows = RemoteRows(mount, name)
            child.create = {} if below.creatable else None
            child.delete = below.deletable
        _fill(child, below, mount)
        children[name] = child
    node.children = children


def _parameter(mount: Mount, name: str, leaf: Leaf) -> Parameter:
    return Parameter(
        name,
        leaf.type,
        RemoteValue(mount, name, leaf.type, writable=leaf.writable),
        writable=leaf.writable,
        hidden=name in mount.secured,
        notify=Notify.DENY if leaf.counter else Notify.NORMAL,
        origin=str(mount),
    )
