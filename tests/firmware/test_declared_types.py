"""File types that a vendor declares, and the programs that take or write such files."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import trio.testing

from cwmp.contract import Fault, FaultCode
from cwmp.firmware.declared import declarations, run
from cwmp.runtime import Paths

LOG = logging.getLogger("test.declared")

GOOD = """
file_type = "X 02005E Calibration"
download = ["/usr/libexec/calibration", "load"]
upload = ["/usr/libexec/calibration", "save"]
restart = true
"""


def declare(paths: Paths, text: str, *, name: str = "calibration.toml", where: str = "/etc/cwmp") -> Path:
    path = paths.system(f"{where}/transfer.d/{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)
    return path


def test_a_declaration(paths: Paths) -> None:
    declare(paths, GOOD)
    (found,) = declarations(paths, LOG).values()
    assert (found.file_type, found.restart) == ("X 02005E Calibration", True)
    assert list(found.download) == ["/usr/libexec/calibration", "load"]
    assert list(found.upload) == ["/usr/libexec/calibration", "save"]


def test_the_file_in_etc_wins(paths: Paths) -> None:
    declare(paths, GOOD, where="/usr/share/cwmp")
    declare(paths, GOOD.replace("restart = true", "restart = false"))
    assert not declarations(paths, LOG)["X 02005E Calibration"].restart


def test_without_any(paths: Paths) -> None:
    assert declarations(paths, LOG) == {}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("X 02005E Calibration", "1 Firmware Upgrade Image"), "file_type"),
        (("X 02005E Calibration", "4 Tone File"), "file_type"),
        (("/usr/libexec/calibration", "calibration"), "begins with /"),
        (('"load"', "3"), "list of texts"),
        (("restart = true", 'restart = "yes"'), "true or false"),
        (("restart", "reboot"), "reboot"),
        (("[", "("), "Invalid"),
        (("download", "#download"), ""),
    ],
)
def test_mistakes(paths: Paths, caplog: pytest.LogCaptureFixture, change: tuple[str, str], why: str) -> None:
    declare(paths, GOOD.replace(*change))
    found = declarations(paths, LOG)
    if why:
        assert found == {}
        assert why in caplog.text
    else:
        assert not found["X 02005E Calibration"].download


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_may_write_is_not_believed(paths: Paths, mode: int) -> None:
    declare(paths, GOOD).chmod(mode)
    assert declarations(paths, LOG) == {}


def program(tmp_path: Path, script: str) -> list[str]:
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return [str(path), "load"]


async def test_a_program_gets_the_file_and_no_shell(tmp_path: Path) -> None:
    file = tmp_path / "a $(file)"
    await run(program(tmp_path, 'echo "$1 $2" > "$2"'), file, FaultCode.FILE_CORRUPTED)
    assert file.read_text() == f"load {file}\n"


@pytest.mark.parametrize(
    ("script", "failure", "code"),
    [
        ("exit 1", FaultCode.FILE_CORRUPTED, 9018),
        ("exit 2", FaultCode.FILE_CORRUPTED, 9019),
        ("exit 1", FaultCode.UPLOAD_FAILURE, 9011),
        ("exit 2", FaultCode.UPLOAD_FAILURE, 9011),
        ("kill -KILL $$", FaultCode.FILE_CORRUPTED, 9018),
    ],
)
async def test_a_program_that_fails(tmp_path: Path, script: str, failure: FaultCode, code: int) -> None:
    with pytest.raises(Fault) as caught:
        await run(program(tmp_path, script), tmp_path / "file", failure)
    assert caught.value.code == code


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Fault) as caught:
        await run([str(tmp_path / "absent")], tmp_path / "file", FaultCode.FILE_CORRUPTED)
    assert caught.value.code == 9018


async def test_a_program_that_does_not_end(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    autojump_clock.autojump_threshold = 0.2
    with pytest.raises(Fault) as caught:
        await run(program(tmp_path, "exec sleep 1000"), tmp_path / "file", FaultCode.FILE_CORRUPTED)
    assert "600 s" in caught.value.text
