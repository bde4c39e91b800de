"""`cwmp check`: why there is no session, step by step, and what to do about it.

Everything a session needs is tried in its order: configuration, clock, DNS, TCP, TLS, HTTP authentication; the
first step that fails ends it. It runs in the command itself and changes nothing: the ACS is sent an empty POST,
which belongs to no session. `--inform` then has the service open a real one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cwmp.cli.bus import SESSION, Bus, Unreachable
from cwmp.contract.faults import Fault
from ubuskit.blocking import BlockingClient
from ubuskit.errors import UbusError

if TYPE_CHECKING:
    from cwmp.runtime.config import Config

OK, WRONG, NOTE = "ok", "WRONG", "note"
_MAX_REDIRECTS = 5
_PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class Finding:
    """What one step found; `fix` says what to do where something is wrong."""

    step: str
    result: str
    text: str
    fix: str = ""

    def lines(self) -> Iterator[str]:
        yield f"{self.result:<6}{self.step:<15}{self.text}"
        if self.fix:
            yield f"{'':<6}{'':<15}fix: {self.fix}"


class Report:
    """The findings of one check, as lines and as JSON; `wrong` once one of them is."""

    def __init__(self, findings: Iterator[Finding]) -> None:
        self._findings = findings
        self.wrong = False

    def _each(self) -> Iterator[Finding]:
        for finding in self._findings:
            self.wrong = self.wrong or finding.result == WRONG
            yield finding

    def tables(self) -> list[dict[str, Any]]:
        return [asdict(finding) for finding in self._each()]

    def lines(self) -> Iterator[str]:
        for finding in self._each():
            yield from finding.lines()


def check(options: argparse.Namespace) -> Report:
    """Check what `options` name: `uci_dir`, `sysroot`, `timeout` (s)."""
    return Report(_findings(options))


def inform(bus: Bus, timeout: float) -> Iterator[Finding]:
    """A real session, and how it ended."""
    before = _sessions(bus)
    accepted = bus.call(SESSION, "inform")
    if not accepted.get("accepted", True):
        yield Finding("inform", WRONG, str(accepted.get("info")))
        return
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if _sessions(bus) > before:
            last = bus.call(SESSION, "status")["last_session"]
            if last["result"] == "success":
                yield Finding("inform", OK, "the session ended in success")
            else:
                yield Finding("inform", WRONG, last["error"], "see: cwmp history, cwmp trace follow")
            return
        time.sleep(_PAUSE)
    yield Finding("inform", WRONG, f"no session ended within {timeout:g} s", "see: cwmp status")


def _sessions(bus: Bus) -> int:
    """How many have ended."""
    numbers = bus.call(SESSION, "status")["statistics"]
    return int(numbers["success"] + numbers["failure"])


def _findings(options: argparse.Namespace) -> Iterator[Finding]:
    from cwmp.cli import probe  # noqa: PLC0415  # sockets, ssl and all: only this command needs them
    from cwmp.runtime import config as configuration  # noqa: PLC0415
    from cwmp.runtime.clock import CLOCK_IS_SET, date_time  # noqa: PLC0415
    from cwmp.runtime.proxy import Bypass, Proxy  # noqa: PLC0415
    from cwmp.runtime.url import Url  # noqa: PLC0415
    from ubuskit.uci import Uci  # noqa: PLC0415

    directory = Path(options.uci_dir)
    config, problems = configuration.load(Uci(directory, Path(options.sysroot) / "tmp/.uci"), directory)
    discovered = "" if config.acs_url or not config.discovery else _discovered(options)
    acs_url = config.acs_url or discovered
    try:
        url = Url.parse(acs_url) if acs_url else None
    except ValueError as error:
        url = None
        yield Finding("configuration", WRONG, f"option 'acs_url': {error}", "correct the option")
    yield from _configuration(config, [str(p) for p in problems], directory, discovered)
    now = time.time()
    unset = now < CLOCK_IS_SET
    yield Finding(
        "clock",
        WRONG if unset else OK,
        f"{date_time(now)}{' was never set' if unset else ''}",
        "let the time be set by NTP (system.ntp), or set it: date -s" if unset else "",
    )
    if url is None:
        return
    auth = probe.authenticator(url, config)
    proxy = Proxy(Url.parse(config.http_proxy)) if config.http_proxy else None
    bypass = Bypass.parse(config.no_proxy)
    for _ in range(_MAX_REDIRECTS + 1):
        try:
            through = None if proxy is None or bypass.covers(url.host) else proxy
            hop = probe.Hop(url, "acs_url") if through is None else probe.Hop(through.url, "http_proxy")
            addresses = yield from probe.dns(hop, options.timeout)
            with ExitStack() as sockets:
                sock = sockets.enter_context((yield from probe.tcp(hop, addresses, options.timeout)))
                if url.secure:
                    if through is not None and not (yield from probe.tunnel(through, url, sock)):
                        continue
                    sock = sockets.enter_context(
                        (yield from probe.tls(url, sock, config, ignore_dates=unset))
                    )
                    through = None
                target = yield from probe.http(url, sock, auth, config.username or url.username, through)
        except probe.Stop as stop:
            yield stop.finding
            return
        if target is None:
            return
        url = target
    yield Finding("http", WRONG, f"redirected more than {_MAX_REDIRECTS} times", "correct it at the ACS")


def _discovered(options: argparse.Namespace) -> str:
    """The ACS that DHCP tells of, if the service runs and knows of one."""
    try:
        with BlockingClient(options.bus, connect_timeout=min(options.timeout, 1.0)) as client:
            status = Bus(client, options.timeout).call(SESSION, "status")
    except (Fault, Unreachable, UbusError):
        return ""
    return str(status.get("acs_url", "")) if status.get("acs_url_from") == "dhcp" else ""


def _configuration(
    config: Config, problems: list[str], directory: Path, discovered: str
) -> Iterator[Finding]:
    for problem in problems:
        yield Finding("configuration", WRONG, problem, "correct the option, then: cwmp reload")
    if not config.enable:
        yield Finding("configuration", WRONG, "option 'enable' is 0", "set it to 1, then: cwmp reload")
    if discovered:
        yield Finding("configuration", OK, f"DHCP tells of the ACS {discovered}")
    elif not config.acs_url:
        yield Finding(
            "configuration", WRONG, "there is no acs_url", "set option 'acs_url' to the URL of the ACS"
        )
    elif not problems and config.enable:
        yield Finding("configuration", OK, str(directory / "cwmp"))
    if config.connection_request_enable and not (
        config.connection_request_username and config.connection_request_password
    ):
        yield Finding(
            "configuration", NOTE, "connection requests are refused: no user name and password set yet"
        )


__all__ = ["Finding", "Report", "check", "inform"]
