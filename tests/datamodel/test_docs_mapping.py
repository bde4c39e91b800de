"""docs/mapping.md: every worked example is loaded and does what the page says; the reference names all keys."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.datamodel.support import Acs, Owner, Router

from cwmp.contract import Fault
from cwmp.datamodel import clauses, loader
from cwmp.lab.router.ambiorix import AmbiorixDaemon
from cwmp.lab.router.bbfdm import BbfdmDaemon
from cwmp.lab.router.served import Instance, wifi
from cwmp.runtime import Runtime
from ubuskit.client import Client, Method, Request, open_client

PAGE = (Path(__file__).parents[2] / "docs/mapping.md").read_text()
StartDatamodel = Callable[[], Awaitable[Runtime]]


@dataclass
class Example:
    source: str
    blocks: list[tuple[str, str]] = field(default_factory=list)

    def of(self, kind: str) -> list[tuple[str, str]]:
        """The blocks of a kind: what is said beside it, and the text."""
        return [
            (info.removeprefix(kind).strip(), text) for info, text in self.blocks if info.split()[0] == kind
        ]

    def lines(self, kind: str) -> list[tuple[str, str, str]]:
        """``name = value  # remark`` of the blocks of a kind."""
        found = []
        for _, text in self.of(kind):
            for line in text.splitlines():
                said, _, remark = line.partition("  #")
                name, _, value = said.partition(" =")
                found.append((name.strip(), value.strip(), remark.strip()))
        return found


def examples() -> list[Example]:
    page = PAGE[PAGE.index("\n## Examples") : PAGE.index("\n## Reference")]
    found = []
    for section in page.split("\n### ")[1:]:
        example = Example(section.partition(":")[0])
        example.blocks = re.findall(r"^```([a-z].*)\n((?:.*\n)*?)```$", section, re.MULTILINE)
        found.append(example)
    return found


def test_there_is_an_example_for_each_source() -> None:
    assert {e.source for e in examples()} == {
        "uci",
        "ubus",
        "file",
        "const",
        "service",
        "ambiorix",
        "bbfdm",
        "python",
    }


@pytest.mark.parametrize(
    "key",
    sorted(
        (loader._OBJECT_KEYS | loader._PARAMETER_KEYS | set(clauses._ROW_KEYS) | clauses._ROW_EXTRAS)
        - {"let"}
    ),
)
def test_the_reference_names_every_key(key: str) -> None:
    reference = PAGE[PAGE.index("\n## Reference") :]
    assert re.search(rf"`{key}`|\b{key} = ", reference), f"{key} is not explained"


@pytest.fixture
async def serving(bus: Path) -> AsyncIterator[Client]:
    async with open_client(str(bus)) as client:
        yield client


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("example_code", None)


async def _serve_replies(example: Example, serving: Client) -> None:
    objects: dict[str, dict[str, Method]] = {}
    for call, text in example.of("ubus"):
        name, _, method = call.rpartition(" ")
        reply = json.loads(text)

        async def answer(_request: Request, reply: object = reply) -> object:
            return reply

        objects.setdefault(name, {})[method] = Method(answer, {"zone": str})  # type: ignore[arg-type]
    for name, methods in objects.items():
        await serving.add_object(name, methods)


@pytest.mark.parametrize("example", examples(), ids=lambda e: e.source)
async def test_the_example_does_what_the_page_says(
    example: Example, alone: Acs, router: Router, serving: Client, diagnostics: Owner,
    start_datamodel: StartDatamodel, importable: Path,
) -> None:  # fmt: skip
    ((_, mapping),) = example.of("toml")
    router.write(f"/etc/cwmp/datamodel.d/{example.source}.toml", mapping)
    (router.paths.system("/etc/cwmp/datamodel.d") / "MyPackage.toml").write_text("")
    for _, text in example.of("python"):
        (importable / "example_code.py").write_text(text)
    for path, text in example.of("uci") + example.of("file"):
        router.write(path, text)
    for _, text in example.of("owner"):
        for line in text.splitlines():
            name, _, value = line.partition(" =")
            diagnostics.values[name] = value.strip()
    await _serve_replies(example, serving)
    daemon: AmbiorixDaemon | BbfdmDaemon | None = None
    if example.source == "ambiorix":
        daemon = AmbiorixDaemon(serving, "WiFi", wifi())
    elif example.source == "bbfdm":
        daemon = BbfdmDaemon(serving, "Device.WiFi.", wifi())
    if daemon is not None:
        await daemon.start()
    await start_datamodel()

    reads = example.lines("reads")
    assert reads
    for name, value, _ in reads:
        assert await alone.get(name) == {name: value}
    for name, value, remark in example.lines("writes"):
        await alone.set_all({name: value})
        if wanted := re.fullmatch(r"(\w+) has (\S+)", remark):
            assert wanted[1] == "diagnostics"
            assert diagnostics.values[wanted[2]] == value
        elif wanted := re.fullmatch(r"WiFi\.(\S+) has (\w+) (\w+)", remark):
            assert daemon is not None
            found = daemon.served.find(wanted[1])
            assert isinstance(found, Instance)
            assert str(found.values[wanted[2]]) == wanted[3]
        else:
            assert any(f"{remark}\n" in path.read_text() for path in router.paths.uci_dir.iterdir()), remark
        assert await alone.get(name) == {name: value}
    for name, value, remark in example.lines("refuses"):
        with pytest.raises(Fault) as caught:
            await alone.set_all({name: value})
        assert [(p.name, p.code) for p in caught.value.parameters] == [(name, int(remark))]
