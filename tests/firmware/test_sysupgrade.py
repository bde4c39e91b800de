"""The seam to the system: /sbin/sysupgrade where there is one, procd's own method where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from tests.firmware.surroundings import Procd

from cwmp.contract import Fault
from cwmp.firmware.sysupgrade import System
from cwmp.runtime import Paths
from ubuskit.client import Client, Method, Request
from ubuskit.errors import InvalidArgument, StatusError, UnknownError


def program(paths: Paths, script: str) -> Path:
    """A /sbin/sysupgrade below the sysroot that notes its arguments and then does as `script` says."""
    path = paths.system("/sbin/sysupgrade")
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nfor a; do echo "$a"; done > "{path}.arguments"\n{script}\n')
    path.chmod(0o755)
    return path


async def test_the_program_is_given_the_image_and_nothing_is_asked_of_procd(
    client: Client, procd: Procd, paths: Paths, tmp_path: Path
) -> None:
    image = tmp_path / "an image; with $(odd) characters"
    path = program(paths, "exit 0")
    await System(client, paths).flash(image)
    assert Path(f"{path}.arguments").read_text().splitlines() == ["-q", str(image)]
    assert procd.calls == []


@pytest.mark.parametrize("code", [1, 2, 8])
async def test_a_refusal_of_the_program(client: Client, paths: Paths, tmp_path: Path, code: int) -> None:
    program(paths, f"echo 'Image check failed.'; echo 'Command failed' >&2; exit {code}")
    with pytest.raises(Fault) as caught:
        await System(client, paths).flash(tmp_path / "image")
    assert caught.value.code == 9018
    assert "Image check failed. Command failed" in caught.value.text


@pytest.mark.parametrize("script", ["exit 4", "exit 7", "exit 9", "kill -TERM $$", "kill -KILL $$"])
async def test_an_end_of_the_program_that_the_upgrade_may_have_caused_is_no_refusal(
    client: Client, paths: Paths, tmp_path: Path, script: str
) -> None:
    program(paths, script)
    await System(client, paths).flash(tmp_path / "image")


async def test_a_program_that_does_not_end_is_not_waited_for_forever(
    autojump_clock: trio.testing.MockClock, client: Client, paths: Paths, tmp_path: Path
) -> None:
    autojump_clock.autojump_threshold = 0.2
    program(paths, "exec sleep 1000")
    await System(client, paths).flash(tmp_path / "image")
    assert trio.current_time() >= 300


async def answering(client: Client, error: StatusError) -> None:
    async def refuse(_: Request) -> None:
        raise error

    await client.add_object(
        "system",
        {
            n: Method(refuse, {"path": str, "prefix": str, "command": str, "options": dict})
            for n in ("sysupgrade", "board", "validate_firmware_image", "reboot")
        },
    )


async def test_what_procd_refuses(client: Client, paths: Paths) -> None:
    await answering(client, InvalidArgument("no"))
    system, image = System(client, paths), Path("/tmp/image")
    for question, code in (
        (system.flash(image), 9018),
        (system.check(image), 9002),
        (system.version(), 9002),
        (system.reboot(), 9002),
    ):
        with pytest.raises(Fault) as caught:
            await question
        assert caught.value.code == code


async def test_an_answer_of_procd_that_the_upgrade_may_have_caused_is_no_refusal(
    client: Client, paths: Paths
) -> None:
    await answering(client, UnknownError("failed to exec upgraded"))
    await System(client, paths).flash(Path("/tmp/image"))


async def test_a_system_without_procd(client: Client, paths: Paths) -> None:
    system, image = System(client, paths), Path("/tmp/image")
    for question in (system.flash(image), system.check(image), system.version(), system.reboot()):
        with pytest.raises(Fault) as caught:
            await question
        assert caught.value.code == 9002


async def test_a_version_that_is_not_said(client: Client, paths: Paths, procd: Procd) -> None:
    procd.release = {"distribution": "OpenWrt"}
    with pytest.raises(Fault) as caught:
        await System(client, paths).version()
    assert caught.value.code == 9002
