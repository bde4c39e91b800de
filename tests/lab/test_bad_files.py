"""Files that are not what they should be: said clearly, with file and line, and the suite runs on."""

from __future__ import annotations

import itertools

import trio
from tests.lab.conftest import Lab

from ubuskit.errors import NotFound

GARBAGE = (b"\x00\xff" * 50, b"", b'{"version": 99}', b"[", b"[]")


async def bootstrapped(lab: Lab) -> None:
    async with lab.acs.session("0 BOOTSTRAP"):
        pass


async def state(lab: Lab, wanted: str) -> None:
    """Wait until the session service says that it is in this state; it may be busy, or still starting."""
    with trio.fail_after(20):
        while True:
            try:
                status = await lab.bus.call("cwmp", "status")
            except NotFound:
                await trio.lowlevel.checkpoint()
            else:
                if status["state"] == wanted:
                    return


async def test_state_files_that_are_garbage_are_set_aside(lab: Lab) -> None:
    await bootstrapped(lab)
    documents = list(lab.router.paths.state_dir.rglob("*.json"))
    assert documents
    for document, garbage in zip(documents, itertools.cycle(GARBAGE), strict=False):
        document.write_bytes(garbage)
    await lab.router.power_cycle()
    async with lab.acs.session("1 BOOT") as session:
        await session.ready()
    assert all(document.with_suffix(".corrupt").exists() for document in documents)
    assert "unusable" in lab.log


async def test_a_configuration_that_cannot_be_read_holds_as_it_was_until_a_boot(lab: Lab) -> None:
    await bootstrapped(lab)
    file = lab.router.paths.uci_dir / "cwmp"
    good = file.read_text()
    file.write_text(good + "\noption 'without a section\n")
    await lab.bus.call("cwmp", "reload", {})
    with trio.fail_after(20):
        while "/etc/config/cwmp: the file cannot be read, what it said before holds" not in lab.log:
            await trio.lowlevel.checkpoint()
    await state(lab, "running")
    await lab.router.power_cycle()
    await state(lab, "disabled")
    assert "/etc/config/cwmp: the file cannot be read, nothing runs" in lab.log
    file.write_text(good)
    await lab.bus.call("cwmp", "reload", {})
    async with lab.acs.session() as session:
        await session.ready()


async def test_an_option_that_does_not_exist_is_named_with_its_line(lab: Lab) -> None:
    await bootstrapped(lab)
    file = lab.router.paths.uci_dir / "cwmp"
    file.write_text(file.read_text() + "\toption acs_ulr 'http://x/'\n")
    line = len(file.read_text().splitlines())
    await lab.bus.call("cwmp", "reload", {})
    await lab.bus.call("cwmp", "inform", {})
    async with lab.acs.session() as session:
        await session.ready()
    assert f"/etc/config/cwmp: line {line}: there is no option 'acs_ulr'" in lab.log


async def test_a_mapping_file_with_a_mistake_costs_only_itself(lab: Lab) -> None:
    await bootstrapped(lab)
    directory = lab.router.paths.system("/usr/share/cwmp/datamodel.d")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "Vendor.toml").write_text("this is = = no TOML\n")
    await lab.router.power_cycle()
    async with lab.acs.session("1 BOOT") as session:
        assert "Device.DeviceInfo.SoftwareVersion" in session.inform.parameters
    status = await lab.bus.call("cwmp.datamodel", "status")
    assert any("Vendor.toml:1" in problem for problem in status["problems"])


async def test_a_router_without_its_own_configuration_waits(lab: Lab) -> None:
    await bootstrapped(lab)
    (lab.router.paths.uci_dir / "cwmp").unlink()
    boots = lab.router.boots
    await lab.router.power_cycle()
    assert lab.router.boots == boots + 1
    await state(lab, "waiting for URL")
    assert "the file is missing" in lab.log
