"""What an author of mapping files is told: lint, coverage, and what a parameter is bound to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from tests.datamodel.support import Acs

from cwmp.contract import Fault
from cwmp.datamodel import tools
from ubuskit.client import Client

SSID = "Device.WiFi.SSID.1.SSID"
STANDARD = {
    "items": [
        {"path": p} for p in ("Device.Time.", "Device.Time.Enable", "Device.Time.Status", "Device.Gone.")
    ],
    "profiles": [
        {"name": "Old:1", "status": "deleted", "closure": {"objects": [], "parameters": []}},
        {
            "name": "Time:1",
            "closure": {
                "objects": [["Device.Time.", "present"]],
                "parameters": [["Device.Time.Enable", "readWrite"], ["Device.Time.Status", "readOnly"]],
            },
        },
        {
            "name": "Time:2",
            "closure": {
                "objects": [["Device.Time.", "present"]],
                "parameters": [["Device.Time.Enable", "readOnly"], ["Device.Time.Status", "readWrite"]],
            },
        },
        {
            "name": "Gone:1",
            "closure": {
                "objects": [["Device.Time.", "present"], ["Device.Gone.", "createDelete"]],
                "parameters": [["Device.Gone.A", "readOnly"]],
            },
        },
    ],
}


def test_coverage_tells_covered_partly_and_absent(tmp_path: Path) -> None:
    profiles = tools.coverage(tools.installed_model(tmp_path), STANDARD)
    assert [str(profile) for profile in profiles] == [
        "covered  Time:1",
        "partly   Time:2 (2 of 3), missing: Device.Time.Status (readWrite)",
        "absent   Gone:1",
    ]


def test_lint_names_file_line_reason_and_a_better_name(tmp_path: Path) -> None:
    good, bad = tmp_path / "Good.toml", tmp_path / "Bad.toml"
    good.write_text('["Device.X_EXAMPLE_COM_A."]\nB = { type = "string(8)", uci = "a.b.c" }\n')
    bad.write_text(
        '["Device.Time."]\n'
        'Enabled = { type = "boolean", uci = "system.ntp.enabled" }\n'
        'Status = { type = "text", const = "x" }\n'
        '["Device.Zebra."]\n'
    )
    assert tools.lint([good], STANDARD, sysroot=tmp_path) == []
    found = [str(problem) for problem in tools.lint([good, bad], STANDARD, sysroot=tmp_path)]
    assert found[0] == f"{bad}:2: Device.Time.Enabled is not in TR-181: Device.Time.Enable?"
    assert found[1].startswith(f"{bad}:3: Device.Time.Status: ")
    assert "no type 'text'" in found[1] or "declares it already" in found[1]
    assert found[2] == (
        f"{bad}:4: Device.Zebra. is not in TR-181; a name of your own begins with X_<VENDOR>_"
    )


def test_a_file_takes_the_place_of_the_installed_one_of_its_name(tmp_path: Path) -> None:
    time = tmp_path / "Time.toml"
    time.write_text('["Device.Time."]\nEnable = { type = "boolean", const = true }\n')
    assert tools.lint([time], sysroot=tmp_path) == []


@pytest.mark.parametrize("text", [None, "no JSON", "[]", '{"items": []}'])
def test_what_is_no_published_model_is_said(
    tmp_path: Path, text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model.json"
    if text is not None:
        file.write_text(text)
    assert tools.main(["coverage", str(file)]) == 2
    assert str(file) in capsys.readouterr().err


def test_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, bad = tmp_path / "model.json", tmp_path / "Bad.toml"
    file.write_text(json.dumps(STANDARD))
    assert tools.main(["--sysroot", str(tmp_path), "coverage", "--all", str(file)]) == 1
    assert "absent   Gone:1" in capsys.readouterr().out
    bad.write_text("[[[")
    command = [sys.executable, "-m", "cwmp.cli", "model", "lint", str(bad)]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    assert found.returncode == 1
    assert f"{bad}:1: is not TOML" in found.stdout


async def test_describe_tells_source_and_who_is_told(acs: Acs, client: Client) -> None:
    await acs.notify(2, SSID)
    found = await client.call("cwmp.datamodel", "describe", {"path": SSID})
    declared = found.pop("declared")
    assert "WiFi.toml:" in declared
    assert json.loads(found.pop("source")) == {"uci": "ssid"}
    assert found == {
        "name": SSID,
        "type": "string(32)",
        "access": "readWrite",
        "notification": 2,
        "reads": ["uci wireless"],
        "told": ["UCI wireless: who depends on it, after session"],
    }
    for path in ("Device.WiFi.", "Device.Nothing", ""):
        reply = await client.call("cwmp.datamodel", "describe", {"path": path})
        assert reply["fault"]["code"] == 9005
    implied = await client.call("cwmp.datamodel", "describe", {"path": "Device.WiFi.SSIDNumberOfEntries"})
    assert implied["access"] == "readOnly"


async def test_explain_shows_it(acs: Acs, bus: Path) -> None:
    command = [sys.executable, "-m", "cwmp.cli", "--bus", str(bus), "model", "explain", SSID]
    done = await trio.run_process(command, check=False, capture_stdout=True)
    lines = done.stdout.decode().splitlines()
    assert lines[0] == f"{SSID} => OpenWrt"
    assert "  told: UCI wireless: who depends on it, after session" in lines
    with pytest.raises(Fault):
        await acs.get("Device.Nothing")
    missing = await trio.run_process([*command[:-1], "Device.Nothing"], check=False, capture_stderr=True)
    assert missing.returncode == 1
    assert b"9005" in missing.stderr
