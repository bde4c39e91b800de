"""The configuration: `/etc/config/cwmp`, the first section of type ``cwmp``.

`OPTIONS` is the one table of what there is; everything else is read from it. A wrong value never stops a
service: the default is used and the problem is reported with the option's name and its line in the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ubuskit.uci import PackageNotFound, Section, Uci, UciError

PACKAGE = "cwmp"

_INTEGER = re.compile(r"[+-]?\d{1,10}")
_URL = re.compile(r"https?://[^\s/?#]+[^\s]*", re.IGNORECASE)
_PROXY = re.compile(r"http://[^\s/?#]*[^\s/?#@]/?", re.IGNORECASE)
_OPTION_LINE = re.compile(r"\s*(?:option|list)\s+['\"]?([A-Za-z0-9_]+)")


@dataclass(frozen=True, slots=True)
class Config:
    """The options of `/etc/config/cwmp`. Intervals in seconds. Secrets do not show in its repr."""

    enable: bool = True
    acs_url: str = ""
    discovery: bool = True
    username: str = ""
    password: str = ""
    periodic_inform_enable: bool = True
    periodic_inform_interval: int = 86400
    periodic_inform_time: str = "0001-01-01T00:00:00Z"
    connection_request_enable: bool = True
    connection_request_address: str = ""
    connection_request_port: int = 7547
    connection_request_path: str = ""
    connection_request_username: str = ""
    connection_request_password: str = ""
    udp_connection_request_port: int = 7547
    stun_enable: bool = False
    stun_server_address: str = ""
    stun_server_port: int = 3478
    stun_username: str = ""
    stun_password: str = ""
    stun_minimum_keep_alive_period: int = 30
    stun_maximum_keep_alive_period: int = -1
    retry_minimum_wait_interval: int = 5
    retry_interval_multiplier: int = 2000
    heartbeat_enable: bool = False
    heartbeat_interval: int = 300
    heartbeat_time: str = "0001-01-01T00:00:00Z"
    default_active_notification_throttle: int = 0
    notification_poll_interval: int = 30
    autonomous_transfer_enable: bool = False
    autonomous_transfer_type: str = "Both"
    autonomous_transfer_result: str = "Both"
    autonomous_transfer_file_types: tuple[str, ...] = ()
    du_state_change_enable: bool = False
    du_state_change_operations: tuple[str, ...] = ()
    du_state_change_result: str = "Both"
    du_state_change_faults: tuple[str, ...] = ()
    upgrade_keep_settings: bool = True
    web_content: str = ""
    rollback_timeout: int = 180
    session_timeout: int = 60
    http_timeout: int = 60
    http_compression: str = "Disabled"
    http_proxy: str = ""
    no_proxy: str = ""
    ca_file: str = ""
    client_certificate: str = ""
    client_key: str = ""
    interface: str = "wan"
    provisioning_code: str = ""
    manufacturer: str = ""
    manufacturer_oui: str = ""
    product_class: str = ""
    serial_number: str = ""
    log_level: str = "info"
    compatibility: bool = False

    def __repr__(self) -> str:
        return f"Config(acs_url={_redacted_url(self.acs_url)!r}, enable={self.enable})"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in the file: `option` may be empty, `line` is 0 where it is not known."""

    option: str
    line: int
    text: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"/etc/config/{PACKAGE}: {where}{self.text}"


_TRUE = frozenset({"1", "true", "yes", "on", "enabled"})
_FALSE = frozenset({"0", "false", "no", "off", "disabled"})


def _boolean(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("use 1 or 0")


def _integer(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not _INTEGER.fullmatch(text) or not low <= int(text) <= high:
            raise ValueError(f"use a whole number from {low} to {high}")
        return int(text)

    return convert


def _text(limit: int) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if len(text) > limit:
            raise ValueError(f"use at most {limit} characters")
        return text

    return convert


def _url(text: str) -> str:
    if len(text) > 2048:
        raise ValueError("use at most 2048 characters")
    if text and not _URL.fullmatch(text):
        raise ValueError("use an absolute http:// or https:// URL")
    return text


def _matching(pattern: str, advice: str) -> Callable[[str], str]:
    expression = re.compile(pattern)

    def convert(text: str) -> str:
        if not expression.fullmatch(text):
            raise ValueError(advice)
        return text

    return convert


def _items(pattern: str, advice: str) -> Callable[[str], tuple[str, ...]]:
    """A list: several values in UCI, or one option with commas or spaces between them."""
    expression = re.compile(pattern)

    def convert(text: str) -> tuple[str, ...]:
        whole = "," in text or expression.fullmatch(text.strip())
        items = tuple(item.strip() for item in text.split(",")) if whole else tuple(text.split())
        if len(text) > 1024 or not all(expression.fullmatch(item) for item in items):
            raise ValueError(advice)
        return items

    return convert


def _proxy(text: str) -> str:
    advice = "use a URL like http://user:password@host:port/"
    if text and not (len(text) <= 2048 and _PROXY.fullmatch(text)):
        raise ValueError(advice)
    try:
        urlsplit(text).port  # noqa: B018  # this is what finds a bad one
    except ValueError:
        raise ValueError(advice) from None
    return text


_DATE_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"
_DATE_TIME_ADVICE = "use a dateTime like 2026-01-31T03:00:00Z"
_FILE_TYPE = (
    "1 Firmware Upgrade Image|2 Web Content|3 Vendor Configuration File|4 Vendor Log File|X [0-9A-F]{6} [^,]*"
)

OPTIONS: dict[str, Callable[[str], Any]] = {
    "enable": _boolean,
    "acs_url": _url,
    "discovery": _boolean,
    "username": _text(256),
    "password": _text(256),
    "periodic_inform_enable": _boolean,
    "periodic_inform_interval": _integer(1, 2**32 - 1),
    "periodic_inform_time": _matching(_DATE_TIME, _DATE_TIME_ADVICE),
    "connection_request_enable": _boolean,
    "connection_request_address": _text(256),
    "connection_request_port": _integer(0, 65535),
    "connection_request_path": _matching(r"[A-Za-z0-9._~/-]{0,128}", "use letters, digits and . _ ~ / -"),
    "connection_request_username": _text(256),
    "connection_request_password": _text(256),
    "udp_connection_request_port": _integer(0, 65535),
    "stun_enable": _boolean,
    "stun_server_address": _matching(r"[^\s/]{0,256}", "use a host name or an address"),
    "stun_server_port": _integer(0, 65535),
    "stun_username": _text(256),
    "stun_password": _text(256),
    "stun_minimum_keep_alive_period": _integer(0, 2**32 - 1),
    "stun_maximum_keep_alive_period": _integer(-1, 2**31 - 1),
    "retry_minimum_wait_interval": _integer(1, 65535),
    "retry_interval_multiplier": _integer(1000, 65535),
    "heartbeat_enable": _boolean,
    "heartbeat_interval": _integer(30, 2**32 - 1),
    "heartbeat_time": _matching(_DATE_TIME, _DATE_TIME_ADVICE),
    "default_active_notification_throttle": _integer(0, 2**32 - 1),
    "notification_poll_interval": _integer(1, 86400),
    "autonomous_transfer_enable": _boolean,
    "autonomous_transfer_type": _matching("Upload|Download|Both", "use Upload, Download or Both"),
    "autonomous_transfer_result": _matching("Success|Failure|Both", "use Success, Failure or Both"),
    "autonomous_transfer_file_types": _items(_FILE_TYPE, "use file types like '1 Firmware Upgrade Image'"),
    "du_state_change_enable": _boolean,
    "du_state_change_operations": _items("Install|Update|Uninstall", "use Install, Update, Uninstall"),
    "du_state_change_result": _matching("Success|Failure|Both", "use Success, Failure or Both"),
    "du_state_change_faults": _items(r"9\d{3}", "use fault codes like 9015"),
    "upgrade_keep_settings": _boolean,
    "web_content": _matching(
        r"(/[A-Za-z0-9._-]*[A-Za-z0-9_-]){0,16}", "use an absolute path, of letters, digits and . _ -"
    ),
    "rollback_timeout": _integer(0, 86400),
    "session_timeout": _integer(30, 3600),
    "http_timeout": _integer(30, 3600),
    "http_compression": _matching("Disabled|GZIP|Deflate", "use Disabled, GZIP or Deflate"),
    "http_proxy": _proxy,
    "no_proxy": _text(1024),
    "ca_file": _text(256),
    "client_certificate": _text(256),
    "client_key": _text(256),
    "interface": _matching(r"[A-Za-z0-9_.-]{1,64}", "use the name of a UCI network interface"),
    "provisioning_code": _text(64),
    "manufacturer": _text(64),
    "manufacturer_oui": _matching(r"([0-9A-F]{6})?", "use six upper-case hexadecimal digits"),
    "product_class": _text(64),
    "serial_number": _text(64),
    "log_level": _matching("debug|info|warning|error", "use debug, info, warning or error"),
    "compatibility": _boolean,
}
LISTS = frozenset({"autonomous_transfer_file_types", "du_state_change_operations", "du_state_change_faults"})
"""The options that may be lists in UCI."""

# Options that belong to this file but not to the services: kept by the datamodel or set by the integrator.
_FOREIGN = frozenset({"upgrades_managed", "description", "model_name", "hardware_version"})


def load(uci: Uci, directory: Path, known: Config | None = None) -> tuple[Config, list[Problem]]:
    """Read the configuration and say everything that is wrong with it. Never raises for what is in the file.

    A file that cannot be read gives `known`, what it said when it last could be; without that nothing runs.
    """
    stay, consequence = (
        (known, "what it said before holds") if known else (Config(enable=False), "nothing runs")
    )
    try:
        package = uci.load(PACKAGE)
    except PackageNotFound:
        return Config(), [Problem("", 0, "the file is missing: nothing is configured")]
    except UciError as error:
        return stay, [Problem("", 0, f"the file cannot be read, {consequence}: {error}")]
    except OSError as error:
        return stay, [Problem("", 0, f"the file cannot be read, {consequence}: {error.strerror}")]
    sections = [s for s in package.sections.values() if s.type == PACKAGE]
    if not sections:
        return Config(), [Problem("", 0, f"there is no section of type {PACKAGE} ('config {PACKAGE}')")]
    config, problems = parse(sections[0])
    lines = _option_lines(directory / PACKAGE)
    return config, [Problem(p.option, lines.get(p.option, 0), p.text) for p in problems]


def parse(section: Section) -> tuple[Config, list[Problem]]:
    """The configuration in one section, and what is wrong in it (without lines)."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for option, raw in section.options.items():
        convert = OPTIONS.get(option)
        if convert is None:
            if option not in _FOREIGN:
                problems.append(Problem(option, 0, f"there is no option '{option:.64}': ignored"))
        elif isinstance(raw, list) and option not in LISTS:
            problems.append(Problem(option, 0, f"option '{option}' is a list: using the default"))
        else:
            try:
                values[option] = convert(",".join(raw) if isinstance(raw, list) else raw)
            except ValueError as error:
                problems.append(Problem(option, 0, f"option '{option}': {error}; using the default"))
    return Config(**values), problems


def _option_lines(path: Path) -> dict[str, int]:
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if found := _OPTION_LINE.match(line):
            lines.setdefault(found[1], number)
    return lines


def _redacted_url(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url)


assert set(OPTIONS) == {f.name for f in fields(Config)}  # noqa: S101  # the two tables are one
