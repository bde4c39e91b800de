"""The demo, as a newcomer runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest


def demo(tmp_path: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cwmp.lab.demo", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=150,
        env={**os.environ, "TMPDIR": str(tmp_path), **environ},
    )


@pytest.mark.parametrize("arguments", [[], ["--separate"]])
def test_the_demo_ends_well_and_leaves_nothing(short_dir: Path, arguments: list[str]) -> None:
    found = demo(short_dir, *arguments)
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.splitlines()[-1] == "demo: ok"
    assert found.stderr == ""
    assert "\x1b" not in found.stdout
    assert "backends: blobmsg" in found.stdout
    assert list(short_dir.iterdir()) == []


def test_the_demo_on_the_pure_backends(short_dir: Path) -> None:
    found = demo(short_dir, UBUSKIT_BACKEND="pure")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "backends: blobmsg pure, uci pure" in found.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_cleans_up_and_does_not_say_ok(short_dir: Path, number: int) -> None:
    command = [sys.executable, "-u", "-m", "cwmp.lab.demo"]
    environ = {**os.environ, "TMPDIR": str(short_dir)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "First contact" in line:
                break
        process.send_signal(number)
        rest = process.stdout.read()
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "demo: stopped"
    assert list(short_dir.iterdir()) == []


def test_a_demo_that_fails_says_where_and_shows_the_log(short_dir: Path) -> None:
    found = demo(short_dir, UBUSD="/bin/false")
    assert found.returncode == 1
    assert "demo: failed:" in found.stdout
    assert "demo: ok" not in found.stdout
    assert list(short_dir.iterdir()) == []
