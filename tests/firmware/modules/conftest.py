"""A router with a package manager: the real program where OPKG or APK names one, else the lab's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.conftest import StartService

from cwmp.contract import Empty, Fault
from cwmp.contract.firmware import (
    ACKNOWLEDGE_DU_CHANGE,
    CHANGE_DU_STATE,
    DU_CHANGED,
    GET_DU_CHANGES,
    ChangeDUState,
    ChangeId,
    DUOperation,
    DUResult,
    DUStateChange,
)
from cwmp.contract.parameters import (
    GetParameters,
    Parameters,
    SetParameters,
    get_parameters,
    set_parameters,
)
from cwmp.contract.session import GET_STATE, STATE, State
from cwmp.firmware.exchange import Place
from cwmp.firmware.modules.door import ROOT, Door
from cwmp.firmware.times import Now
from cwmp.lab.router import packages
from cwmp.lab.router.packages import Wanted
from cwmp.runtime import Paths, Runtime
from cwmp.runtime.quiet import SessionWatch
from ubuskit.client import Client, Method, Request

_REAL = {"opkg": "OPKG", "apk": "APK"}


@dataclass(slots=True)
class PackageManager:
    """The router's package manager, and how its packages are made. `real`: the program, "" for the lab's."""

    kind: str
    root: Path
    real: str

    def install(self) -> None:
        packages.install_program(self.root, self.kind)
        if not self.real:
            return
        place = self.root / {"opkg": "bin/opkg", "apk": "usr/bin/apk"}[self.kind]
        place.unlink()
        place.symlink_to(self.real)
        if self.kind == "opkg":
            configuration = "dest root /\nlists_dir ext /var/opkg-lists\narch all 1\narch x86_64 10\n"
            (self.root / "etc/opkg.conf").write_text(configuration)
            (self.root / "usr/lib/opkg/status").touch()
        else:
            done = subprocess.run(
                [self.real, "--root", str(self.root), "add", "--initdb"], capture_output=True, check=False
            )
            if done.returncode:
                pytest.skip(f"apk cannot keep a database here: {done.stderr.decode()}")

    def package(self, name: str, version: str, **more: Any) -> bytes:
        """A package file."""
        wanted = Wanted(name, version, **more)
        if self.kind == "opkg":
            return packages.opkg_package(wanted)
        return self._real_apk(wanted) if self.real else packages.apk_package(wanted)

    def _real_apk(self, wanted: Wanted) -> bytes:
        tree = self.root / "tmp/mkpkg"
        for path, content in wanted.files().items():
            target = tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(0o755 if "/init.d/" in path else 0o644)
        info = {
            "name": wanted.name,
            "version": wanted.version,
            "arch": "noarch" if wanted.architecture == "all" else wanted.architecture,
            "maintainer": wanted.maintainer,
            "description": wanted.description,
            "license": "MIT",
        }
        if wanted.depends:
            info["depends"] = " ".join(wanted.depends)
        output = self.root / "tmp/made.apk"
        command = [self.real, "mkpkg", "--files", str(tree), "--output", str(output)]
        for name, value in info.items():
            command += ["--info", f"{name}:{value}"]
        subprocess.run(command, check=True, capture_output=True)
        subprocess.run(["rm", "-r", str(tree)], check=True)
        return output.read_bytes()

    def by_hand(self, command: str, argument: str) -> None:
        """Somebody on the router uses the program."""
        program = self.root / {"opkg": "bin/opkg", "apk": "usr/bin/apk"}[self.kind]
        root = "--offline-root" if self.kind == "opkg" else "--root"
        words = {"opkg": {"install": ["install"], "remove": ["remove"]}}.get(
            self.kind, {"install": ["add", "--allow-untrusted"], "remove": ["del"]}
        )
        subprocess.run(
            [program, root, str(self.root), *words[command], argument], check=True, capture_output=True
        )


class Procd:
    """procd's object ``service``: what has a file in ``/tmp/run/services`` runs."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def serve(self, bus: Client) -> None:
        await bus.add_object("service", {"list": Method(self._list, {"name": str, "verbose": bool})})

    async def _list(self, _: Request) -> Mapping[str, Any]:
        directory = self._root / "tmp/run/services"
        names = sorted(f.name for f in directory.iterdir()) if directory.exists() else []
        return {name: {"instances": {"instance1": {"running": True, "pid": 1000}}} for name in names}


class Acs:
    """The session service's part, as far as software modules go."""

    def __init__(self) -> None:
        self.open = False
        self.told: list[str] = []
        self.asked = trio.Event()
        self._heard = trio.Event()
        self._runtime: Runtime | None = None

    async def serve(self, runtime: Runtime) -> None:
        self._runtime = runtime
        runtime.peers.answer(GET_STATE, self._state)
        await runtime.peers.hear(DU_CHANGED, self._hear)
        await runtime.peers.ready()
        await trio.sleep_forever()

    @property
    def peers(self) -> Any:
        assert self._runtime is not None
        return self._runtime.peers

    async def _state(self, _args: Empty, _id: str) -> State:
        self.asked.set()
        return State(self.open)

    def _hear(self, change: ChangeId) -> None:
        self.told.append(change.id)
        self._heard.set()
        self._heard = trio.Event()

    async def set_open(self, value: bool) -> None:
        self.open = value
        await self.peers.tell(STATE, State(value))

    async def change(self, *operations: DUOperation, key: str = "key") -> None:
        """ChangeDUState; returns when it is accepted."""
        await self.peers.request(CHANGE_DU_STATE, ChangeDUState(key, list(operations)))

    async def changes(self) -> list[DUStateChange]:
        found: list[DUStateChange] = (await self.peers.request(GET_DU_CHANGES, Empty())).changes
        return found

    async def heard(self) -> None:
        """Wait until something is told."""
        await self._heard.wait()

    async def completed(self) -> DUStateChange:
        """Wait for a change that is done, and confirm it."""
        with trio.fail_after(30):
            while True:
                heard = self._heard
                if changes := await self.changes():
                    await self.confirm(changes[0])
                    return changes[0]
                await heard.wait()

    async def confirm(self, change: DUStateChange) -> None:
        await self.peers.request(ACKNOWLEDGE_DU_CHANGE, ChangeId(change.id))

    async def results(self, *operations: DUOperation) -> list[DUResult]:
        """What becomes of operations."""
        await self.change(*operations)
        return (await self.completed()).results

    async def read(self) -> dict[str, str]:
        """All parameters, without their common beginning."""
        found: Parameters = await self.peers.request(get_parameters("firmware"), GetParameters([ROOT]))
        return {n.removeprefix(ROOT): v for n, v in zip(found.names, found.values, strict=True)}

    async def write(self, **values: str) -> None:
        names = [ROOT + name.replace("_", ".") for name in values]
        for check_only in (True, False):
            await self.peers.request(
                set_parameters("firmware"), SetParameters(names, list(values.values()), check_only)
            )


@dataclass(slots=True)
class Modules:
    """The firmware service's part: files by URL (a Fault: fetching fails so), and the clock."""

    files: dict[str, bytes | Fault] = field(default_factory=dict)
    fetched: list[Place] = field(default_factory=list)
    now: Now = field(default_factory=lambda: Now(1_750_000_000.0, 100.0, "boot"))
    holding: trio.Event | None = None
    door: Door | None = None

    async def serve(self, runtime: Runtime) -> None:
        session = SessionWatch(runtime.peers, runtime.log)
        self.door = door = Door(runtime, lambda: self.now, session.ended, trio.Lock(), self._fetch)

        async def get(_args: GetParameters, _id: str) -> Parameters:
            found = await door.parameters()
            return Parameters(list(found), list(found.values()))

        async def put(args: SetParameters, _id: str) -> Empty:
            values = dict(zip(args.names, args.values, strict=True))
            if wrong := await door.set(values, check_only=args.check_only):
                raise Fault(9003, "refused", wrong)
            return Empty()

        door.start()
        runtime.peers.answer(get_parameters("firmware"), get)
        runtime.peers.answer(set_parameters("firmware"), put)
        await session.listen()
        await runtime.peers.ready()
        await door.run()

    async def _fetch(self, source: Place, target: Path) -> None:
        self.fetched.append(source)
        if self.holding is not None:
            self.holding.set()
            await trio.sleep_forever()
        found = self.files.get(source.url, Fault(9016, "there is no such file"))
        if isinstance(found, Fault):
            raise found
        target.write_bytes(found)

    def serve_file(self, url: str, content: bytes) -> str:
        self.files[url] = content
        return url


@pytest.fixture(params=["opkg", "apk"])
def manager(request: pytest.FixtureRequest, paths: Paths) -> PackageManager:
    real = os.environ.get(_REAL[request.param], "")
    found = PackageManager(request.param, paths.sysroot, real)
    found.install()
    return found


@pytest.fixture
async def procd(client: Client, paths: Paths) -> Procd:
    found = Procd(paths.sysroot)
    await found.serve(client)
    return found


@pytest.fixture
async def acs(start_service: StartService) -> Acs:
    found = Acs()
    await start_service("session", found.serve)
    return found


@pytest.fixture
async def modules(start_service: StartService, manager: PackageManager, procd: Procd, acs: Acs) -> Modules:
    """Software modules of a router with a package manager."""
    found = Modules()
    await start_service("firmware", found.serve)
    return found
