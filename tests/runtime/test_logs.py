"""The log: ident cwmp in syslog, one line a step, the bindings' lines too; no credentials in URLs."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cwmp.runtime import logs, without_credentials
from cwmp.runtime.url import Url


@pytest.fixture(autouse=True)
def quiet_again() -> Iterator[None]:
    yield
    for name in ("cwmp.probe", "ubuskit"):
        logger = logging.getLogger(name)
        for handler in logger.handlers[:]:
            logger.removeHandler(handler)
            handler.close()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


def test_syslog_lines_begin_with_cwmp(short_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(short_dir / "log"))
        syslog.settimeout(5)
        logs.set_up("probe", stderr=False, device=short_dir / "log").info("Inform sent")
        assert syslog.recv(1000) == b"<30>cwmp: probe: Inform sent"
        logging.getLogger("ubuskit.client").warning("the bus is gone")
        assert syslog.recv(1000) == b"<28>cwmp: probe: the bus is gone"


def test_no_line_is_lost_while_syslog_is_away(short_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(short_dir / "log"))
        log = logs.set_up("probe", stderr=False, device=short_dir / "log")
    (short_dir / "log").unlink()
    log.info("one")
    assert capsys.readouterr().err == "cwmp: probe: one\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(short_dir / "log"))
        syslog.settimeout(5)
        log.info("two")
        assert syslog.recv(1000) == b"<30>cwmp: probe: two"


def test_stderr_when_asked_or_without_syslog(short_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("probe", stderr=False, device=short_dir / "no such socket").warning("one")
    assert capsys.readouterr().err.partition(" ")[2] == "cwmp: probe: one\n"
    logs.set_up("probe", stderr=True, device=short_dir / "log").warning("two")
    assert capsys.readouterr().err.partition(" ")[2] == "cwmp: probe: two\n"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://acs.example.org/a?b=c", "https://acs.example.org/a?b=c"),
        ("https://user:secret@acs.example.org:7547/", "https://acs.example.org:7547/"),
        ("http://us@er:se@cret@[::1]:80/", "http://[::1]:80/"),
        ("http://[bad", "(not a URL)"),
    ],
)
def test_urls_are_shown_without_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


@pytest.mark.parametrize(
    "text", ["http://u:secret@\u2100.example/", "http://u:secret@h:99x/", "http://u:secret@[::1"]
)
def test_what_is_wrong_with_a_url_is_said_without_its_password(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Url.parse(text)
    assert "secret" not in str(caught.value)
