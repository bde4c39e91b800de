"""The datamodel without a bus: reader and writer on the files of one router, as the transaction tests need it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import trio

from cwmp.contract import Fault, FaultCode, ParameterFault
from cwmp.datamodel.journal import Journal
from cwmp.datamodel.loader import load
from cwmp.datamodel.reading import Reader
from cwmp.datamodel.remote.mounts import Mounts
from cwmp.datamodel.service import mapping_directories
from cwmp.datamodel.snapshot import System
from cwmp.datamodel.tree import Model
from cwmp.datamodel.watching import Watch
from cwmp.datamodel.writing import Change, Writer
from cwmp.runtime import Paths, StateFile
from ubuskit.errors import NotFound
from ubuskit.uci import FileOps, Uci

LOG = logging.getLogger("test.offline")


@functools.cache
def model_in(directories: tuple[Path, ...]) -> Model:
    """The model that is declared there; nothing changes it, so it is loaded once."""
    model, problems = load(directories)
    assert problems == []
    return model


class Away:
    """Daemons and services that are not there."""

    async def call(self, *_args: object, **_more: object) -> None:
        raise NotFound("nobody")

    async def request(self, *_args: object, **_more: object) -> None:
        raise Fault(FaultCode.INTERNAL_ERROR, "away")


class Nobody:
    """Nobody follows a change; but what is scheduled is part of it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def check(self, owned: Mapping[str, Mapping[str, str]]) -> list[ParameterFault]:
        return []

    def guarded(self, packages: Iterable[str]) -> list[str]:
        return list(packages)

    def status(self, change: Change) -> int:
        return 1

    def schedule(self, change: Change) -> int:
        self._journal.later += change.packages
        return 1

    async def follow(self, change: Change) -> None:
        pass


class Datamodel:
    """Reader and writer on the files of one router; `directories` hold its mapping files."""

    def __init__(
        self, paths: Paths, ops: FileOps | None = None, directories: Sequence[Path] | None = None
    ) -> None:
        uci = self.uci = Uci(paths.uci_dir, paths.uci_save_dir, file_ops=ops)
        state = paths.state_dir / "datamodel"
        self.journal = Journal(
            uci,
            lambda name, version: StateFile(state / f"{name}.json", version, LOG),
            "this boot",
            LOG,
        )
        self.journal.start()
        model = model_in(tuple(mapping_directories(paths)[:1] if directories is None else directories))
        nobody = cast(Any, Away())
        system = System(paths, uci, nobody, nobody)
        self.reader = Reader(
            model, system, self.journal.instances, self.journal.own, self.journal.save_instances, LOG
        )
        volatile = StateFile(paths.run_dir / "changed.json", 1, LOG)
        self.watch = Watch(self.reader, self.journal, volatile, LOG)
        mounts = Mounts(model, nobody, self.journal, LOG)
        self.writer = Writer(self.reader, self.journal, self.watch, Nobody(self.journal), mounts)

    def values(self, *names: str) -> dict[str, str]:
        async def read() -> dict[str, str]:
            found: dict[str, str] = {}
            for page in await self.reader.values(names):
                found |= dict(zip(page.names, page.values, strict=True))
            return found

        return trio.run(read)
