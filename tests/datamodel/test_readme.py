"""The vendor's file in README: readable, writable, notifying, with no restart of anything but the datamodel."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.datamodel.support import Acs, Owner, Router

from cwmp.contract import Fault
from cwmp.runtime import Runtime

README = (Path(__file__).parents[2] / "README.md").read_text()
EXAMPLE = "Device.X_EXAMPLE_COM_MyPackage.Example"
RULES = "Device.X_EXAMPLE_COM_MyPackage.Rule."

StartDatamodel = Callable[[], Awaitable[Runtime]]


def vendor_file() -> str:
    block = re.search(
        r"((?:    .*\n|\n)*    # /etc/cwmp/datamodel\.d/MyPackage\.toml.*\n(?:    .*\n|\n)*)", README
    )
    assert block is not None
    text = "\n".join(line[4:] for line in block[1].splitlines()).strip() + "\n"
    assert len([line for line in text.splitlines() if line and not line.startswith("#")]) <= 10
    return text


async def test_a_vendors_ten_lines(
    alone: Acs, router: Router, session: Owner, start_datamodel: StartDatamodel
) -> None:
    runtime = await start_datamodel()
    with pytest.raises(Fault):
        await alone.get(RULES)
    router.write("/etc/cwmp/datamodel.d/MyPackage.toml", vendor_file())
    runtime.nursery.cancel_scope.cancel()
    await start_datamodel()  # who asks and who answers beside it were not restarted

    assert await alone.get(EXAMPLE) == {EXAMPLE: "factory"}
    await alone.set_all({EXAMPLE: "set"}, "k")
    assert "option example 'set'" in router.uci("mypackage")
    await router.wait_told("mypackage")
    number = (await alone.add(RULES)).instance_number
    await alone.set_all({f"{RULES}{number}.Port": "443"})
    assert "option port '443'" in router.uci("mypackage")

    await alone.informed(await alone.inform("0 BOOTSTRAP"))
    await alone.notify(2, EXAMPLE)
    await alone.set_all({EXAMPLE: "by somebody else"}, None)
    await session.wait_raised(1)
    found = await alone.inform("4 VALUE CHANGE")
    assert dict(zip(found.names, found.values, strict=True))[EXAMPLE] == "by somebody else"
